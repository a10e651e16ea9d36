"""Whose an account is, and what was closed for that."""

from alembic import op

revision = "0027"
down_revision = "0026"

REASONS = "'bankruptcy_price', 'mark_price'"


def upgrade() -> None:
    """Nobody has said it of any."""
    op.execute("ALTER TABLE accounts ADD COLUMN owner_id TEXT")
    _reasons(f"{REASONS}, 'same_owner'")


def downgrade() -> None:
    """Possible while nothing was closed for it."""
    _reasons(REASONS)
    op.execute("ALTER TABLE accounts DROP COLUMN owner_id")


def _reasons(words: str) -> None:
    op.execute("ALTER TABLE adl_counterparties DROP CONSTRAINT adl_counterparties_reason")
    op.execute(
        "ALTER TABLE adl_counterparties ADD CONSTRAINT adl_counterparties_reason"
        f" CHECK (reason IN ({words}))"
    )

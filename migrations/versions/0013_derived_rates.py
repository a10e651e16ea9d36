"""Funding rates derived from premiums: a contract's terms, the samples, what was settled."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = (
    "ALTER TABLE contracts ADD COLUMN funding_mode TEXT NOT NULL DEFAULT 'given'",
    """
    ALTER TABLE contracts ADD CONSTRAINT contracts_funding_mode
        CHECK (funding_mode IN ('given', 'derived'))
    """,
    "ALTER TABLE contracts ADD COLUMN interest_rate NUMERIC",
    "ALTER TABLE funding ADD COLUMN premium NUMERIC",
    "ALTER TABLE funding ADD COLUMN sampled_at TIMESTAMP WITH TIME ZONE",
    "ALTER TABLE funding ADD COLUMN premium_total NUMERIC NOT NULL DEFAULT 0",
    "ALTER TABLE funding ADD COLUMN premium_seconds NUMERIC NOT NULL DEFAULT 0",
    "ALTER TABLE funding ADD COLUMN settled_premium NUMERIC",
    "ALTER TABLE funding_rates ADD COLUMN average_premium NUMERIC",
)


def upgrade() -> None:
    """All rates were given."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Possible while all are."""
    op.execute("ALTER TABLE contracts DROP COLUMN funding_mode, DROP COLUMN interest_rate")
    op.execute(
        "ALTER TABLE funding DROP COLUMN premium, DROP COLUMN sampled_at,"
        " DROP COLUMN premium_total, DROP COLUMN premium_seconds, DROP COLUMN settled_premium"
    )
    op.execute("ALTER TABLE funding_rates DROP COLUMN average_premium")

"""How much of a contract may be open."""

from alembic import op

revision = "0022"
down_revision = "0021"

COLUMNS = ("open_interest_cap", "open_interest_multiple")


def upgrade() -> None:
    """Any, where nobody says."""
    for name in COLUMNS:
        op.execute(f"ALTER TABLE contracts ADD COLUMN {name} NUMERIC")


def downgrade() -> None:
    """Limits are forgotten."""
    for name in COLUMNS:
        op.execute(f"ALTER TABLE contracts DROP COLUMN {name}")

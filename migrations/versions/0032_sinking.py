"""What a fund lost more with than it had is deleveraged: an ADL without a liquidation."""

from alembic import op

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """There was always one before."""
    op.execute("ALTER TABLE adl_events ALTER COLUMN liquidation_id DROP NOT NULL")


def downgrade() -> None:
    """Possible while there is no such event."""
    op.execute("ALTER TABLE adl_events ALTER COLUMN liquidation_id SET NOT NULL")

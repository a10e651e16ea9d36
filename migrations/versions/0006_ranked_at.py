"""An ADL event says of when its ranking was (ADL-5)."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Until now queues were ranked when they were used."""
    op.execute("ALTER TABLE adl_events ADD COLUMN ranked_at TIMESTAMP WITH TIME ZONE")
    op.execute("UPDATE adl_events SET ranked_at = time")
    op.execute("ALTER TABLE adl_events ALTER COLUMN ranked_at SET NOT NULL")


def downgrade() -> None:
    """Forget it."""
    op.execute("ALTER TABLE adl_events DROP COLUMN ranked_at")

"""An ADL event says by which policy its counterparties were chosen."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Until now there was one."""
    op.execute(
        "ALTER TABLE adl_events ADD COLUMN adl_policy TEXT NOT NULL DEFAULT 'current'"
        " CONSTRAINT adl_events_adl_policy CHECK (adl_policy IN ('current', 'legacy', 'pro_rata'))"
    )


def downgrade() -> None:
    """Which it was is lost."""
    op.execute("ALTER TABLE adl_events DROP COLUMN adl_policy")

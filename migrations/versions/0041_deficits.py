"""What ADL covered of funds' bankrupt positions is added up by day."""

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    """Of the events that are there, too."""
    op.execute("""
        CREATE INDEX adl_events_deficits ON adl_events (fund_id, time) INCLUDE (symbol, deficit)
    """)


def downgrade() -> None:
    """Nothing else is asked of it."""
    op.execute("DROP INDEX adl_events_deficits")

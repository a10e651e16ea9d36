"""Alerts about the clock, and the format in which an answer is stored."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    ALTER TABLE alerts
        DROP CONSTRAINT alerts_kind,
        ADD CONSTRAINT alerts_kind
            CHECK (kind IN ('fund_below_minimum', 'fund_empty', 'emergency_injection', 'adl',
                'clock_jump'))
    """,
    # The default is for a leader of an earlier release that writes on meanwhile.
    "ALTER TABLE answers ADD COLUMN format INTEGER DEFAULT 1 NOT NULL",
)


def upgrade() -> None:
    """Allow the new kind; what is stored has the first format."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Back: alerts about the clock were not known, answers had one format."""
    op.execute("DELETE FROM alerts WHERE kind = 'clock_jump'")
    op.execute("""
        ALTER TABLE alerts
            DROP CONSTRAINT alerts_kind,
            ADD CONSTRAINT alerts_kind
                CHECK (kind IN ('fund_below_minimum', 'fund_empty', 'emergency_injection', 'adl'))
    """)
    op.execute("ALTER TABLE answers DROP COLUMN format")

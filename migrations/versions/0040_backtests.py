"""What backtests of calibrations gave."""

from alembic import op

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    """Empty: calibrations that are there were made without one."""
    op.execute("""
        CREATE TABLE backtests (
            calibration_id BIGINT NOT NULL,
            body JSON NOT NULL,
            CONSTRAINT backtests_pkey PRIMARY KEY (calibration_id)
        )
    """)


def downgrade() -> None:
    """The next calibration has one of its own."""
    op.execute("DROP TABLE backtests")

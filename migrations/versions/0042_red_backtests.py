"""An accepted calibration whose live backtest is red is to be reviewed, and that is an alert."""

from alembic import op

revision = "0042"
down_revision = "0041"

BEFORE = (
    "fund_below_minimum", "fund_empty", "emergency_injection", "adl", "clock_jump", "incident",
    "index_lost", "settlement_held", "adl_warning", "takeovers_stopped", "takeovers_resumed",
    "calibration_overdue", "calibration_drift",
)  # fmt: skip


def _alerts_are(kinds: tuple[str, ...]) -> None:
    words = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute("ALTER TABLE alerts DROP CONSTRAINT alerts_kind")
    op.execute(f"ALTER TABLE alerts ADD CONSTRAINT alerts_kind CHECK (kind IN ({words}))")


def upgrade() -> None:
    """Nothing was told of a backtest before."""
    op.execute("""
        ALTER TABLE calibration_verdicts
        ADD COLUMN red_at TIMESTAMP WITH TIME ZONE,
        ADD CONSTRAINT calibration_verdicts_red CHECK (accepted OR red_at IS NULL)
    """)
    _alerts_are((*BEFORE, "backtest_red"))


def downgrade() -> None:
    """Reviews are due by policy alone."""
    op.execute("ALTER TABLE calibration_verdicts DROP COLUMN red_at")
    op.execute("DELETE FROM alerts WHERE kind = 'backtest_red'")
    _alerts_are(BEFORE)

"""What is decided of calibrations, with the alerts that follow from it."""

from alembic import op

revision = "0038"
down_revision = "0037"

BEFORE = (
    "fund_below_minimum", "fund_empty", "emergency_injection", "adl", "clock_jump", "incident",
    "index_lost", "settlement_held", "adl_warning", "takeovers_stopped", "takeovers_resumed",
)  # fmt: skip
NEW = ("calibration_overdue", "calibration_drift")

VERDICTS = """
    CREATE TABLE calibration_verdicts (
        calibration_id BIGINT NOT NULL,
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        accepted BOOLEAN NOT NULL,
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        reason TEXT,
        required_minimum NUMERIC,
        previous_minimum NUMERIC,
        reminded_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT calibration_verdicts_pkey PRIMARY KEY (calibration_id),
        CONSTRAINT calibration_verdicts_accepted CHECK (
            CASE WHEN accepted THEN COALESCE(min_scale(required_minimum), 9) <= 8
            ELSE required_minimum IS NULL END
        ),
        CONSTRAINT calibration_verdicts_reason CHECK (accepted OR reason IS NOT NULL),
        CONSTRAINT calibration_verdicts_reminded CHECK (accepted OR reminded_at IS NULL)
    )
"""
INDEX = """
    CREATE INDEX calibration_verdicts_fund_id_asset_calibration_id
    ON calibration_verdicts (fund_id, asset, calibration_id)
"""


def _alerts_are(kinds: tuple[str, ...]) -> None:
    words = ", ".join(f"'{kind}'" for kind in kinds)
    op.execute("ALTER TABLE alerts DROP CONSTRAINT alerts_kind")
    op.execute(f"ALTER TABLE alerts ADD CONSTRAINT alerts_kind CHECK (kind IN ({words}))")


def upgrade() -> None:
    """Nothing was decided before."""
    op.execute(VERDICTS)
    op.execute(INDEX)
    _alerts_are(BEFORE + NEW)


def downgrade() -> None:
    """Minimums stay; whose they were is forgotten."""
    op.execute("DROP TABLE calibration_verdicts")
    words = ", ".join(f"'{kind}'" for kind in NEW)
    op.execute(f"DELETE FROM alerts WHERE kind IN ({words})")  # noqa: S608 - of our own
    _alerts_are(BEFORE)

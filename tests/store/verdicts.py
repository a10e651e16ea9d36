"""What is decided of a fund's calibrations, as the store keeps it (CAL-12)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.engine.state import Fund, Verdict
from app.engine.step import Step


def decide(step: Step, fund: Fund) -> None:
    """A calibration is accepted, its backtest red, its review overdue; a later one is rejected."""
    accepted = Verdict(
        calibration_id=2**40, fund_id=fund.fund_id, asset="USDT", accepted=True,
        sequence=step.outcome.sequence, time=step.now, reason=None,
        required_minimum=Decimal("1000.50"), previous_minimum=Decimal("0.00000001"),
    )  # fmt: skip
    step.decide(accepted)
    step.redden(accepted)
    step.remind(accepted)
    step.decide(replace(
        accepted, calibration_id=2**40 + 1, accepted=False, reason='too "high"\n\tby far',
        required_minimum=None, previous_minimum=None, reminded_at=None, red_at=None,
    ))  # fmt: skip

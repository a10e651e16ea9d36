"""What was decided of calibrations, loaded (CAL-12)."""

from __future__ import annotations

from app.engine.state import State, Verdict
from app.store.rowsource import RowSource, exact


async def load(source: RowSource, state: State, where: str, *values: object) -> None:
    """Into the funds that are there: of each asset the newest that was accepted is its last."""
    rest = f"{where} ORDER BY calibration_id"
    for row in await source.fetch("calibration_verdicts", rest, *values):
        verdict = exact(Verdict(*row), "calibration_verdicts")
        state.verdicts[verdict.calibration_id] = verdict
        if verdict.accepted:
            state.funds[verdict.fund_id].calibrations[verdict.asset] = verdict

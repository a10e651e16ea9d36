"""What scenarios say of calibrations and their reviews (CAL-12, CAL-14): verbs and expectations."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.commands.calibrations import (
    AcceptCalibration,
    RejectCalibration,
    ReportBacktest,
    ReportDrift,
)
from tests.engine.terms import pairs
from tests.engine.world import START, World


class ReviewWords:
    """Part of a scenario's words."""

    world: World

    def do_accept(
        self, fund: str, asset: str, number: str, minimum: str, *options: str
    ) -> list[object]:
        """`accept F USDT 7 1000 [age=604800 reason=calm]`: proposed so many seconds before."""
        given = pairs(options)
        proposed_at = self._before(given)
        return [
            AcceptCalibration(
                fund, asset, int(number), Decimal(minimum), proposed_at, given.get("reason")
            )
        ]

    def do_reject(self, fund: str, asset: str, number: str, *options: str) -> list[object]:
        """`reject F USDT 7 reason=wrong [age=604800]`."""
        given = pairs(options)
        return [RejectCalibration(fund, asset, int(number), self._before(given), given["reason"])]

    def do_drift(self, fund: str, asset: str, number: str, minimum: str) -> list[object]:
        """A daily run has proposed that much."""
        return [ReportDrift(fund, asset, int(number), Decimal(minimum))]

    def do_red(
        self, fund: str, asset: str, number: str, exceedances: str, of: str, days: str
    ) -> list[object]:
        """`red F USDT 7 4 of 365`: so many of a fund's days were worse than it was told."""
        assert of == "of"
        return [ReportBacktest(fund, asset, int(number), int(days), int(exceedances))]

    def _before(self, given: dict[str, str]) -> datetime:
        return self.world.next_time() - timedelta(seconds=int(given.get("age", "0")))

    def expect_told(self, *detail: str) -> None:
        """All that the newest alert tells beside its kind, fund and asset."""
        assert self.world.alerts[-1].detail == pairs(detail), self.world.alerts[-1]

    def expect_review(self, fund: str, asset: str, in_force: str, due: str = "none") -> None:
        """`review F USDT 7 7776000`: the calibration in force, and when its review is due, in
        seconds after the world's beginning; or `none`."""
        found = self.world.state.funds[fund]
        last, due_at = found.in_force(asset), found.review_due_at(asset)
        assert (str(last.calibration_id) if last else "none") == in_force, last
        seconds = "none" if due_at is None else str((due_at - START) // timedelta(seconds=1))
        assert seconds == due, f"due after {seconds}"

"""Calibrations and their reviews once more, from commands alone (CAL-12, CAL-14)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.commands import Command
from app.engine.commands.calibrations import (
    AcceptCalibration,
    RejectCalibration,
    RemindOfReview,
    ReportBacktest,
)
from app.engine.commands.funds import CreateFund, UpdateFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Price
from app.engine.events import Alert
from app.engine.outcome import Outcome
from app.engine.state import State

SENT = (AcceptCalibration, RejectCalibration, UpdateFund, PlaceOrder, Price)
"""Some of the commands that somebody sends: what is due is done before any of them."""
DAY = timedelta(days=1)


@dataclass
class Accepted:
    """The calibration of a fund and an asset that was accepted last."""

    number: int
    time: datetime
    minimum: Decimal
    told: datetime | None = None
    red: datetime | None = None


class Reviews:
    """What was decided, of what is required, and which reviews are overdue."""

    def __init__(self) -> None:
        self.minimum: dict[tuple[str, str], Decimal] = {}
        self.days: dict[str, int] = {}
        self.last: dict[tuple[str, str], Accepted] = {}
        self.decided: set[int] = set()

    def observe(self, outcome: Outcome, state: State) -> None:
        """An accepted command, and the state it left."""
        command, now = outcome.command, outcome.time
        late = {whose for whose in self.last if self._is_late(whose, now)}
        assert not (late and isinstance(command, SENT)), f"nobody was reminded of {late}"
        told = {
            (str(one.fund_id), str(one.asset))
            for one in outcome.of(Alert)
            if one.kind == "calibration_overdue"
        }
        assert told <= late, f"{told} are told of too early: {late}"
        if isinstance(command, RemindOfReview):
            assert told == {(command.fund_id, command.asset)}, told
        for whose in told & self.last.keys():
            self.last[whose].told = now
        self._take(command, now)
        if isinstance(command, ReportBacktest):
            self._report(command, outcome)
        self._compare(state, now)

    def _is_late(self, whose: tuple[str, str], now: datetime) -> bool:
        last = self.last[whose]
        overdue = now >= self._due(whose)
        again = last.told is None or now >= last.told + DAY
        return whose in self.minimum and overdue and again

    def _due(self, whose: tuple[str, str]) -> datetime:
        last = self.last[whose]
        by_policy = last.time + timedelta(days=self.days[whose[0]])
        return by_policy if last.red is None else min(by_policy, last.red)

    def _report(self, command: ReportBacktest, outcome: Outcome) -> None:
        last = self.last.get((command.fund_id, command.asset))
        told = [one for one in outcome.of(Alert) if one.kind == "backtest_red"]
        if last is None or last.number != command.calibration_id or last.red is not None:
            assert not told, f"told again, or of what was reviewed: {told}"
        else:
            assert len(told) == 1, f"{command} was not told of"
            last.red = outcome.time

    def _take(self, command: Command, now: datetime) -> None:
        if isinstance(command, CreateFund):
            self.days[command.fund_id] = command.policy.review_interval_days
        elif isinstance(command, UpdateFund):
            policy = command.policy or {}
            self.days[command.fund_id] = policy.get(
                "review_interval_days", self.days[command.fund_id]
            )
            for asset, minimum in (command.required_minimum or {}).items():
                self.minimum.pop((command.fund_id, asset), None)
                if minimum is not None:
                    self.minimum[command.fund_id, asset] = minimum
        elif isinstance(command, AcceptCalibration | RejectCalibration):
            self._decide(command, now)

    def _decide(self, command: AcceptCalibration | RejectCalibration, now: datetime) -> None:
        whose, number = (command.fund_id, command.asset), command.calibration_id
        last = self.last.get(whose)
        assert number not in self.decided, f"{command} was decided before"
        assert last is None or number > last.number, f"{command} is older than {last}"
        assert now - command.proposed_at <= timedelta(days=7), f"{command} had expired"
        self.decided.add(number)
        if isinstance(command, RejectCalibration):
            return
        lower = command.required_minimum < self.minimum.get(whose, Decimal(0))
        assert command.reason or not lower, f"{command} lowers the minimum, and says not why"
        self.minimum[whose] = command.required_minimum
        self.last[whose] = Accepted(number, now, command.required_minimum)

    def _compare(self, state: State, now: datetime) -> None:
        assert set(state.verdicts) == self.decided
        for fund in state.funds.values():
            own = {asset: m for (fund_id, asset), m in self.minimum.items()
                   if fund_id == fund.fund_id}  # fmt: skip
            assert fund.required_minimum == own, f"{fund.fund_id} requires not {own}"
            for asset, last in fund.calibrations.items():
                found = self.last[fund.fund_id, asset]
                assert (last.calibration_id, last.time) == (found.number, found.time), last
                in_force = own.get(asset) == found.minimum
                assert (fund.in_force(asset) is not None) == in_force, last
                due = self._due((fund.fund_id, asset))
                assert fund.is_overdue(asset, now) == (asset in own and now >= due), last

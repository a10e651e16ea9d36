"""The real waterfall on a private copy of the state (CAL-15).

Nothing but shocks happens to the copy: what is due by time (funding, deliveries, countdowns, silent
indices) is not, for no time passes at an instant shock and a second a step on a path; only what
funds offload between two steps is. No mark is stale, for a shock is a price (MRK-4), and no jump of
it is too large (MRK-1). What incidents have set aside is left alone, as the service would (REC-2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from functools import partial
from typing import Any

from app.calibration.whatif.toll import Toll
from app.engine.commands import CommandOf
from app.engine.commands.funds import ContributeToFund, UpdateFund
from app.engine.commands.leaders import ContinueCascade, Incident, Limits, Recover
from app.engine.commands.orders import CancelOrders
from app.engine.engine import Engine
from app.engine.handlers import offload
from app.engine.numbers import EXACT
from app.engine.scopes import MAIN
from app.engine.shocking import set_marks
from app.engine.state import State

STEP = timedelta(seconds=1)
"""Between the shocks of a path."""
UNLIMITED = Decimal(10) ** 14
"""What a fund without limits gets of an asset, and carries of net notional for each unit of it."""
NO_LIMITS: dict[str, Any] = {
    "max_net_notional_ratio": UNLIMITED,
    "counterparty_first": False,
    "drawdown_breaker": None,
    "max_payout_per_event": None,
    "max_payout_per_day": None,
}

Tell = Callable[[float], None]
"""Told how much of all is done, from 0 to 1."""


class PrivateCopy:
    """A state that nobody commits, whose time is the last command's, and what happens to it."""

    def __init__(self, state: State, incidents: Sequence[Incident] = ()) -> None:
        """`incidents` are those that are open, each announced."""
        assert state.time is not None, "nothing has a price before the first command"
        self.state, self.now = state, state.time
        self.toll = Toll(state)
        self._engine = Engine(state, sources=(offload.due,))
        self._begin = Recover(Limits(), tuple(incidents))

    def cancel_orders(self) -> None:
        """Nobody's orders rest or wait any more."""
        whose = {order.account_id for order in self.state.orders.values()}
        for account_id in sorted(whose | set(self.state.untriggered_of)):
            self._apply(CancelOrders(account_id))

    def lift_limits(self, assets: Sequence[str]) -> None:
        """Funds take over whatever there is of these assets."""
        contracts = [market.contract for market in self.state.markets.values()]
        behind = {(one.insurance_fund, one.settlement_asset) for one in contracts}
        for fund_id, asset in sorted(behind):
            if asset in assets:
                self._apply(UpdateFund(fund_id, policy=NO_LIMITS))
                self._apply(ContributeToFund(fund_id, MAIN, asset, UNLIMITED, "adjustment"))

    def shock(self, path: Sequence[Mapping[str, Decimal]], tell: Tell = lambda _: None) -> None:
        """Marks in turn, by symbol of those that change, each time until nothing is pending."""
        for number, prices in enumerate(path):
            if number:
                self.now += STEP
                self._offload()
            set_marks(self.state, prices, self.now)
            self._apply(self._begin)
            self._finish(partial(_tell, tell, number, len(path)))

    def _offload(self) -> None:
        """What funds sell by now."""
        while (due := self._engine.due()) and due.time <= self.now:
            self._apply(due.command)
            self._finish(lambda _: None)

    def _finish(self, tell: Tell) -> None:
        most = self._left()
        while self.state.cascades:
            self._apply(ContinueCascade(min(self.state.cascades)))
            left = self._left()
            most = max(most, left)
            tell(1 - left / (most + 1))

    def _left(self) -> int:
        """How many scopes are to be looked at, armed or liquidated."""
        return sum(
            len(one.unchecked) + len(one.changed) + len(one.unarmed) + len(one.waiting)
            for one in self.state.cascades.values()
        )

    def _apply(self, command: CommandOf[object]) -> None:
        outcome = self._engine.apply(command, self.now)
        assert outcome.accepted, (command, outcome.result)
        with localcontext(EXACT):
            self.toll.add(outcome)


def _tell(tell: Tell, done: int, steps: int, share: float) -> None:
    tell((done + share) / steps)

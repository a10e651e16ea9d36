"""The machine's triggered orders: placed near the mark, so that many are there soon (TRG)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from app.engine.commands import Command
from app.engine.commands.orders import CancelOrder, PlaceOrder
from app.engine.commands.triggered import (
    BECOME_MARKET,
    AmendTriggered,
    PlaceGroup,
    PlaceTriggered,
    rises,
)
from app.engine.figures.orderbook import opposite
from tests.engine.markets import everyone, lots, seldom, sides, symbols
from tests.engine.world import World

KINDS = ("stop_market", "take_profit_market", "stop", "take_profit", "trailing_stop")
RATES = ("0.001", "0.01", "0.01", "0.05", "0.1")
AWAY = ("0.3", "1", "1.005", "1.01", "1.02", "1.02", "1.05", "1.2")


class Triggering(RuleBasedStateMachine):
    """A machine of a world in which orders wait for prices."""

    world: World

    def pick(self, symbol: str) -> str:
        """The contract itself, or the one traded in its place."""
        raise NotImplementedError

    def price(self, symbol: str, factor: str) -> Decimal:
        """A price on the tick grid at `factor` of mark."""
        raise NotImplementedError

    def size(self, symbol: str, count: int) -> Decimal:
        """A quantity of some lots."""
        raise NotImplementedError

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command."""
        raise NotImplementedError

    @rule(
        account=everyone, symbol=symbols, side=sides, count=lots, kind=st.sampled_from(KINDS),
        away=st.sampled_from(AWAY), limit=st.sampled_from(("0.97", "1", "1.03")),
        by=st.sampled_from(("mark", "last")), closes=seldom, reduce_only=st.booleans(),
        rate=st.sampled_from(RATES), at_once=st.booleans(),
    )  # fmt: skip
    def wait(
        self, account: str, symbol: str, side: Any, count: int, kind: Any, away: str, limit: str,
        by: Any, closes: bool, reduce_only: bool, rate: str, at_once: bool,
    ) -> None:  # fmt: skip
        """An order that waits for a price on its side of the mark, or on the wrong one."""
        symbol = self.pick(symbol)
        factor = away if rises(side, kind) else str(1 / Decimal(away))
        market, trails = kind in BECOME_MARKET, kind == "trailing_stop"
        self.send(
            PlaceTriggered(
                account, symbol, side, kind,
                quantity=None if closes else self.size(symbol, count),
                price=None if market else self.price(symbol, limit),
                time_in_force="ioc" if market else "gtc",
                reduce_only=reduce_only,
                trigger_price=None if trails and at_once else self.price(symbol, factor),
                trigger_by=by,
                close_position=closes,
                callback_rate=Decimal(rate) if trails else None,
            )
        )  # fmt: skip

    @rule(
        account=everyone, symbol=symbols, side=sides, count=lots,
        kind=st.sampled_from(("oco", "oco", "bracket")), entry=st.sampled_from(("limit", "stop")),
        near=st.sampled_from(("0.99", "1", "1.005", "1.02")),
        aways=st.tuples(st.sampled_from(AWAY), st.sampled_from(AWAY)), rate=st.sampled_from(RATES),
        by=st.sampled_from(("mark", "last")),
    )  # fmt: skip
    def group(
        self, account: str, symbol: str, side: Any, count: int, kind: Any, entry: str, near: str,
        aways: tuple[str, str], rate: str, by: Any,
    ) -> None:  # fmt: skip
        """A bracket, or two orders of which one cancels the other."""
        symbol = self.pick(symbol)
        size, other = self.size(symbol, count), opposite(side)
        first: Any = PlaceOrder(account, symbol, side, "limit", size, self.price(symbol, near))
        up, down = self.price(symbol, aways[0]), self.price(symbol, str(1 / Decimal(aways[1])))
        begins = PlaceTriggered(
            account, symbol, side, "stop_market", size, time_in_force="ioc",
            trigger_price=up if side == "buy" else down, trigger_by=by,
        )  # fmt: skip
        profit = replace(
            begins, side=other, type="take_profit_market", reduce_only=True,
            trigger_price=up if other == "sell" else down,
        )  # fmt: skip
        stops = replace(
            profit, type="trailing_stop", trigger_price=None, callback_rate=Decimal(rate)
        )
        waiting: tuple[PlaceTriggered, ...]
        if kind == "oco":
            waiting = (begins,) if entry == "limit" else (begins, stops)
        else:
            waiting = (profit, stops) if entry == "limit" else (begins, profit, stops)
        self.send(PlaceGroup(kind, first if entry == "limit" else None, waiting))

    @precondition(lambda self: self.world.state.untriggered)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """One of them is cancelled, fired or not."""
        numbers = sorted(self.world.state.untriggered)
        self.send(CancelOrder(data.draw(st.sampled_from(numbers))), hold=True)

    @precondition(lambda self: self.world.state.untriggered)
    @rule(
        data=st.data(), count=lots, away=st.sampled_from(AWAY), rate=st.sampled_from(RATES),
        given=st.sets(st.sampled_from(("quantity", "price", "trigger_price", "callback_rate"))),
    )  # fmt: skip
    def adjust(
        self, data: st.DataObject, count: int, away: str, rate: str, given: set[str]
    ) -> None:
        """One of them is given other terms, of which some are not its type's."""
        waiting = self.world.state.untriggered
        order = waiting[data.draw(st.sampled_from(sorted(waiting)))]
        factor = away if order.rising else str(1 / Decimal(away))
        terms: dict[str, Any] = {
            "quantity": self.size(order.symbol, count),
            "price": self.price(order.symbol, away),
            "trigger_price": self.price(order.symbol, factor),
            "callback_rate": Decimal(rate),
        }
        if order.type in BECOME_MARKET:
            given = given - {"price"}
        if order.type != "trailing_stop":
            given = given - {"callback_rate"}
        self.send(
            AmendTriggered(order.order_id, **{name: terms[name] for name in given}), hold=True
        )

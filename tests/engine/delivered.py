"""Delivery in other tests: the state machine's rules, and contracts whose time has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands import Command
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.delivery import SettleContract
from app.engine.commands.prices import Tick
from app.engine.markets import Delivery, DeliveryPhase
from tests.engine.markets import DATED, moves, seldom
from tests.engine.world import START, World


class Delivered(RuleBasedStateMachine):
    """A machine of a world in which some contracts are delivered."""

    world: World

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command."""
        raise NotImplementedError

    def price(self, symbol: str, factor: str) -> Decimal:
        """A price on the tick grid at `factor` of mark."""
        raise NotImplementedError

    @rule(
        symbol=st.sampled_from(DATED),
        factors=st.lists(moves, min_size=1, max_size=3),
        count=st.sampled_from((12, 12, 12, 9)),
        hold=st.booleans(),
        on=seldom,
    )
    def deliver(self, symbol: str, factors: list[str], count: int, hold: bool, on: bool) -> None:
        """Its time is in a quarter of a minute; the index goes where it likes."""
        market, world = self.world.state.markets[symbol], self.world
        asset, delivery = market.contract.settlement_asset, market.delivery
        assert delivery is not None
        if not on or delivery.phase != "ahead" or asset in world.state.cascades:
            return
        at = world.now + timedelta(seconds=15)
        terms = {"delivery_at": at, "mark_mode": "given", "index_sources": ()}
        self.send(UpdateContract(symbol, terms))
        assert market.mark is not None
        for number in range(count):
            world.later(Decimal(1))
            index = self.price(symbol, factors[number % len(factors)])
            if asset not in world.state.cascades:
                self.send(Tick(symbol, market.mark.price, index))
        world.later(Decimal(16))
        world.catch_up()
        if not hold:
            world.finish()

    @rule(symbol=st.sampled_from(DATED), factor=moves, hold=st.booleans())
    def settle(self, symbol: str, factor: str, hold: bool) -> None:
        """An admin's price, where one is asked for."""
        self.send(SettleContract(symbol, self.price(symbol, factor), "it is time"), hold=hold)


def date(symbol: str, phase: DeliveryPhase | None) -> Callable[[World], object]:
    """A contract's delivery time has come, and its delivery is in that phase; None: it has none."""

    def change(world: World) -> None:
        market = world.state.markets[symbol]
        terms = replace(market.contract, kind="perpetual", delivery_at=None)
        if phase is not None:
            status = "settled" if phase == "settled" else terms.status
            terms = replace(terms, kind="delivery", delivery_at=START, status=status)
        market.contract = terms
        market.delivery = Delivery(symbol, phase, price=Decimal(100)) if phase else None
        world.state.deliveries = None

    return change


def a_delivery_is_held(world: World) -> None:
    """TEST trades, but for its delivery."""
    world.must(UpdateContract("TEST", {"status": "trading"}))
    date("TEST", "held")(world)

"""Funding in other tests: the state machine's rule, and a market in which one is under way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands import Command
from app.engine.commands.funding import SetFundingRate
from app.engine.markets import Funding
from tests.engine.delivered import date
from tests.engine.markets import rates, symbols
from tests.engine.world import START, World


class Funded(RuleBasedStateMachine):
    """A machine of a world in which some contracts have a funding."""

    world: World

    def pick(self, symbol: str) -> str:
        """The contract itself, or the one traded in its place."""
        raise NotImplementedError

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command."""
        raise NotImplementedError

    @rule(
        symbols=st.lists(symbols, max_size=3),
        rates=st.lists(rates, min_size=3, max_size=3),
        hours=st.sampled_from((1, 1, 4, 9)),
        hold=st.booleans(),
    )
    def fund(self, symbols: list[str], rates: list[str], hours: int, hold: bool) -> None:
        """Funding rates are given, and it is their time."""
        for symbol, rate in zip(symbols, rates, strict=False):
            self.send(SetFundingRate(self.pick(symbol), Decimal(rate)))
        since = (self.world.now - START).total_seconds() % 3600
        self.world.later(Decimal(hours * 3600) - Decimal(since))
        self.world.catch_up()
        if not hold:
            self.world.finish()


def fund(time: datetime | None) -> Callable[[World], object]:
    """A funding of TEST is under way, or none."""

    def change(world: World) -> None:
        world.state.markets["TEST"].funding = Funding("TEST", None, time=time)

    return change


def a_funding_begins(world: World) -> None:
    """TEST is no contract of a date; a funding is under way."""
    date("TEST", None)(world)
    fund(START)(world)

"""Prices in the state machine: ticks, and indexes from which marks are derived (MRK-1, MRK-3)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from app.engine.commands import Command
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.prices import IndexTick, Tick
from app.engine.contracts import IndexSource
from tests.engine.markets import TERMS, moves, symbols
from tests.engine.world import World

SOURCES = (
    IndexSource("a", Decimal(1)), IndexSource("b", Decimal("1.5")), IndexSource("c", Decimal(2)),
)  # fmt: skip


class Priced(RuleBasedStateMachine):
    """A machine of a world in which some marks are given and others derived."""

    world: World

    def pick(self, symbol: str) -> str:
        """The contract itself, or the one traded in its place."""
        raise NotImplementedError

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command."""
        raise NotImplementedError

    def price(self, symbol: str, factor: str) -> Decimal:
        """A price on the tick grid at `factor` of mark."""
        raise NotImplementedError

    def may_tick(self, symbol: str) -> bool:
        """The runner holds ticks back while their asset's cascade goes on (MRK-2)."""
        return TERMS[symbol].settlement_asset not in self.world.state.cascades

    def mark(self, symbol: str, price: Decimal, *, hold: bool = False) -> None:
        """A tick, away from an index that stays where the mark was; where that is derived, what
        would make it one: all sources say the same."""
        contract = self.world.state.markets[symbol].contract
        index = None if contract.index_sources else self.price(symbol, "1")
        commands: list[Command] = [Tick(symbol, price, index)]
        if contract.mark_mode == "derived":
            commands = [IndexTick(symbol, source.name, price) for source in SOURCES]
        for command in commands:
            if self.may_tick(symbol):
                self.send(command, hold=hold)

    @rule(symbol=symbols, derived=st.booleans(), window=st.sampled_from((1, 60)))
    def derive(self, symbol: str, derived: bool, window: int) -> None:
        """Marks of a contract are derived from now on, or given."""
        self.send(UpdateContract(self.pick(symbol), {
            "mark_mode": "derived" if derived else "given", "index_sources": SOURCES,
            "mid_window_seconds": window,
        }))  # fmt: skip

    @rule(
        symbol=symbols, source=st.sampled_from("abcd"), factor=moves,
        age=st.sampled_from((None, 0, 9, 10, 11)), hold=st.booleans(),
    )  # fmt: skip
    def say(self, symbol: str, source: str, factor: str, age: int | None, hold: bool) -> None:
        """One source, whatever the others say."""
        symbol = self.pick(symbol)
        if self.may_tick(symbol):
            self.world.catch_up()
            time = None if age is None else self.world.next_time() - timedelta(seconds=age)
            price = self.price(symbol, factor)
            self.send(IndexTick(symbol, source, price, time), hold=hold)

    @rule(symbol=symbols, factor=moves, later=moves)
    def jump_while_halted(self, symbol: str, factor: str, later: str) -> None:
        """A contract is halted through a jump of its mark; who fell below zero waits for a tick."""
        symbol = self.pick(symbol)
        self.send(UpdateContract(symbol, {"status": "halted"}))
        self.mark(symbol, self.price(symbol, factor))
        self.send(UpdateContract(symbol, {"status": "trading"}))
        self.mark(symbol, self.price(symbol, later))

    @rule(symbol=symbols, factor=moves, hold=st.booleans())
    def tick_again(self, symbol: str, factor: str, hold: bool) -> None:
        """More ticks than anything else."""
        self.tick(symbol, factor, hold)

    @rule(symbol=symbols, factor=moves, hold=st.booleans())
    def tick(self, symbol: str, factor: str, hold: bool) -> None:
        """A new mark; violent ones among them."""
        symbol = self.pick(symbol)
        self.mark(symbol, self.price(symbol, factor), hold=hold)

    @rule(factor=moves)
    def crash(self, factor: str) -> None:
        """All marks move together."""
        for symbol in TERMS:
            self.mark(symbol, self.price(symbol, factor))

"""Runners on the test's own database, and the scripted engine that most of them run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, ClassVar, TypeVar, cast

import asyncpg
import pytest

from app.engine.commands import Command, CommandOf
from app.engine.commands.accounts import Deposit
from app.engine.commands.leaders import ContinueCascade
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Contract
from app.engine.engine import Engine
from app.engine.handling import HANDLERS
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.numbers import ONE, ZERO
from app.engine.outcome import Outcome, OutcomeOf
from app.engine.rejections import Rejection
from app.engine.results import Done, OrderReceipt, Ticked
from app.engine.state import Cascade, State
from app.engine.traders import Wallet
from app.runner.runner import Runner
from app.store import database

R = TypeVar("R")


class ScriptedEngine(Engine):
    """An engine whose cascades take as many steps as a test wants, to show the runner's order.

    It knows no rules: everything is done, but a deposit to `nobody` is refused and one to
    `poison` raises. What it was given is in `applied`.
    """

    steps: ClassVar[dict[str, int]] = {}
    """How many steps a tick of a contract's cascade takes; without an entry none."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self.applied: list[Command] = []
        self._left: dict[str, int] = {}
        for symbol, asset in {"BTCUSDT": "USDT", "ETHUSDT": "USDT", "BTCUSDC": "USDC"}.items():
            clearing = Wallet(f"clearing/{symbol}/{asset}", "clearing", symbol, asset, "")
            state.markets[symbol] = Market(_contract(symbol, asset), clearing)

    def apply(self, command: CommandOf[R], now: datetime) -> OutcomeOf[R]:
        return cast("OutcomeOf[R]", self._apply(command, now))

    def _apply(self, command: Command, now: datetime) -> Outcome:
        self.applied.append(command)
        counters, state = self.state.counters, self.state
        outcome = Outcome(counters.command + 1, now, command, Done())
        if isinstance(command, Deposit) and command.account_id == "nobody":
            outcome.result = Rejection("unknown_account", "there is no such account")
            return outcome
        if isinstance(command, Deposit) and command.account_id == "poison":
            raise ZeroDivisionError("poison")
        counters.command += 1
        state.time = now
        if isinstance(command, PlaceOrder):
            counters.order += 1
            outcome.result = _receipt(counters.order, command, now)
        elif isinstance(command, Tick):
            self._tick(command, outcome)
        elif isinstance(command, ContinueCascade):
            self._continue(command.asset, outcome)
        return outcome

    def _tick(self, tick: Tick, outcome: Outcome) -> None:
        market = self.state.markets[tick.symbol]
        market.mark = Mark(tick.symbol, tick.mark_price, outcome.time)
        asset = market.contract.settlement_asset
        assert asset not in self.state.cascades, "the runner must hold this tick back"
        if self.steps.get(tick.symbol):
            self._left[asset] = self.steps[tick.symbol]
            self.state.cascades[asset] = Cascade(asset, tick=tick)
            outcome.result, outcome.pending = None, (asset,)
        else:
            outcome.result = Ticked(tick.symbol, tick.mark_price, outcome.time, 0)

    def _continue(self, asset: str, outcome: Outcome) -> None:
        self._left[asset] -= 1
        if self._left[asset]:
            outcome.pending = tuple(self.state.cascades)
            return
        tick = self.state.cascades.pop(asset).tick
        assert tick is not None
        outcome.result = Ticked(tick.symbol, ONE, outcome.time, self.steps[tick.symbol])


def _contract(symbol: str, asset: str) -> Contract:
    return Contract(
        symbol, symbol[:3], asset, asset, "perpetual", "linear",
        ONE, ONE, ONE, ONE, ZERO, ZERO, ZERO, "fund", (),
    )  # fmt: skip


def _receipt(number: int, order: PlaceOrder, now: datetime) -> OrderReceipt:
    return OrderReceipt(
        number, order.client_order_id, order.account_id, order.symbol, order.side,
        order.position_side, order.type, order.time_in_force, order.reduce_only, order.price,
        order.quantity, "new", ZERO, order.quantity, None, (), None, now,
    )  # fmt: skip


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[ScriptedEngine]:
    """Runners of this test run the scripted engine."""
    monkeypatch.setattr("app.runner.runner.Engine", ScriptedEngine)
    monkeypatch.setattr(ScriptedEngine, "steps", {})
    return ScriptedEngine


@pytest.fixture
async def runner(address: str, scripted: type[ScriptedEngine]) -> AsyncIterator[Runner]:
    """A leading runner with the scripted engine."""
    async with Runner(address) as runner:
        assert runner.leading
        yield runner


class Bug(Exception):
    """What the planted bugs raise."""


class Plant:
    """Bugs in functions of the engine, which can be mended."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._patch = patch
        self.there = True

    def before(self, module: Any, name: str, when: Callable[..., bool]) -> None:
        """A function raises where `when` says so of its arguments."""
        sound = getattr(module, name)

        def buggy(*arguments: Any) -> Any:
            if self.there and when(*arguments):
                raise Bug(name)
            return sound(*arguments)

        self._patch.setattr(module, name, buggy)
        for command, handler in HANDLERS.items():
            if handler.run is sound:
                self._patch.setitem(HANDLERS, command, handler._replace(run=buggy))


@pytest.fixture
def plant() -> Iterator[Plant]:
    """Plants bugs until the end of the test."""
    with pytest.MonkeyPatch.context() as patch:
        yield Plant(patch)


def applied(runner: Runner) -> list[Command]:
    """What the scripted engine was given, without the first `Recover`."""
    engine = runner.engine
    assert isinstance(engine, ScriptedEngine)
    return engine.applied[1:]


async def logged(connection: asyncpg.Connection, kind: str = "Deposit") -> int:
    """How many commands of a kind are durable."""
    count: int = await connection.fetchval("SELECT count(*) FROM commands WHERE kind = $1", kind)
    return count


@asynccontextmanager
async def commits_blocked(address: str) -> AsyncIterator[None]:
    """While the body runs, every commit waits at the check of its epoch."""
    connection = await database.connect(address)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM leadership FOR UPDATE")
            yield
    finally:
        await connection.close()


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    """Wait until the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            holds = condition()
            if holds if isinstance(holds, bool) else await holds:
                return
            await asyncio.sleep(0.01)

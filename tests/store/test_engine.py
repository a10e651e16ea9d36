"""The real engine through writer and loader: a start finds exactly what was committed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, Literal

import asyncpg
import pytest

from app.engine.commands import Command, PositionMode, PositionSide
from app.engine.commands.accounts import AdjustMargin, ConfigureContract, Deposit, Withdraw
from app.engine.commands.contracts import CreateContract
from app.engine.commands.funds import ContributeToFund, CreateFund, UpdateFund
from app.engine.commands.leaders import ContinueCascade, Recover
from app.engine.commands.orders import AmendOrder, CancelAllAfter, CancelOrders, PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.engine import Engine
from app.engine.figures import margin, ranking
from app.engine.invariants import check_all, state_hash
from app.engine.numbers import EXACT
from app.engine.outcome import Outcome
from app.engine.queues import Leg
from app.engine.state import State
from app.engine.trading import funds
from app.store import codec
from app.store.loader import load_account, load_funds, load_holders, load_state
from app.store.rows import collect
from app.store.snapshots import Snapshot, store
from app.store.tables import ALIVE
from app.store.writer import Writer
from tests.engine.world import contract, differences, inverse, open_account
from tests.store.states import facts, picture

TRADERS = [f"trader-{number}" for number in range(8)]
HEDGED = TRADERS[::3]
SYMBOLS = ["AUSDT", "BUSDT", "COIN"]
START = datetime(2026, 1, 1, tzinfo=UTC)


def opening() -> list[Command]:
    """A fund with little money, three contracts of one asset (the last inverse), traders with
    deposits, half of them isolated, a third in hedge mode.
    """
    commands: list[Command] = [
        CreateFund("f", "F"),
        UpdateFund("f", required_minimum={"USDT": Decimal(100)}),
        ContributeToFund("f", "main", "USDT", Decimal(50), "seed_capital"),
    ]
    coin = replace(inverse("COIN", "f", coin="USDT"), contract_size=Decimal(33))
    commands += [CreateContract(contract(symbol, "f")) for symbol in SYMBOLS[:2]]
    commands += [CreateContract(coin)]
    commands += [Tick(symbol, Decimal(100)) for symbol in SYMBOLS]
    for number, trader in enumerate(TRADERS):
        mode: Literal["cross", "isolated"] = "isolated" if number % 2 else "cross"
        hedged: PositionMode = "hedge" if trader in HEDGED else "one_way"
        commands += [open_account(trader, hedged), Deposit(trader, "USDT", Decimal(200))]
        commands += [ConfigureContract(trader, symbol, 50, mode) for symbol in SYMBOLS]
    return commands


def anything(
    chance: random.Random, marks: dict[str, Decimal], orders: Sequence[int] = ()
) -> Command:
    """A random command; prices walk in large steps, so that positions are liquidated."""
    trader, symbol = chance.choice(TRADERS), chance.choice(SYMBOLS)
    legs: list[PositionSide] = ["long", "short"]
    leg: PositionSide = chance.choice(legs) if trader in HEDGED else "both"
    amount = Decimal(chance.randint(1, 2000)) / 100
    match chance.randrange(20):
        case 0 | 1:
            marks[symbol] *= Decimal(chance.randint(90, 111)) / 100
            marks[symbol] = marks[symbol].quantize(Decimal("0.01"))
            return Tick(symbol, marks[symbol])
        case 2:
            return CancelOrders(trader)
        case 3:
            return Withdraw(trader, "USDT", amount)
        case 4:
            return AdjustMargin(trader, symbol, leg, amount - 5)
        case 5:
            return Deposit(trader, "USDT", amount)
        case 6:
            return CancelAllAfter(trader, chance.choice([0, 5, 30]))
        case 7 | 8 if orders:
            price = marks[symbol] * Decimal(chance.randint(970, 1030)) / 1000
            quantity = chance.choice([None, amount])
            return AmendOrder(chance.choice(orders), quantity, price.quantize(Decimal("0.01")))
        case _:
            price = marks[symbol] * Decimal(chance.randint(970, 1030)) / 1000
            quantity = amount * 100 if symbol == "COIN" else amount
            return PlaceOrder(
                trader, symbol, chance.choice(["buy", "sell"]), "limit", quantity,
                price.quantize(Decimal("0.01")), reduce_only=chance.random() < 0.1,
                position_side=leg,
            )  # fmt: skip


class Life:
    """An engine, what it did since the last commit, and the writer it commits with."""

    def __init__(self, state: State, writer: Writer) -> None:
        self.engine = Engine(state)
        self.writer = writer
        self.outcomes: list[Outcome] = []

    def apply(self, command: Command) -> None:
        """A command with all of its cascade, behind what is due by then."""
        while not isinstance(command, Recover) and (due := self.engine.due()):
            if due.time > self._next():
                break
            self.outcomes.append(self.engine.apply(due.command, self._next()))
        while True:
            outcome = self.engine.apply(command, self._next())
            self.outcomes.append(outcome)
            if not outcome.accepted or not outcome.pending:
                return
            command = ContinueCascade(outcome.pending[0])

    def _next(self) -> datetime:
        return (self.engine.state.time or START) + timedelta(seconds=1)

    async def commit(self) -> None:
        """All since the last commit."""
        await self.writer.commit(collect(self.outcomes, [], self.engine.state.counters))
        self.outcomes.clear()


@pytest.mark.parametrize("seed", range(3))
async def test_a_start_finds_what_was_committed(
    connection: asyncpg.Connection, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After any number of commands, batches and restarts; with liquidations among them."""
    chance = random.Random(seed)
    marks = dict.fromkeys(SYMBOLS, Decimal(100))
    epoch = await connection.fetchval("UPDATE leadership SET epoch = epoch + 1 RETURNING epoch")
    life = Life(State(), Writer(connection, epoch, Engine.rules_version))
    for command in [*opening(), Recover()]:
        life.apply(command)
    for _ in range(12):
        for _ in range(chance.randint(1, 80)):
            life.apply(anything(chance, marks, sorted(life.engine.state.orders)))
        await life.commit()
        state = await load_state(connection)
        assert not list(differences(facts(state), facts(life.engine.state)))
        assert queues(state) == queues(life.engine.state)
        check_all(state)
        if chance.random() < 0.5:
            life = Life(state, life.writer)
            life.apply(Recover())
    await life.commit()
    assert await connection.fetchval("SELECT count(*) FROM liquidations") > 0
    await replay_is_the_state(connection, life.engine.state)
    await one_account_is_its_part(connection, life.engine.state)
    await readers_see_what_the_engine_decides_by(connection, life.engine.state, monkeypatch)
    await a_snapshot_is_the_state(connection, epoch, life.engine.state)


def queues(state: State) -> dict[str, list[list[int]]]:
    """Who stands behind whom at each price (ORD-2, ORD-15)."""
    return {
        symbol: [list(side.levels[price]) for side in (market.bids, market.asks)
                 for price in side.prices]
        for symbol, market in state.markets.items()
    }  # fmt: skip


async def a_snapshot_is_the_state(connection: asyncpg.Connection, epoch: int, state: State) -> None:
    """Also when the tables have changed since (REC-1)."""
    snapshot = Snapshot(state.counters.command, 2, state_hash(state))
    await store(connection, epoch, snapshot)
    await connection.execute(f"TRUNCATE {', '.join(ALIVE)}")
    assert not list(differences(facts(await load_state(connection, snapshot)), facts(state)))


async def replay_is_the_state(connection: asyncpg.Connection, state: State) -> None:
    """The command log alone gives the same state."""
    engine = Engine(State())
    for row in await connection.fetch("SELECT * FROM commands ORDER BY sequence"):
        engine.apply(codec.decode_command(row["kind"], row["body"]), row["time"])
    assert not list(differences(facts(engine.state), facts(state)))


async def one_account_is_its_part(connection: asyncpg.Connection, state: State) -> None:
    """`load_account` is enough for what the API shows of an account."""
    with localcontext(EXACT):
        for account_id in TRADERS:
            part = await load_account(connection, account_id)
            assert view(part, account_id) == view(state, account_id)


async def readers_see_what_the_engine_decides_by(
    connection: asyncpg.Connection, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADL-1, FND-2: the parts that places and distances are read from give the engine's own."""
    monkeypatch.setattr("app.store.loader.CHUNK", 3)
    with localcontext(EXACT):
        for symbol in SYMBOLS:
            places: dict[Leg, object] = {}
            async with aclosing(load_holders(connection, symbol)) as parts:
                async for part in parts:
                    places |= ranked(part, symbol)
            assert places == ranked(state, symbol)
        part = await load_funds(connection, ["f", "nope"])
        assert facts(State(funds=part.funds)) == facts(State(funds=state.funds))
        assert set(part.markets) == set(part.funds["f"].inventory)
        expected = funds.distance(state, state.funds["f"], "USDT")
        assert funds.distance(part, part.funds["f"], "USDT") == expected


def ranked(state: State, symbol: str) -> dict[Leg, object]:
    """The places of a contract's positions in its ADL queue."""
    market = state.markets[symbol]
    return {
        leg: ranking.place_of(state, market, position, "current")
        for leg, position in market.positions.items()
        if position.quantity
    }


def view(state: State, account_id: str) -> Any:
    """An account as its owner sees it."""
    account = state.accounts[account_id]
    positions = {
        leg: margin.position_summary(state, account, position)
        for leg, position in account.positions.items()
        if position.quantity
    }
    return picture((margin.cross_summary(state, account, "USDT"), positions))

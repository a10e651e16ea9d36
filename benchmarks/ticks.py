"""Ticks at a million positions, in process, beside NumPy recomputing every position (NP).

NP is as quick as NumPy makes it: floats in arrays laid out for it, the first bracket's rate for
all, and nothing done about those at risk. Ours is `Engine.apply`, liquidations included.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle, groupby
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from app.engine.commands.leaders import ContinueCascade, Recover
from app.engine.commands.prices import Tick
from app.engine.engine import Engine
from app.engine.figures.margin import scope_balance
from app.engine.outcome import Outcome
from app.engine.results import Ticked
from app.engine.scopes import Scope
from app.engine.state import State
from app.runner.runner import long_lived
from app.store import database
from app.store.loader import load_state
from benchmarks import peer, servers
from benchmarks.options import Options
from benchmarks.population import MARKS, populate, setting, spread
from benchmarks.table import Row, duration, say

SCANS = 10
STEP = Decimal("0.0005")
LEVERAGES = (20, 50)
"""The highest of a population: the default of an account, and one that a walk comes near to."""


@dataclass(slots=True)
class Scan:
    """NumPy's copy of the book: one row per position, ordered by margin scope."""

    symbols: list[str]
    contract: NDArray[np.int64]
    quantity: NDArray[np.float64]
    cost: NDArray[np.float64]
    rate: NDArray[np.float64]
    starts: NDArray[np.int64]
    balance: NDArray[np.float64]

    @classmethod
    def of(cls, state: State) -> Scan:
        """Copy the state."""
        symbols = [symbol for symbol, market in state.markets.items() if market.positions]
        number = {symbol: index for index, symbol in enumerate(symbols)}
        positions = [p for s in symbols for p in state.markets[s].positions.values()]
        held = sorted(((p.scope, p) for p in positions), key=lambda pair: pair[0])
        rates = [state.markets[s].contract.brackets[0].maintenance_margin_rate for s in symbols]
        sizes = [(scope, len(list(of))) for scope, of in groupby(held, key=lambda pair: pair[0])]
        contract = np.array([number[p.symbol] for _, p in held])
        return cls(
            symbols, contract,
            np.array([float(p.quantity) for _, p in held]),
            np.array([float(p.cost) for _, p in held]),
            np.array([float(rate) for rate in rates])[contract],
            np.concatenate(([0], np.cumsum([size for _, size in sizes])[:-1])),
            np.array([_balance(state, scope) for scope, _ in sizes]),
        )  # fmt: skip

    def at_risk(self, marks: dict[str, Decimal]) -> int:
        """How many scopes have less equity than maintenance margin at these marks."""
        value = self.quantity * np.array([float(marks[s]) for s in self.symbols])[self.contract]
        slack = value - self.cost - np.abs(value) * self.rate
        if len(self.starts) < len(slack):
            slack = np.add.reduceat(slack, self.starts)
        return int(np.count_nonzero(self.balance + slack < 0))


def _balance(state: State, scope: Scope) -> float:
    return float(scope_balance(state, scope))


class Book:
    """The engine with a population loaded, and ticks applied to it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.marks = {symbol: Decimal(price) for symbol, price in MARKS.items()}
        self.at_risk = 0
        self._armed_before = 0

    def begin(self) -> None:
        """Count from here."""
        self.at_risk = 0
        self._armed_before += self.armed

    @property
    def armed(self) -> int:
        """How many triggers were set since `begin`, of positions that are still open."""
        positions = (p for m in self.engine.state.markets.values() for p in m.positions.values())
        return sum(position.trigger_version for position in positions) - self._armed_before

    def tick(self, symbol: str, price: Decimal) -> float:
        """Apply a tick with its cascade; returns its seconds."""
        self.marks[symbol] = price
        started = perf_counter()
        outcome: Outcome = self.engine.apply(Tick(symbol, price), datetime.now(UTC))
        while outcome.pending:
            outcome = self._go_on(outcome)
        seconds = perf_counter() - started
        assert isinstance(outcome.result, Ticked), outcome.result
        self.at_risk += outcome.result.accounts_at_risk
        return seconds

    def _go_on(self, outcome: Outcome) -> Outcome:
        return self.engine.apply(ContinueCascade(outcome.pending[0]), datetime.now(UTC))

    def recover(self) -> None:
        """What a new leader does first."""
        outcome: Outcome = self.engine.apply(Recover(), datetime.now(UTC))
        while outcome.pending:
            outcome = self._go_on(outcome)


async def open_book(server: str, positions: int, contracts: int, leverage: int) -> Book:
    """A population loaded into an engine, as a start loads it."""
    async with servers.new_database(server) as address:
        await servers.prepare(address, setting())
        await populate(address, positions, contracts=contracts, margin=spread(leverage))
        connection = await database.connect(address)
        try:
            book = Book(Engine(await load_state(connection)))
        finally:
            await connection.close()
    book.recover()
    return book


async def rows(server: str, options: Options) -> list[Row]:
    """Quiet ticks with one position per scope, then a walk with several."""
    walks = [await _walk(server, options, leverage) for leverage in LEVERAGES]
    return [*await _quiet(server, options), *walks]


async def _quiet(server: str, options: Options) -> list[Row]:
    say(f"quiet ticks: loading {options.positions:,} positions")
    book = await open_book(server, options.positions, 1, LEVERAGES[-1])
    symbol, mark = "BTCUSDT", book.marks["BTCUSDT"]
    prices = cycle([mark, mark + Decimal("0.1")])
    scans, ours = _measure(
        book, options, ((symbol, next(prices)) for _ in range(options.ticks * (options.rounds + 1)))
    )
    assert book.at_risk == 0
    what = f"tick that hits nobody, {options.positions:,} positions"
    found = [_row(what, scans, ours, f"NP: {duration(median(scans))}", 500, "NP")]
    if peer.INSTALLED:
        theirs = peer.Peer(options.positions, 0.5)
        times = [theirs.tick(peer.MARK + n % 2)[0] for n in range(options.rounds + 1)][1:]
        beside = f"lrvx: {duration(median(times))}"
        found.append(_row(what, times, ours, beside, 1000, "lrvx"))
    return found


async def _walk(server: str, options: Options, leverage: int) -> Row:
    """A random walk past accounts whose positions come to 1 to `leverage` times their equity."""
    say(f"ticks of 5 bp, leverages to {leverage}: loading {options.positions:,} positions")
    book = await open_book(server, options.positions, len(MARKS), leverage)
    steps = _steps(book, options.ticks * (options.rounds + 1))
    scans, ours = _measure(book, options, steps)
    what = (
        f"ticks of 5 bp, {options.positions:,} positions, {len(MARKS)} in each cross account, "
        f"leverages to {leverage}; in {options.ticks * options.rounds:,} ticks {book.armed:,} "
        f"triggers set anew, {book.at_risk:,} accounts liquidated"
    )
    return _row(what, scans, ours, f"NP: {duration(median(scans))}", 100, "NP")


def _steps(book: Book, number: int) -> Iterator[tuple[str, Decimal]]:
    """Each contract in turn goes up or down by 5 bp."""
    draw = random.Random(1)
    for symbol, _ in zip(cycle(MARKS), range(number), strict=False):
        change = 1 + draw.choice((STEP, -STEP))
        yield symbol, round(book.marks[symbol] * change, 8)


def _measure(
    book: Book, options: Options, ticks: Iterator[tuple[str, Decimal]]
) -> tuple[list[float], list[float]]:
    """Mean seconds of a scan and of a tick, by turns; the first round warms up."""
    scan = Scan.of(book.engine.state)
    scans: list[float] = []
    ours: list[float] = []
    with long_lived():
        for _ in range(options.rounds + 1):
            if len(ours) == 1:
                book.begin()
            started = perf_counter()
            for _ in range(SCANS):
                scan.at_risk(book.marks)
            scans.append((perf_counter() - started) / SCANS)
            ours.append(sum(book.tick(*next(ticks)) for _ in range(options.ticks)) / options.ticks)
    return scans[1:], ours[1:]


def _row(
    what: str, theirs: list[float], ours: list[float], beside: str, goal: float, unit: str
) -> Row:
    ratio = median(a / b for a, b in zip(theirs, ours, strict=True))
    return Row(what, duration(median(ours)), beside, ratio, unit, goal)

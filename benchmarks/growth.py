"""How the work of one command grows when what it meets doubles, in process (ADL-5, LIQ-10).

Each row is an exponent: near 0 for what should not grow, near 1 for what must. Times are the
processor's, in the engine alone, over commands and the parts of their cascades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import log2
from statistics import median
from time import process_time

from app.catalogue.default import default_contracts
from app.engine.commands import Command
from app.engine.commands.accounts import ConfigureContract, Deposit, OpenAccount
from app.engine.commands.contracts import CreateContract, UpdateContract
from app.engine.commands.funds import CreateFund
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import ContinueCascade, Limits
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Bracket, Contract
from app.engine.engine import Engine
from app.engine.rejections import Rejection
from app.engine.state import State
from app.runner.runner import long_lived
from benchmarks.options import Options
from benchmarks.table import Row, duration, say

MARK = Decimal(100)
TERMS = replace(
    next(c for c in default_contracts() if c.symbol == "LTCUSDT"),
    insurance_fund="F", price_band=None, mark_staleness_seconds=None,
    maker_fee_rate=Decimal(0), taker_fee_rate=Decimal(0),
    brackets=(Bracket(Decimal(0), Decimal(10**12), 20, Decimal("0.02"), Decimal(0)),),
)  # fmt: skip


@dataclass(slots=True)
class Exchange:
    """An engine with a fund without money, commands a millisecond apart, and how long they took."""

    engine: Engine = field(default_factory=lambda: Engine(State()))
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def open(cls, *symbols: str) -> Exchange:
        """With these contracts, all at 100, and accounts `maker` and `taker` of endless means."""
        exchange = cls()
        exchange.do(CreateFund("F", "F"))
        for symbol in symbols:
            exchange.do(CreateContract(replace(TERMS, symbol=symbol)), Tick(symbol, MARK))
        exchange.account("maker", "1e12")
        exchange.account("taker", "1e12")
        return exchange

    def do(self, *commands: Command) -> list[float]:
        """Apply commands with their cascades; the seconds of each part."""
        self.seconds = []
        for command in commands:
            pending = self._apply(command)
            while pending:
                pending = self._apply(ContinueCascade(pending[0]))
        return self.seconds

    def _apply(self, command: Command) -> tuple[str, ...]:
        self.now += timedelta(milliseconds=1)
        started = process_time()
        outcome = self.engine.apply(command, self.now)
        self.seconds.append(process_time() - started)
        assert not isinstance(outcome.result, Rejection), (command, outcome.result)
        return outcome.pending

    def account(self, name: str, deposit: str, leverages: dict[str, int] | None = None) -> None:
        """An account with money; isolated where a leverage is named."""
        self.do(
            OpenAccount(name, "one_way", NewKey(name, name, "trader", name, name)),
            Deposit(name, "USDT", Decimal(deposit)),
            *(ConfigureContract(name, s, leverage, "isolated")
              for s, leverage in (leverages or {}).items()),
        )  # fmt: skip

    def trade(self, symbol: str, buyer: str, seller: str, quantity: int) -> None:
        """A trade at 100."""
        for name, side, force in ((seller, "sell", "gtc"), (buyer, "buy", "ioc")):
            self.do(PlaceOrder(name, symbol, side, "limit", Decimal(quantity), MARK, force))  # type: ignore[arg-type]

    def contract(self, symbol: str) -> Contract:
        """The terms as they stand."""
        return self.engine.state.markets[symbol].contract


def quiet_tick(size: int) -> float:
    """A tick of one contract while `size` scopes of another are held open (MRK-4)."""
    exchange = _halted(size)
    return median(exchange.do(*(Tick("B", MARK + n % 2) for n in range(101))))


def _halted(size: int) -> Exchange:
    exchange = Exchange.open("A", "B")
    for number in range(size):
        exchange.account(name := f"long-{number:06}", "11", {"A": 10})
        exchange.trade("A", name, "maker", 1)
    exchange.do(UpdateContract("A", {"status": "halted"}), Tick("A", Decimal(50)))
    assert len(exchange.engine.state.held) == size
    return exchange


def first_adl(size: int) -> float:
    """The longest part of a tick's cascade with one ADL against `size` shorts."""
    exchange = Exchange.open("A")
    exchange.account("long", "11", {"A": 10})
    for number in range(size):
        exchange.account(name := f"short-{number:06}", "1000")
        exchange.trade("A", "taker" if number else "long", name, 1)
    return max(exchange.do(Tick("A", Decimal(80))))


def weak_adls(size: int) -> float:
    """An ADL, of `size`, against as many shorts of which none bears a single lot."""
    exchange = Exchange.open("A", "B")
    for number in range(size):
        long, short = f"long-{number:06}", f"short-{number:06}"
        exchange.account(long, "10", {"A": 10})
        exchange.account(short, "52.4")
        exchange.trade("A", long, short, 1)
        exchange.trade("B", short, "maker", 6)
    exchange.do(UpdateContract("A", {"status": "halted"}), Tick("A", Decimal(80)))
    exchange.do(Tick("B", Decimal(90)))  # 52.4 + 20 - 60 is what 80 and 540 maintain
    exchange.do(UpdateContract("A", {"status": "trading"}))
    seconds = sum(exchange.do(Tick("A", Decimal(80))))
    assert exchange.engine.state.counters.adl_event == size
    return seconds / size


def bracket_change(size: int) -> float:
    """The longest part of a bracket change with `size` positions."""
    exchange = Exchange.open("A")
    for number in range(size):
        exchange.account(name := f"long-{number:06}", "1000")
        exchange.trade("A", name, "maker", 1)
    (bracket,) = exchange.contract("A").brackets
    raised = replace(bracket, maintenance_margin_rate=Decimal("0.03"))
    return max(exchange.do(UpdateContract("A", {"brackets": (raised,)})))


def wide_liquidation(size: int) -> float:
    """Liquidating one cross account with `size` positions, all of them sold in the book."""
    symbols, exchange = _wide(size, 12)
    first = symbols[0]
    exchange.trade(first, "wide", first, size - 1)
    for symbol in symbols:
        price = Decimal("88.1") if symbol is first else MARK
        exchange.do(PlaceOrder(symbol, symbol, "buy", "limit", Decimal(size), price))
    seconds = sum(exchange.do(Tick(first, Decimal("88.1"))))
    assert exchange.engine.state.counters.liquidation == size
    assert not exchange.engine.state.counters.adl_event
    return seconds


def deep_order(size: int) -> float:
    """An order for all of `size` resting ones, of which it may meet a bounded number (ORD-10)."""
    exchange = Exchange.open("A")
    each = Limits().open_orders_per_contract
    for number in range(size):
        maker = f"maker-{number // each}"
        if number % each == 0:
            exchange.account(maker, "1e9")
        exchange.do(PlaceOrder(maker, "A", "sell", "limit", Decimal(1), MARK))
    all_of_it = PlaceOrder("taker", "A", "buy", "limit", Decimal(size), MARK, "ioc")
    return median(exchange.do(*[all_of_it] * 3))


def wide_order(size: int) -> float:
    """An order that rests, and one that trades, of an account with `size` positions."""
    (first, *_), exchange = _wide(size, 10_000)
    exchange.do(PlaceOrder("maker", first, "sell", "limit", Decimal(1000), MARK))
    resting = PlaceOrder("wide", first, "buy", "limit", Decimal(1), MARK - 1)
    trading = replace(resting, price=MARK, time_in_force="ioc")
    return median(exchange.do(*[resting, trading] * 50))


def _wide(size: int, each: int) -> tuple[list[str], Exchange]:
    """An account `wide` that bought 1 of each of `size` contracts, with `each` in its wallet."""
    symbols = [f"S{number:04}" for number in range(size)]
    exchange = Exchange.open(*symbols)
    exchange.account("wide", str(each * size))
    for symbol in symbols:
        exchange.account(symbol, "1e9")
        exchange.trade(symbol, "wide", symbol, 1)
    return symbols, exchange


@dataclass(frozen=True, slots=True)
class Growth:
    """A row: what is measured, at which sizes, and how steep it may be."""

    what: str
    measure: Callable[[int], float]
    size: int
    goal: float


ROWS = (
    Growth("a tick beside {} scopes held open for another contract", quiet_tick, 4_000, 0.2),
    Growth("longest part of a cascade with an ADL, {} opposite positions", first_adl, 16_000, 0.2),
    Growth("an ADL of {}, with as many opposite positions that bear little", weak_adls, 800, 0.2),
    Growth("longest part of a bracket change, {} positions", bracket_change, 16_000, 0.2),
    Growth("liquidating a cross account with {} positions", wide_liquidation, 200, 1.5),
    Growth("an order of an account with {} positions", wide_order, 400, 1.1),
    Growth("an order for all of {} resting ones", deep_order, 8_000, 0.2),
)


async def rows(_server: str, options: Options) -> list[Row]:
    """Each at half its size and at its size, by turns."""
    with long_lived():
        return [_row(growth, options) for growth in ROWS]


def _row(growth: Growth, options: Options) -> Row:
    size = max(8, int(growth.size * options.growth) // 2 * 2)
    say(f"growth: {growth.what.format(f'{size:,}')}")
    pairs = [
        (growth.measure(size // 2), growth.measure(size)) for _ in range(options.growth_rounds)
    ]
    half, whole = (median(times) for times in zip(*pairs, strict=True))
    return Row(
        growth.what.format(f"{size:,}"), duration(whole), f"half: {duration(half)}",
        _exponent(pairs), "exponent", growth.goal, at_least=False,
    )  # fmt: skip


def _exponent(pairs: Iterable[tuple[float, float]]) -> float:
    return median(log2(whole / half) for half, whole in pairs)

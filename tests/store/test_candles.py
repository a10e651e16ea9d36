"""What a batch adds to candles; and that however batches are cut, the candles are the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands.contracts import UpdateContract
from app.engine.commands.prices import IndexTick, Tick
from app.engine.contracts import IndexSource
from app.engine.events import Trade
from app.engine.marks import Mark
from app.engine.numbers import begin_of
from app.engine.outcome import IndexPrice
from app.store.candles import CandleRow, Candles, CandleSource, candles
from app.store.growing import WIDTHS, join
from tests.engine.world import World, brackets, contract

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MARK = Mark("A", Decimal(100), NOON)
TRADE = Trade(
    trade_id=1, time=NOON, symbol="A", price=Decimal(100), quantity=Decimal(2), value=Decimal(200),
    taker_side="buy", taker_account_id="a", taker_order_id=1, taker_fee=Decimal(0),
    maker_account_id="b", maker_order_id=2, maker_fee=Decimal(0), liquidation_id=None,
    taker_position_side="both", maker_position_side="both",
)  # fmt: skip


class Came(NamedTuple):
    """A price, and with a trade's how much."""

    time: datetime
    symbol: str
    source: CandleSource
    price: Decimal
    volume: Decimal


def trade(seconds: float, price: str, quantity: str) -> Trade:
    time = NOON + timedelta(seconds=seconds)
    return TRADE._replace(time=time, price=Decimal(price), quantity=Decimal(quantity))


def shown(found: list[CandleRow]) -> list[str]:
    """Candles as text: interval, when, prices, volume, count."""
    return [
        f"{c.interval} {c.time:%H:%M} {c.open} {c.high} {c.low} {c.close} {c.volume} {c.count}"
        for c in sorted(found, key=lambda c: (c.interval, c.time))
    ]


def test_minutes_an_hour_and_a_gap() -> None:
    """Open, high, low and close of what came; no candle for a minute in which nothing did."""
    trades = [
        trade(0, "100", "1"), trade(30, "103", "2"), trade(59.999999, "99", "0.5"),
        trade(60, "101", "1"), trade(180, "98.50", "1"), trade(3600, "97", "4"),
    ]  # fmt: skip
    assert shown(candles([], [], trades)) == [
        "1d 00:00 100 103 97 97 9.5 6",
        "1h 12:00 100 103 98.50 98.50 5.5 5", "1h 13:00 97 97 97 97 4 1",
        "1m 12:00 100 103 99 99 3.5 3", "1m 12:01 101 101 101 101 1 1",
        "1m 12:03 98.50 98.50 98.50 98.50 1 1", "1m 13:00 97 97 97 97 4 1",
    ]  # fmt: skip


def test_a_mark_counts_once() -> None:
    """Not again under its contract's new terms (MRK-4), nor with a newer index price (MRK-3)."""
    world = World()
    world.fund("f")
    world.contract(replace(contract("A", "f"), index_sources=(IndexSource("a", Decimal(1)),)))
    steep = brackets((("0", "100000000", 10, "0.06"),))
    counts = [
        (len(outcome.marks), len(outcome.index_prices))
        for outcome in (
            world.apply(Tick("A", Decimal(100))),
            world.apply(UpdateContract("A", {"brackets": steep})),
            world.apply(UpdateContract("A", {"status": "halted"})),
            world.apply(UpdateContract("A", {"status": "trading"})),
            world.apply(IndexTick("A", "a", Decimal(101))),
            world.apply(Tick("A", Decimal(100))),
        )
    ]
    assert counts == [(1, 0), (0, 0), (0, 0), (0, 0), (0, 1), (1, 0)]


def test_every_digit_of_a_volume_counts() -> None:
    """Whoever asks, in whatever context (NUM-1)."""
    volumes = ["999999999999999.000000000001", "0.000000000001", "1"]
    (minute, hour, day) = candles([], [], [trade(1, "1", volume) for volume in volumes])
    assert minute.volume == hour.volume == day.volume == Decimal("1000000000000000.000000000002")
    assert minute.then(minute).volume == Decimal("2000000000000000.000000000004")


prices = st.integers(1, 10**6).map(lambda number: Decimal(number) / 100)
sources: st.SearchStrategy[CandleSource] = st.sampled_from(["mark", "index", "trades"])
steps = st.tuples(
    st.sampled_from([0, 1, 20, 60, 90, 3600, 90_000]), st.sampled_from("AB"), sources, prices,
    prices,
)  # fmt: skip


@given(st.lists(steps, max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_batches_may_be_cut_anywhere(
    way: list[tuple[int, str, CandleSource, Decimal, Decimal]], cuts: list[int]
) -> None:
    """The candles are those of a walk over every price."""
    time, came = NOON, []
    for seconds, symbol, source, price, volume in way:
        time += timedelta(seconds=seconds)
        came.append(Came(time, symbol, source, price, volume))
    grown: Candles = {}
    for first, last in pairwise(sorted({0, *cuts, len(came)})):
        join(grown, of_batch(came[first:last]))
    assert grown == {candle[:4]: candle for candle in naive(came)}


def of_batch(came: list[Came]) -> list[CandleRow]:
    marks = [replace(MARK, symbol=c.symbol, price=c.price, time=c.time)
             for c in came if c.source == "mark"]  # fmt: skip
    index_prices = [IndexPrice(c.symbol, c.time, c.price) for c in came if c.source == "index"]
    trades = [TRADE._replace(symbol=c.symbol, time=c.time, price=c.price, quantity=c.volume)
              for c in came if c.source == "trades"]  # fmt: skip
    return candles(marks, index_prices, trades)


def naive(came: list[Came]) -> Iterator[CandleRow]:
    """All that came, sorted into its intervals."""
    for interval, width in WIDTHS.items():
        inside: defaultdict[tuple[str, CandleSource, datetime], list[Came]] = defaultdict(list)
        for one in came:
            inside[one.symbol, one.source, begin_of(one.time, width)].append(one)
        for (symbol, source, begin), those in inside.items():
            sizes = [one.price for one in those]
            volume = sum((c.volume for c in those if source == "trades"), Decimal(0))
            yield CandleRow(
                symbol, source, interval, begin, open=sizes[0], high=max(sizes), low=min(sizes),
                close=sizes[-1], volume=volume, count=len(those),
            )  # fmt: skip

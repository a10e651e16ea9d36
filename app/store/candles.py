"""Candles: what mark, index and trades of a contract did in a minute or an hour (MRK-5).

They are made of what a batch commits: its new marks, its index prices and its trades. What it adds
to a candle is merged into the row that is there, in the same transaction, so that no leader needs
to know the candle under way: one that takes over goes on with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Literal, NamedTuple

from app.engine.events import Trade
from app.engine.marks import Mark
from app.engine.numbers import EXACT, ZERO
from app.engine.outcome import IndexPrice, Outcome

CandleSource = Literal["mark", "index", "trades"]
KeptInterval = Literal["1m", "1h"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WIDTHS: dict[KeptInterval, timedelta] = {"1m": MINUTE, "1h": timedelta(hours=1)}
"""What is kept. Others are made of these as they are read: a page of any interval then reads at
most 24 times as many rows as it gives, and what a contract does in a batch costs two rows."""


class CandleRow(NamedTuple):
    """What came in the interval that begins at `time`, which is engine time: a row of the table.

    `volume` is what was traded, in the contract's units as an order's quantity is; `count` counts
    prices or trades.
    """

    symbol: str
    source: CandleSource
    interval: KeptInterval
    time: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    count: int  # type: ignore[assignment]  # nobody calls the method of tuples

    @property
    def end(self) -> datetime:
        """From then on nothing comes to it."""
        return self.time + WIDTHS[self.interval]

    def then(self, later: CandleRow) -> CandleRow:
        """The candle with what came to it later."""
        return self._replace(
            high=max(self.high, later.high),
            low=min(self.low, later.low),
            close=later.close,
            volume=EXACT.add(self.volume, later.volume),
            count=self.count + later.count,
        )


Candles = dict[tuple[str, CandleSource, KeptInterval, datetime], CandleRow]
"""By symbol, source, interval and time: the key of a row."""


def begin_of(time: datetime, width: timedelta) -> datetime:
    """When the interval begins that a time lies in; they are counted from midnight UTC."""
    return time - (time - EPOCH) % width


def join(whole: Candles, parts: Iterable[CandleRow]) -> None:
    """Add parts, in order of time, to their candles."""
    for part in parts:
        key = part.symbol, part.source, part.interval, part.time
        earlier = whole.get(key)
        whole[key] = earlier.then(part) if earlier else part


def new_marks(outcome: Outcome) -> list[Mark]:
    """The marks that it gave: not those of before, under new terms or with a newer index price."""
    time = outcome.time
    return [kept for kept in outcome.touched if isinstance(kept, Mark) and kept.time == time]


def candles(
    marks: Iterable[Mark], index_prices: Iterable[IndexPrice], trades: Iterable[Trade]
) -> list[CandleRow]:
    """What these, each in order of time, add to which candles; at most one row of each key.

    A mark that is `awaited` is an old one under new terms of its contract.
    """
    minutes: defaultdict[tuple[str, CandleSource, datetime], list[tuple[Decimal, Decimal]]]
    minutes = defaultdict(list)
    for mark in marks:
        if not mark.awaited:
            minutes[mark.symbol, "mark", begin_of(mark.time, MINUTE)].append((mark.price, ZERO))
    for index in index_prices:
        minutes[index.symbol, "index", begin_of(index.time, MINUTE)].append((index.price, ZERO))
    for trade in trades:
        minute = begin_of(trade.time, MINUTE)
        minutes[trade.symbol, "trades", minute].append((trade.price, trade.quantity))
    found: Candles = {}
    with localcontext(EXACT):
        for (symbol, source, minute), came in minutes.items():
            join(found, _kept(symbol, source, minute, came))
    return list(found.values())


def _kept(
    symbol: str, source: CandleSource, minute: datetime, came: list[tuple[Decimal, Decimal]]
) -> Iterator[CandleRow]:
    """What prices and volumes of a minute add to it and to what is longer."""
    prices = [price for price, _ in came]
    first, high, low, last = prices[0], max(prices), min(prices), prices[-1]
    volume, count = sum((volume for _, volume in came), ZERO), len(prices)
    for interval, width in WIDTHS.items():
        yield CandleRow(
            symbol,
            source,
            interval,
            begin_of(minute, width),
            open=first,
            high=high,
            low=low,
            close=last,
            volume=volume,
            count=count,
        )

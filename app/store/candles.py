"""Candles: what mark, index and trades of a contract did in a minute, an hour or a day (MRK-5).

They are made of what a batch commits: its new marks, its index prices and its trades.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Literal, NamedTuple

from app.engine.events import Trade
from app.engine.marks import Mark
from app.engine.numbers import EPOCH, EXACT, ZERO, begin_of
from app.engine.outcome import IndexPrice
from app.store.growing import WIDTHS, Grown, KeptInterval, join

CandleSource = Literal["mark", "index", "trades"]
MINUTE = WIDTHS["1m"]


class CandleRow(NamedTuple):
    """What came in the interval that begins at `time`, which is engine time: a row of the table.

    `volume` is what was traded, in the contract's units as an order's quantity is; `count` counts
    prices or trades. Other intervals are made of the kept ones as they are read: a page of any then
    reads at most 15 times as many rows as it gives, and a contract costs a batch three rows.
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
    def key(self) -> tuple[str, CandleSource, KeptInterval, datetime]:
        """The key of its row."""
        return self[:4]

    def then(self, later: CandleRow) -> CandleRow:
        """The candle with what came to it later."""
        return self._replace(
            high=max(self.high, later.high),
            low=min(self.low, later.low),
            close=later.close,
            volume=EXACT.add(self.volume, later.volume),
            count=self.count + later.count,
        )


Candles = Grown[CandleRow]
Came = defaultdict[tuple[str, CandleSource], list[tuple[Decimal, Decimal]]]
"""Prices with their volumes, by symbol and source."""


def candles(
    marks: Iterable[Mark], index_prices: Iterable[IndexPrice], trades: Iterable[Trade]
) -> list[CandleRow]:
    """What these, each in order of time, add to which candles; at most one row of each key."""
    minutes = _Minutes()
    for mark in marks:
        minutes.of(mark.time)[mark.symbol, "mark"].append((mark.price, ZERO))
    for index in index_prices:
        minutes.of(index.time)[index.symbol, "index"].append((index.price, ZERO))
    for trade in trades:
        minutes.of(trade.time)[trade.symbol, "trades"].append((trade.price, trade.quantity))
    found: Candles = {}
    for minute in sorted(minutes):
        begins = [(interval, begin_of(minute, width)) for interval, width in WIDTHS.items()]
        for (symbol, source), those in minutes[minute].items():
            prices, volumes = zip(*those, strict=True)
            ends = prices[0], max(prices), min(prices), prices[-1]
            volume, count = reduce(EXACT.add, volumes), len(those)
            join(
                found,
                (
                    CandleRow(symbol, source, interval, begin, *ends, volume=volume, count=count)
                    for interval, begin in begins
                ),
            )
    return list(found.values())


class _Minutes(defaultdict[datetime, Came]):
    """What came, by minute: a batch has one minute, or two."""

    def __init__(self) -> None:
        super().__init__(lambda: defaultdict(list))
        self._begin = self._end = EPOCH

    def of(self, time: datetime) -> Came:
        """What came in the minute that a time lies in."""
        if not self._begin <= time < self._end:
            self._begin = begin_of(time, MINUTE)
            self._end = self._begin + MINUTE
        return self[self._begin]

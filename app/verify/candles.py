"""Candles: what the replay makes of its prices and trades, against the rows that grew (MRK-5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import asyncpg

from app.store.candles import CandleRow, Candles, CandleSource, KeptInterval, join
from app.store.rows import TableRow
from app.verify.difference import Difference, Differs, Key, Layout

LAYOUT = Layout("candles")
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
Series = tuple[str, CandleSource, KeptInterval]


class CandleTable:
    """The table, as far as the replay has come with each series of candles.

    A candle is compared when its interval is over, so that few are remembered. Of those under way
    where a replay begins, after a snapshot, it does not know all: they are left out.
    """

    def __init__(self, connection: asyncpg.Connection, begin: datetime | None) -> None:
        self._connection = connection
        self._begin = begin or BEFORE_ALL
        self._open: Candles = {}
        self._last: dict[Series, datetime] = {}
        """Up to when each series is compared."""

    async def check(
        self, parts: Iterable[CandleRow], now: datetime | None
    ) -> tuple[int, list[Difference]]:
        """Take what was added to candles and compare those that are over `now` (None: all).

        Returns how many, and where they differ.
        """
        join(self._open, parts)
        over = [candle for candle in self._open.values() if now is None or candle.end <= now]
        for candle in over:
            del self._open[candle[:4]]
        known = [candle for candle in over if candle.time > self._begin]
        return len(known), await self._compare(known) if known else []

    async def finish(self) -> None:
        """There is no row but those that were compared; raises `Differs`."""
        query = LAYOUT.select("""
            LEFT JOIN unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
                AS known (symbol, source, interval, last) USING (symbol, source, interval)
            WHERE time > COALESCE(last, $5) ORDER BY time LIMIT 1
        """)
        known = [(*series, last) for series, last in self._last.items()]
        if record := await self._connection.fetchrow(query, *_columns(known, 4), self._begin):
            raise Differs(LAYOUT.unknown(LAYOUT.found(record)))

    async def _compare(self, candles: Sequence[CandleRow]) -> list[Difference]:
        found = await self._rows(candles)
        differences = [
            LAYOUT.differs(candle, row) if row else LAYOUT.missing(candle)
            for candle in candles
            if (row := found.pop(LAYOUT.key(candle), None)) != candle
        ]
        return [*differences, *map(LAYOUT.unknown, found.values())]

    async def _rows(self, candles: Sequence[CandleRow]) -> dict[Key, TableRow]:
        """What the table has of their series, behind what was compared of each before."""
        ends: dict[Series, datetime] = {}
        for candle in candles:
            series = candle.symbol, candle.source, candle.interval
            ends[series] = max(candle.time, ends.get(series, candle.time))
        wanted = [
            (*series, self._last.get(series, self._begin), end) for series, end in ends.items()
        ]
        self._last |= ends
        query = LAYOUT.select("""
            JOIN unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
                AS wanted (symbol, source, interval, last, until) USING (symbol, source, interval)
            WHERE time > last AND time <= until
        """)
        rows = map(LAYOUT.found, await self._connection.fetch(query, *_columns(wanted, 5)))
        return {LAYOUT.key(row): row for row in rows}


def _columns(rows: Sequence[TableRow], count: int) -> list[list[object]]:
    """The values of rows, column by column."""
    return [[row[place] for row in rows] for place in range(count)]

"""Rows that grow, candles among them: what the replay adds up, against the tables (MRK-5, HIS)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from app.store.growing import Growing, Grown, end_of, join
from app.store.tables import MERGED
from app.verify.difference import Difference, Differs, Key, Layout

GROWING = tuple(MERGED)
"""The tables whose rows grow."""
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
SERIES = 3
"""How many columns lead the key before the time: what they name grows row by row."""


class GrowingTable:
    """One of these tables, as far as the replay has come with each series of its rows.

    A row is compared when its interval is over, so that few are remembered. Of those under way
    where a replay begins, after a snapshot, it does not know all: they are left out.
    """

    def __init__(self, connection: asyncpg.Connection, name: str, begin: datetime | None) -> None:
        self._connection = connection
        self._layout = Layout(name)
        self._begin = begin or BEFORE_ALL
        self._open: Grown[Growing] = {}
        self._last: dict[Key, datetime] = {}
        """Up to when each series is compared."""
        self._series = ", ".join(self._layout.keys[:SERIES])

    async def check(
        self, parts: Iterable[Growing], now: datetime | None
    ) -> tuple[int, list[Difference]]:
        """Take what was added to rows and compare those that are over `now` (None: all).

        Returns how many, and where they differ.
        """
        join(self._open, parts)
        over = [row for row in self._open.values() if now is None or end_of(row) <= now]
        for row in over:
            del self._open[row.key]
        known = [row for row in over if row.time > self._begin]
        return len(known), await self._compare(known) if known else []

    async def finish(self) -> None:
        """There is no row but those that were compared; raises `Differs`."""
        query = self._layout.select(f"""
            LEFT JOIN unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[])
                AS known ({self._series}, last) USING ({self._series})
            WHERE time > COALESCE(last, $5) ORDER BY time LIMIT 1
        """)
        known = [(*series, last) for series, last in self._last.items()]
        if record := await self._connection.fetchrow(query, *_columns(known, 4), self._begin):
            raise Differs(self._layout.unknown(self._layout.found(record)))

    async def _compare(self, rows: Sequence[Growing]) -> list[Difference]:
        layout, found = self._layout, await self._rows(rows)
        differences = [
            layout.differs(row, there) if there else layout.missing(row)
            for row in map(_values, rows)
            if (there := found.pop(layout.key(row), None)) != row
        ]
        return [*differences, *map(layout.unknown, found.values())]

    async def _rows(self, rows: Sequence[Growing]) -> dict[Key, tuple[Any, ...]]:
        """What the table has of their series, behind what was compared of each before."""
        ends: dict[Key, datetime] = {}
        for row in rows:
            series = row.key[:SERIES]
            ends[series] = max(row.time, ends.get(series, row.time))
        wanted = [
            (*series, self._last.get(series, self._begin), end) for series, end in ends.items()
        ]
        self._last |= ends
        query = self._layout.select(f"""
            JOIN unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
                AS wanted ({self._series}, last, until) USING ({self._series})
            WHERE time > last AND time <= until
        """)
        found = map(self._layout.found, await self._connection.fetch(query, *_columns(wanted, 5)))
        return {self._layout.key(row): row for row in found}


def _values(row: Growing) -> tuple[Any, ...]:
    """A named tuple is its row."""
    assert isinstance(row, tuple)
    return row


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[object]]:
    """The values of rows, column by column."""
    return [[row[place] for row in rows] for place in range(count)]

"""Importing past prices: all that is taken of a file, in one transaction (CAL-7).

    async with importing(connection) as incoming:
        await incoming.copy(rows)
        await incoming.drop_twice()
        made = await incoming.keep(...)

Rows come into a table of the session's own first, as they are sent: what nobody has in memory is
sorted, counted and looked at there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from app.store.closes import closes, width_of
from app.store.tables.price_history import PriceInterval

COLUMNS = ("line", "symbol", "time", "close", "volume")
MOST_WARNED = 100
BAR_CHANGE = 0.5
"""A return beyond this that the next bar undoes is rather a bad print than a price."""
LAGS = 12
"""Hours by which a file's clock may be off."""
COMPARED = 1000
LEAST_COMPARED = 240


class PriceImport(NamedTuple):
    """What an import brought."""

    import_id: int
    rows: int
    symbols: list[str]
    first: datetime
    last: datetime


class Reverted(NamedTuple):
    """A close that its neighbours on both sides contradict."""

    symbol: str
    time: datetime
    change: float


class Shifted(NamedTuple):
    """A contract whose returns are those of `other` so many hours later, rather than at once."""

    symbol: str
    other: str
    hours: int
    correlation: float
    at_once: float


class Incoming:
    """The rows of a file."""

    def __init__(self, connection: asyncpg.Connection, interval: PriceInterval) -> None:
        self._connection = connection
        self._interval: PriceInterval = interval

    async def contracts(self) -> frozenset[str]:
        """Every contract that was ever listed."""
        rows = await self._connection.fetch("SELECT symbol FROM contracts")
        return frozenset(row["symbol"] for row in rows)

    async def copy(self, rows: AsyncIterator[bytes]) -> None:
        """Lines of text with tabs, in the order of `COLUMNS`."""
        await self._connection.copy_to_table(
            "incoming", source=rows, columns=COLUMNS, format="text", null="NULL"
        )

    async def drop_twice(self, most: int) -> tuple[int, list[int]]:
        """Of a contract's time only the first line stays: how many go, and the first `most`."""
        (row,) = await self._connection.fetch(DROP_TWICE)
        return row["count"], (row["lines"] or [])[:most]

    async def keep(self, source: str, sha256: str, by: str, now: datetime) -> PriceImport | None:
        """Put them into the history; None where there are none."""
        (found,) = await self._connection.fetch(SUMMARY)
        if not found["rows"]:
            return None
        extent = found["rows"], found["first"], found["last"]
        said = self._interval, source, sha256
        import_id = await self._connection.fetchval(IMPORT, *said, *extent, by, now)
        await self._connection.execute(KEEP, self._interval, import_id)
        return PriceImport(import_id, **found)

    async def reverted(self) -> list[Reverted]:
        """Closes that look like bad prints; the first of them."""
        width = width_of(self._interval)
        rows = await self._connection.fetch(REVERTED, width, BAR_CHANGE, MOST_WARNED)
        return [Reverted(*row) for row in rows]

    async def shifted(self, made: PriceImport) -> list[Shifted]:
        """Contracts whose clock differs from that of the first one of their asset."""
        if self._interval != "1h":
            return []
        found = []
        for symbol in made.symbols:
            other = await self._connection.fetchval(FIRST_OF_ASSET, symbol)
            if other is not None:
                rows = await self._connection.fetch(
                    LAGGED, symbol, other, made.import_id, COMPARED, LAGS
                )
                found += [Shifted(symbol, other, *row) for row in _beaten(rows)]
        return found[:MOST_WARNED]


def _beaten(rows: list[asyncpg.Record]) -> list[tuple[int, float, float]]:
    """The lag whose correlation is above that of lag 0 by more than chance makes it: four times
    the deviation of the correlation of independent returns."""
    by_lag: dict[int, Any] = {row["lag"]: row for row in rows if row["correlation"] is not None}
    if 0 not in by_lag or by_lag[0]["count"] < LEAST_COMPARED:
        return []
    at_once = by_lag[0]["correlation"]
    best = max(by_lag.values(), key=lambda row: row["correlation"])
    if best["correlation"] - max(at_once, 0) <= 4 / by_lag[0]["count"] ** 0.5:
        return []
    return [(best["lag"], best["correlation"], at_once)]


@asynccontextmanager
async def importing(
    connection: asyncpg.Connection, interval: PriceInterval
) -> AsyncIterator[Incoming]:
    """A transaction: what leaves the body with an exception was never there."""
    async with connection.transaction():
        for statement in PREPARE:
            await connection.execute(statement)
        yield Incoming(connection, interval)


PREPARE = (
    "SET LOCAL statement_timeout = '10min'",
    "SET LOCAL work_mem = '64MB'",
    """
    CREATE TEMPORARY TABLE incoming (
        line BIGINT, symbol TEXT, time TIMESTAMPTZ, close NUMERIC, volume NUMERIC
    ) ON COMMIT DROP
    """,
)

DROP_TWICE = """
    WITH twice AS MATERIALIZED (
        SELECT line FROM (
            SELECT line, row_number() OVER (PARTITION BY symbol, time ORDER BY line) AS place
            FROM incoming
        ) AS placed WHERE place > 1
    ), gone AS (
        DELETE FROM incoming USING twice WHERE incoming.line = twice.line
    )
    SELECT count(*), array_agg(line ORDER BY line) AS lines FROM twice
"""

SUMMARY = """
    SELECT count(*) AS rows, array_agg(DISTINCT symbol ORDER BY symbol) AS symbols,
        min(time) AS first, max(time) AS last
    FROM incoming
"""

IMPORT = """
    INSERT INTO price_imports
        (interval, source, sha256, rows, first, last, created_by, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING import_id
"""

KEEP = """
    INSERT INTO price_history (symbol, interval, time, import_id, close, volume)
    SELECT symbol, $1, time, $2, close, volume FROM incoming ORDER BY symbol, time
"""

REVERTED = """
    SELECT symbol, time, close / before - 1 FROM (
        SELECT symbol, time, close::float8,
            (lag(close) OVER bars)::float8 AS before, (lead(close) OVER bars)::float8 AS after,
            time - lag(time) OVER bars AS since, lead(time) OVER bars - time AS until
        FROM incoming WINDOW bars AS (PARTITION BY symbol ORDER BY time)
    ) AS bar
    WHERE since = $1 AND until = $1 AND abs(close / before - 1) > $2
        AND abs(ln(after / before)) < abs(ln(close / before)) / 2
    ORDER BY symbol, time LIMIT $3
"""

FIRST_OF_ASSET = """
    SELECT symbol FROM (
        SELECT other.symbol, (
            SELECT min(time) FROM price_history WHERE symbol = other.symbol AND interval = '1h'
        ) AS first
        FROM contracts AS own JOIN contracts AS other USING (settlement_asset)
        WHERE own.symbol = $1 AND other.symbol <> own.symbol
    ) AS others WHERE first IS NOT NULL ORDER BY first, symbol LIMIT 1
"""

_ENDS = "(SELECT first FROM ends)", "(SELECT last FROM ends)"
_OTHER = closes("$2", "'1h'", "interval '1 hour'", *_ENDS)
LAGGED = f"""
    WITH own AS MATERIALIZED (
        SELECT time, ln(close / lag(close) OVER bars)::float8 AS move,
            time - lag(time) OVER bars AS since
        FROM (
            SELECT time, close FROM price_history
            WHERE symbol = $1 AND interval = '1h' AND import_id = $3
            ORDER BY time DESC LIMIT $4::int + 1
        ) AS newest WINDOW bars AS (ORDER BY time)
    ), ends AS (
        SELECT min(time) - interval '1 day' AS first, max(time) + interval '1 day' AS last FROM own
    ), other AS MATERIALIZED (
        SELECT time, ln(close / lag(close) OVER bars)::float8 AS move,
            time - lag(time) OVER bars AS since
        FROM ({_OTHER}) AS found WINDOW bars AS (ORDER BY time)
    )
    SELECT lag, corr(own.move, other.move) AS correlation, count(*)
    FROM generate_series(-$5::int, $5::int) AS lag CROSS JOIN own
    JOIN other ON other.time = own.time + lag * interval '1 hour'
    WHERE own.since = interval '1 hour' AND other.since = interval '1 hour'
    GROUP BY lag
"""  # noqa: S608 - names of our own

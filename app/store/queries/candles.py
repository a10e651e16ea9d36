"""Candles (MRK-5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.numbers import EPOCH
from app.store.candles import CandleSource
from app.store.growing import KeptInterval
from app.store.queries import AFTER_ALL, BEFORE_ALL, WALK_INDEX, Rows

Interval = Literal["1m", "5m", "15m", "1h", "4h", "1d"]
MADE_OF: dict[Interval, tuple[timedelta, KeptInterval, int]] = {
    "1m": (timedelta(minutes=1), "1m", 1),
    "5m": (timedelta(minutes=5), "1m", 5),
    "15m": (timedelta(minutes=15), "1m", 15),
    "1h": (timedelta(hours=1), "1h", 1),
    "4h": (timedelta(hours=4), "1h", 4),
    "1d": (timedelta(days=1), "1d", 1),
}
"""The width of an interval, of which kept ones its candle is made, and of how many at most."""

_CANDLES = text("""
WITH
-- As many as the page has, were none of them missing: so its last candle is whole.
kept AS (
  SELECT date_bin(:width, time, :origin) AS start, *
  FROM candles
  WHERE symbol = :symbol AND source = :source AND interval = :kept
    AND time >= :from AND time < :to
  ORDER BY time DESC LIMIT :rows
),
-- One order for both ends: rows are sorted once.
page AS (
  SELECT start, (array_agg(open ORDER BY time DESC))[count(*)] AS open,
         max(high) AS high, min(low) AS low, (array_agg(close ORDER BY time DESC))[1] AS close,
         sum(volume) AS volume, sum(count) AS count
  FROM kept GROUP BY start ORDER BY start DESC LIMIT :limit
)
SELECT start AS time, json_build_object(
  'time', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'open', trim_scale(open)::text, 'high', trim_scale(high)::text,
  'low', trim_scale(low)::text, 'close', trim_scale(close)::text,
  'volume', trim_scale(volume)::text, 'count', count
)::text AS item
FROM page ORDER BY start DESC
""")


async def list_candles(
    connection: AsyncConnection,
    symbol: str,
    source: CandleSource,
    interval: Interval,
    limit: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Rows:
    """A contract's candles, newest first; intervals in which nothing came have none.

    `start` and `end` must be whole intervals. A row is the candle's `time` and, as JSON, `item`.
    """
    width, kept, parts = MADE_OF[interval]
    await connection.execute(WALK_INDEX)
    result = await connection.execute(
        _CANDLES,
        {
            "symbol": symbol,
            "source": source,
            "kept": kept,
            "rows": limit * parts,
            "width": width,
            "origin": EPOCH,
            "from": start or BEFORE_ALL,
            "to": end or AFTER_ALL,
            "limit": limit,
        },
    )
    return result.mappings().all()

"""Past prices, as a calibration reads them (CAL-7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.numbers import ONE, ZERO
from app.store.closes import closes, width_of
from app.store.queries import AFTER_ALL, BEFORE_ALL, WALK_INDEX, Rows
from app.store.tables.price_history import PriceInterval

LEAST_COMMON = 60
DEFAULT_MULTIPLIER = Decimal("1.5")
"""As `app.calibration.paths` has them: a test holds the two against each other."""
DIGITS = Decimal("0.0001")


async def list_closes(
    connection: AsyncConnection,
    symbol: str,
    interval: PriceInterval,
    limit: int,
    *,
    now: datetime,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Rows:
    """A contract's closes from `start` on and before `end`, newest first; as JSON `item`."""
    await connection.execute(WALK_INDEX)
    result = await connection.execute(
        _CLOSES,
        {
            "symbol": symbol,
            "interval": interval,
            "width": width_of(interval),
            "from": start or BEFORE_ALL,
            "to": end or AFTER_ALL,
            "now": now,
            "limit": limit,
        },
    )
    return result.mappings().all()


async def list_coverage(
    connection: AsyncConnection,
    interval: PriceInterval,
    limit: int,
    now: datetime,
    after: str | None,
) -> Sequence[Mapping[str, Any]]:
    """Contracts by symbol, each with what there is of it, and of whom it takes the rest."""
    bars = {"interval": interval, "width": width_of(interval), "now": now}
    begins = (await connection.execute(_BEGINS, bars)).mappings().all()
    page = [row for row in begins if row["symbol"] > (after or "")][:limit]
    return [await _coverage(connection, bars, row, begins) for row in page]


async def _coverage(
    connection: AsyncConnection, bars: Mapping[str, Any], one: Mapping[Any, Any], begins: Rows
) -> dict[str, Any]:
    found = (await connection.execute(_STATED, {**bars, "symbol": one["symbol"]})).mappings().one()
    stated = {"symbol": one["symbol"], **found, "proxy": None, "multiplier": None, "proxied": ZERO}
    if (proxy := _proxy(one, begins)) is None:
        return stated
    both = {**bars, "symbol": one["symbol"], "proxy": proxy}
    taken = (await connection.execute(_TAKEN, both)).mappings().one()
    if not taken["missing"]:
        return stated
    multiplier = DEFAULT_MULTIPLIER
    if taken["common"] >= LEAST_COMMON and taken["ratio"] is not None:
        multiplier = max(ONE, taken["ratio"].quantize(DIGITS))
    share = Decimal(taken["missing"]) / taken["known"]
    return {**stated, "proxy": proxy, "multiplier": multiplier, "proxied": share.quantize(DIGITS)}


def _proxy(one: Mapping[Any, Any], begins: Rows) -> str | None:
    """The contract of the same fund whose history begins first, if before its own, else that of the
    asset (CAL-7)."""
    asset = [row for row in begins if row["asset"] == one["asset"] and row["first"]]
    others = [row for row in asset if row["symbol"] != one["symbol"]]
    others.sort(key=lambda row: (row["first"], row["symbol"]))
    same = [
        row
        for row in others
        if row["fund"] == one["fund"] and (one["first"] is None or row["first"] < one["first"])
    ]
    return next((row["symbol"] for row in (*same, *others)), None)


_BOUNDS = ":interval", "CAST(:width AS interval)"
_ALL = "'-infinity'::timestamptz", "CAST(:now AS timestamptz)"
"""As they are bound: a cast of two colons would be a parameter's beginning."""

_CLOSES = text(f"""
    SELECT found.time, json_build_object(
        'time', to_char(found.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'close', trim_scale(close)::text, 'volume', trim_scale(volume)::text,
        'source', COALESCE(source, 'marks'), 'import_id', import_id::text
    )::text AS item
    FROM ({
    closes(
        ":symbol",
        *_BOUNDS,
        "CAST(:from AS timestamptz) - interval '1 microsecond'",
        "least(CAST(:now AS timestamptz), CAST(:to AS timestamptz) - interval '1 microsecond')",
    )
})
        AS found
    LEFT JOIN price_imports USING (import_id)
    ORDER BY found.time DESC LIMIT :limit
""")  # noqa: S608 - names of our own

_BEGINS = text("""
    SELECT symbol, settlement_asset AS asset, insurance_fund AS fund, LEAST(
        (SELECT min(time) FROM price_history
            WHERE symbol = c.symbol AND interval = :interval AND time <= :now),
        (SELECT min(time) + :width FROM candles WHERE symbol = c.symbol AND source = 'mark'
            AND interval = :interval AND time <= CAST(:now AS timestamptz) - :width)
    ) AS first FROM contracts AS c ORDER BY symbol
""")

_STATED = text(f"""
    SELECT count(*) AS rows, min(time) AS first, max(time) AS last,
        COALESCE(round(count(import_id)::numeric / NULLIF(count(*), 0), 4), 0) AS imported,
        count(*) FILTER (WHERE missing > 0) AS gaps, COALESCE(max(missing), 0) AS largest_gap
    FROM (
        SELECT time, import_id, (date_part('epoch', time - lag(time) OVER (ORDER BY time))
            / date_part('epoch', CAST(:width AS interval)))::bigint - 1 AS missing
        FROM ({closes(":symbol", *_BOUNDS, *_ALL)}) AS found
    ) AS bars
""")  # noqa: S608 - names of our own


def _moves(symbol: str) -> str:
    """A contract's log returns, by the end of their bars."""
    return f"""
        SELECT time, move FROM (
            SELECT time, ln(close::float8 / lag(close::float8) OVER bars) AS move,
                time - lag(time) OVER bars AS since
            FROM ({closes(symbol, *_BOUNDS, *_ALL)}) AS found WINDOW bars AS (ORDER BY time)
        ) AS moved WHERE since = CAST(:width AS interval)
    """  # noqa: S608 - names of our own


_TAKEN = text(f"""
    SELECT count(*) AS known, count(*) FILTER (WHERE own.move IS NULL) AS missing,
        count(*) FILTER (WHERE own.move IS NOT NULL AND proxy.move IS NOT NULL) AS common,
        sqrt(sum(own.move ^ 2) FILTER (WHERE proxy.move IS NOT NULL)
            / NULLIF(sum(proxy.move ^ 2) FILTER (WHERE own.move IS NOT NULL), 0))::numeric AS ratio
    FROM ({_moves(":symbol")}) AS own FULL JOIN ({_moves(":proxy")}) AS proxy USING (time)
""")  # noqa: S608 - names of our own

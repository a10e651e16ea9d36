"""The balance history of insurance funds (HIS-1, HIS-2): raw rows and intervals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Numeric,
    Select,
    Text,
    func,
    literal,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import AFTER_ALL, BEFORE_ALL, WALK_INDEX, Row, Rows
from app.store.tables import fund_history as history
from app.store.tables import funds

HistoryKey = tuple[datetime, str, int]
"""Where a row stands in the order of all funds' histories: time, fund, sequence."""
Connect = Callable[[], AbstractAsyncContextManager[AsyncConnection]]

_PLACE = (history.c.time, history.c.fund_id, history.c.sequence)
_c = history.c
FIELDS = {
    "sequence": _c.sequence,
    "time": _c.time,
    "fund": _c.fund_id,
    "wallet": _c.wallet,
    "asset": _c.asset,
    "kind": _c.kind,
    "amount": _c.amount,
    "balance_after": _c.balance_after,
    "symbol": _c.symbol,
    "liquidation_id": _c.liquidation_id,
    "previous_hash": _c.previous_hash,
    "hash": _c.hash,
}
"""What readers see of a row, in order."""
EXPORT_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows: None is any; `start` is inclusive, `end` exclusive."""

    fund: str | None = None
    asset: str | None = None
    kind: str | None = None
    symbol: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def walked(self) -> Filter:
        """Its part that one index serves in the order of the history."""
        if self.fund is not None:
            return Filter(fund=self.fund, start=self.start, end=self.end)
        if self.symbol is not None:
            return Filter(symbol=self.symbol, start=self.start, end=self.end)
        return Filter(kind=self.kind, start=self.start, end=self.end)


def _matching(
    query: Select[Any],
    wanted: Filter,
    after: HistoryKey | None = None,
    end: HistoryKey | None = None,
) -> Select[Any]:
    """The query for the rows that are wanted, behind `after` and up to `end`."""
    equal = {
        "fund_id": wanted.fund,
        "asset": wanted.asset,
        "kind": wanted.kind,
        "symbol": wanted.symbol,
    }
    for name, value in equal.items():
        if value is not None:
            query = query.where(history.c[name] == value)
    if wanted.start is not None:
        query = query.where(history.c.time >= wanted.start)
    if wanted.end is not None:
        query = query.where(history.c.time < wanted.end)
    if after is not None:
        query = query.where(tuple_(*_PLACE) > after)
    if end is not None:
        query = query.where(tuple_(*_PLACE) <= end)
    return query


async def list_history(
    connection: AsyncConnection, wanted: Filter, limit: int, before: HistoryKey | None = None
) -> Rows:
    """Rows, newest first: where each stands, and as JSON `item` with the fields of `FIELDS`.

    PostgreSQL writes it: a page of 1,000 would stop the event loop for 30 ms.
    """
    query = _matching(select(*_PLACE, _item()), wanted)
    query = query.order_by(*(column.desc() for column in _PLACE)).limit(limit)
    if before is not None:
        query = query.where(tuple_(*_PLACE) < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def history_head(connection: AsyncConnection, fund_id: str) -> Row | None:
    """Sequence, hash and time of a fund's last row; None when there is no such fund."""
    last = (_c.fund_id == funds.c.fund_id) & (_c.sequence == funds.c.sequence)
    query = (
        select(funds.c.sequence, funds.c.last_hash.label("hash"), _c.time)
        .select_from(funds.outerjoin(history, last))
        .where(funds.c.fund_id == fund_id)
    )
    return (await connection.execute(query)).mappings().one_or_none()


def _item() -> ColumnElement[str]:
    parts: list[Any] = []
    for name, column in FIELDS.items():
        is_text = isinstance(column.type, Numeric | DateTime) or name == "liquidation_id"
        parts += [literal(name, Text), _text(column) if is_text else column]
    return func.json_build_object(*parts).cast(Text).label("item")


def _text(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column in the very words that were hashed (HIS-4): none of them needs quoting in CSV."""
    if isinstance(column.type, Numeric):
        return func.trim_scale(column).cast(Text)
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    return column.cast(Text)


async def export_history(connect: Connect, wanted: Filter) -> AsyncIterator[str]:
    """All rows as lines of CSV (`FIELDS`), oldest first, in chunks; PostgreSQL writes them.

    A chunk is what is wanted of the next `EXPORT_ROWS` of one index: its work is bounded, however
    few that are. No connection is held between chunks: a slow reader holds up nobody.
    """
    line = func.concat_ws(",", *(func.coalesce(_text(one), "") for one in FIELDS.values())).concat(
        "\n"
    )
    in_order = aggregate_order_by(literal(""), *_PLACE)
    lines = select(func.coalesce(func.string_agg(line, in_order), ""))
    after: HistoryKey | None = None
    while True:
        ends = _matching(select(*_PLACE), wanted.walked(), after)
        ends = ends.order_by(*_PLACE).offset(EXPORT_ROWS - 1).limit(1)
        async with connect() as connection:
            await connection.execute(WALK_INDEX)
            row = (await connection.execute(ends)).one_or_none()
            end = None if row is None else (row.time, row.fund_id, row.sequence)
            query = _matching(lines, wanted, after, end)
            chunk: str = (await connection.execute(query)).scalar_one()
        yield chunk
        if end is None:
            return
        after = end


_INTERVALS = text("""
WITH RECURSIVE
-- One index probe per interval that has rows, newest first.
starts (start) AS (
  (SELECT date_bin(:width, time, :origin) FROM fund_history
   WHERE fund_id = :fund AND asset = :asset AND time >= :from AND time < :to
   ORDER BY time DESC LIMIT 1)
  UNION ALL
  SELECT (SELECT date_bin(:width, time, :origin) FROM fund_history
          WHERE fund_id = :fund AND asset = :asset AND time >= :from AND time < starts.start
          ORDER BY time DESC LIMIT 1)
  FROM starts WHERE starts.start IS NOT NULL
),
page AS (SELECT start FROM starts WHERE start IS NOT NULL LIMIT :limit),
bounds AS (SELECT min(start) AS first, max(start) + :width AS last FROM page),
-- What the fund had before the page: the last balance of each of its wallets.
opening AS (
  SELECT COALESCE(sum((
    SELECT balance_after FROM fund_history
    WHERE fund_id = :fund AND asset = :asset AND wallet = wallets.name
      AND time < (SELECT first FROM bounds)
    ORDER BY time DESC, sequence DESC LIMIT 1
  )), 0) AS total
  FROM wallets WHERE kind = 'fund' AND owner = :fund AND asset = :asset
),
changes AS (
  SELECT date_bin(:width, time, :origin) AS start, kind, amount,
         (SELECT total FROM opening) + sum(amount) OVER (ORDER BY time, sequence) AS total
  FROM fund_history
  WHERE fund_id = :fund AND asset = :asset
    AND time >= (SELECT first FROM bounds) AND time < (SELECT last FROM bounds)
),
kinds AS (
  SELECT start, kind, sum(amount) AS net, max(total) AS high, min(total) AS low,
         COALESCE(sum(amount) FILTER (WHERE amount > 0), 0) AS inflow
  FROM changes GROUP BY start, kind
),
intervals AS (
  SELECT start, sum(net) AS net, max(high) AS high, min(low) AS low, sum(inflow) AS inflow,
         json_object_agg(kind, trim_scale(net)::text) AS by_kind
  FROM kinds GROUP BY start
),
closed AS (
  SELECT *, (SELECT total FROM opening) + sum(net) OVER (ORDER BY start) AS close FROM intervals
)
SELECT start AS time, json_build_object(
  'time', to_char(start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
  'open', trim_scale(close - net)::text, 'high', trim_scale(GREATEST(high, close - net))::text,
  'low', trim_scale(LEAST(low, close - net))::text, 'close', trim_scale(close)::text,
  'inflow', trim_scale(inflow)::text, 'outflow', trim_scale(inflow - net)::text,
  'by_kind', by_kind
)::text AS item
FROM closed ORDER BY start DESC
""")


async def list_intervals(
    connection: AsyncConnection,
    fund: str,
    asset: str,
    width: timedelta,
    limit: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Rows:
    """A fund's total in an asset by interval, newest first; those without rows are left out.

    `start` and `end` must be multiples of `width` since midnight UTC. A row is the interval's
    `time` and its JSON `item`, in which `by_kind` is the net amount.
    """
    await connection.execute(WALK_INDEX)
    result = await connection.execute(
        _INTERVALS,
        {
            "width": width,
            "origin": BEFORE_ALL,
            "fund": fund,
            "asset": asset,
            "from": start or BEFORE_ALL,
            "to": end or AFTER_ALL,
            "limit": limit,
        },
    )
    return result.mappings().all()

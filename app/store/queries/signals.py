"""What each hour did to a fund in an asset, of which signals are made (SIG-1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Subquery, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.figures.signal import HOUR, Hour
from app.engine.memory import RESULTS
from app.engine.numbers import ZERO
from app.store.tables import fund_flows, fund_intervals, fund_volumes


class PastBalance(NamedTuple):
    """When the hour began in which a fund first had money in an asset, and its balance then."""

    first_hour: datetime | None
    balance: Decimal


async def opening(
    connection: AsyncConnection, fund_id: str, asset: str, start: datetime
) -> PastBalance:
    """What there is of it, and the balance at `start`."""
    balances = fund_intervals.c
    ours = _hourly(fund_intervals, fund_id, asset)
    first = select(func.min(balances.time)).where(*ours).scalar_subquery()
    newest = select(balances.close).where(*ours, balances.time < start)
    newest = newest.order_by(balances.time.desc()).limit(1)
    query = select(first, func.coalesce(newest.scalar_subquery(), ZERO))
    return PastBalance(*(await connection.execute(query)).one())


async def hours(
    connection: AsyncConnection,
    fund_id: str,
    asset: str,
    start: datetime,
    end: datetime,
    *,
    balance: Decimal,
) -> list[Hour]:
    """Every hour from `start`, where the balance was that, to before `end`; quiet ones are told
    too. Both are whole hours."""
    highs, results, sides = (
        part(fund_id, asset, start, end) for part in (_highs, _results, _sides)
    )
    time = func.coalesce(highs.c.time, results.c.time, sides.c.time)
    query = select(
        time.label("time"),
        highs.c.high,
        highs.c.close,
        func.coalesce(results.c.net, ZERO).label("net"),
        func.coalesce(sides.c.longs, ZERO).label("longs"),
        func.coalesce(sides.c.shorts, ZERO).label("shorts"),
    ).select_from(
        highs.join(results, results.c.time == highs.c.time, full=True).join(
            sides, sides.c.time == func.coalesce(highs.c.time, results.c.time), full=True
        )
    )
    found = {row["time"]: row for row in (await connection.execute(query)).mappings()}
    return list(_each(start, end, balance, found))


def _highs(fund_id: str, asset: str, start: datetime, end: datetime) -> Subquery:
    rows = fund_intervals.c
    query = select(rows.time, rows.high, rows.close)
    return query.where(*_within(fund_intervals, fund_id, asset, start, end)).subquery()


def _results(fund_id: str, asset: str, start: datetime, end: datetime) -> Subquery:
    rows = fund_flows.c
    query = select(rows.time, func.sum(rows.inflow - rows.outflow).label("net"))
    ours = _within(fund_flows, fund_id, asset, start, end)
    return query.where(*ours, rows.kind.in_(RESULTS)).group_by(rows.time).subquery()


def _sides(fund_id: str, asset: str, start: datetime, end: datetime) -> Subquery:
    rows = fund_volumes.c
    longs, shorts = (func.sum(rows.value).filter(rows.side == side) for side in ("long", "short"))
    query = select(rows.time, longs.label("longs"), shorts.label("shorts"))
    ours = _within(fund_volumes, fund_id, asset, start, end)
    return query.where(*ours, rows.kind == "liquidation").group_by(rows.time).subquery()


def _hourly(table: Table, fund_id: str, asset: str) -> list[ColumnElement[bool]]:
    rows = table.c
    return [rows.fund_id == fund_id, rows.asset == asset, rows.interval == "1h"]


def _within(
    table: Table, fund_id: str, asset: str, start: datetime, end: datetime
) -> list[ColumnElement[bool]]:
    time = table.c.time
    return [*_hourly(table, fund_id, asset), time >= start, time < end]


def _each(
    time: datetime, end: datetime, balance: Decimal, found: Mapping[datetime, Mapping[Any, Any]]
) -> Iterator[Hour]:
    """An hour without a change has the balance of the one before."""
    while time < end:
        row = found.get(time)
        if row is None:
            yield Hour(time, balance, ZERO, ZERO, ZERO)
        else:
            high = balance if row["high"] is None else row["high"]
            balance = balance if row["close"] is None else row["close"]
            yield Hour(time, high, row["net"], row["longs"], row["shorts"])
        time += HOUR

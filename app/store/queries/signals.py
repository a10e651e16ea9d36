"""What each hour did to a fund in an asset, of which signals are made (SIG-1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.figures.signal import HOUR, Hour
from app.engine.memory import RESULTS
from app.engine.numbers import ZERO
from app.store.tables import fund_flows, fund_intervals, fund_volumes


async def first_hour(connection: AsyncConnection, fund_id: str, asset: str) -> datetime | None:
    """When the hour began in which the fund first had money in the asset."""
    balances = fund_intervals.c
    query = select(func.min(balances.time)).where(*_hourly(fund_intervals, fund_id, asset))
    found: datetime | None = await connection.scalar(query)
    return found


async def hours(
    connection: AsyncConnection, fund_id: str, asset: str, start: datetime, end: datetime
) -> list[Hour]:
    """Every hour from `start` to before `end`, which are whole ones; quiet ones are told too."""

    def within(table: Table) -> list[ColumnElement[bool]]:
        time = table.c.time
        return [*_hourly(table, fund_id, asset), time >= start, time < end]

    balances, flows, volumes = fund_intervals.c, fund_flows.c, fund_volumes.c
    earlier = select(balances.close).where(
        *_hourly(fund_intervals, fund_id, asset), balances.time < start
    )
    earlier = earlier.order_by(balances.time.desc()).limit(1)
    kept = select(balances.time, balances.high, balances.close).where(*within(fund_intervals))
    came = select(flows.time, func.sum(flows.inflow - flows.outflow).label("net")).group_by(
        flows.time
    )
    came = came.where(*within(fund_flows), flows.kind.in_(RESULTS))
    liquidated = select(volumes.time, volumes.side, volumes.value).where(
        *within(fund_volumes), volumes.kind == "liquidation"
    )
    before = await connection.scalar(earlier) or ZERO
    highs = {row.time: (row.high, row.close) for row in await connection.execute(kept)}
    results = {row.time: row.net for row in await connection.execute(came)}
    sides = {(time, side): value for time, side, value in await connection.execute(liquidated)}
    return list(_each(start, end, before, highs, results, sides))


def _hourly(table: Table, fund_id: str, asset: str) -> list[ColumnElement[bool]]:
    rows = table.c
    return [rows.fund_id == fund_id, rows.asset == asset, rows.interval == "1h"]


def _each(
    time: datetime,
    end: datetime,
    balance: Decimal,
    highs: dict[datetime, tuple[Decimal, Decimal]],
    results: dict[datetime, Decimal],
    sides: dict[tuple[Any, Any], Decimal],
) -> Iterator[Hour]:
    """An hour without a change has the balance of the one before."""
    while time < end:
        high, balance = highs.get(time, (balance, balance))
        longs, shorts = (sides.get((time, side), ZERO) for side in ("long", "short"))
        yield Hour(time, high, results.get(time, ZERO), longs, shorts)
        time += HOUR

"""How calibrations' methods would have done before, and what is required of funds now (CAL-14)."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import BEFORE_ALL, Row, Rows
from app.store.tables import (
    adl_events,
    backtests,
    calibration_verdicts,
    calibrations,
    contracts,
    fund_flows,
    funds,
)

COSTS = ("bankruptcy_loss", "deficit_cover")
"""Kinds of a fund's history by which it paid for bankrupt positions."""
HOLDING = ("offload_pnl", "inventory_settlement", "inventory_funding")
"""Those by which what it took over has gained or lost."""
GAINS = ("takeover_gain",)
KINDS = (*COSTS, *HOLDING, *GAINS)


async def get_backtest(connection: AsyncConnection, calibration_id: int) -> Row | None:
    """A calibration's `result`, the `body` of its backtest (None: it was made without one), and
    what is required of its fund now, as text (None: nothing)."""
    kept, tested, fund = calibrations.c, backtests.c, funds.c
    query = (
        select(
            kept.result,
            kept.required_minimum,
            tested.body,
            fund.required_minimum[kept.asset].astext.label("in_force"),
        )
        .join_from(calibrations, funds, fund.fund_id == kept.fund_id)
        .outerjoin(backtests, tested.calibration_id == kept.calibration_id)
        .where(kept.calibration_id == calibration_id)
    )
    row: Row | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def accepted_quantiles(connection: AsyncConnection, fund_id: str, asset: str) -> Rows:
    """What a fund's accepted calibrations say, in the order in which they were accepted."""
    given, kept = calibration_verdicts.c, calibrations.c
    query = (
        select(
            given.calibration_id,
            given.time.label("accepted_at"),
            kept.result["simulated"]["quantile"].as_string().label("quantile"),
            kept.result["parameters"]["confidence"].as_string().label("confidence"),
            kept.result["parameters"]["horizon_hours"].as_string().label("horizon_hours"),
        )
        .join(calibrations, kept.calibration_id == given.calibration_id)
        .where(given.fund_id == fund_id, given.asset == asset, given.accepted)
        .order_by(given.time)
    )
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def not_red(connection: AsyncConnection) -> list[tuple[str, str]]:
    """The funds and assets whose calibration accepted last was not told of as red."""
    given = calibration_verdicts.c
    last = (
        select(given.fund_id, given.asset, given.red_at)
        .ext(distinct_on(given.fund_id, given.asset))
        .where(given.accepted)
        .order_by(given.fund_id, given.asset, given.calibration_id.desc())
        .subquery()
    )
    query = select(last.c.fund_id, last.c.asset).where(last.c.red_at.is_(None))
    return [(row.fund_id, row.asset) for row in await connection.execute(query)]


async def daily_flows(
    connection: AsyncConnection, fund_id: str, asset: str, start: datetime
) -> dict[datetime, dict[str, Decimal]]:
    """By day from `start` on, what a fund's history has of each kind of loss, net."""
    flow = fund_flows.c
    query = select(flow.time, flow.kind, flow.inflow - flow.outflow).where(
        flow.fund_id == fund_id,
        flow.asset == asset,
        flow.interval == "1d",
        flow.time >= start,
        flow.kind.in_(KINDS),
    )
    found: defaultdict[datetime, dict[str, Decimal]] = defaultdict(dict)
    for time, kind, net in await connection.execute(query):
        found[time][kind] = net
    return found


async def daily_deficits(
    connection: AsyncConnection, fund_id: str, asset: str, start: datetime
) -> dict[datetime, Decimal]:
    """By day from `start` on, what ADL covered of a fund's bankrupt positions (ADL-4).

    Read off an index that has nothing else.
    """
    event = adl_events.c
    day = func.date_bin(text("'1 day'"), event.time, BEFORE_ALL).label("day")
    settled = select(contracts.c.symbol).where(contracts.c.settlement_asset == asset)
    query = (
        select(day, func.sum(event.deficit).label("covered"))
        .where(event.fund_id == fund_id, event.time >= start, event.symbol.in_(settled))
        .group_by(day)
    )
    return {row.day: row.covered for row in await connection.execute(query)}

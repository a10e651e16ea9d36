"""Self-dealing: for whom funds paid, and what they won there (FND-12)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows
from app.store.tables import contracts, owner_results


async def list_self_dealing(
    connection: AsyncConnection,
    limit: int,
    *,
    start: datetime,
    end: datetime,
    owner_id: str | None = None,
    after: tuple[str, str] | None = None,
) -> Rows:
    """By owner and contract, where a fund or the treasury paid for the owner in these hours: the
    sums of that, and of what the owner's accounts won and lost there in the same hours."""
    hour = owner_results.c
    within = hour.time >= start, hour.time < end
    paid = (
        select(hour.owner_id, hour.symbol)
        .where(*within, or_(hour.fund_paid > 0, hour.treasury_paid > 0))
        .group_by(hour.owner_id, hour.symbol)
        .order_by(hour.owner_id, hour.symbol)
        .limit(limit)
    )
    if owner_id is not None:
        paid = paid.where(hour.owner_id == owner_id)
    if after is not None:
        paid = paid.where(tuple_(hour.owner_id, hour.symbol) > after)
    chosen = paid.cte("paid")
    sums = [
        func.sum(column).label(column.name)
        for column in (hour.won, hour.lost, hour.fund_paid, hour.treasury_paid)
    ]
    query = (
        select(
            hour.owner_id,
            hour.symbol,
            contracts.c.insurance_fund.label("fund"),
            contracts.c.settlement_asset.label("asset"),
            *sums,
        )
        .select_from(chosen)
        .join(
            owner_results,
            (hour.owner_id == chosen.c.owner_id) & (hour.symbol == chosen.c.symbol),
        )
        .join(contracts, contracts.c.symbol == hour.symbol)
        .where(*within)
        .group_by(
            hour.owner_id, hour.symbol, contracts.c.insurance_fund, contracts.c.settlement_asset
        )
        .order_by(hour.owner_id, hour.symbol)
    )
    return (await connection.execute(query)).mappings().all()

"""Liquidations with their steps, clearance fees."""

from __future__ import annotations

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows
from app.store.tables import clearance_fees, liquidations


async def list_liquidations(
    connection: AsyncConnection,
    limit: int,
    *,
    symbol: str | None = None,
    fund: str | None = None,
    outcome: str | None = None,
    account_id: str | None = None,
    before: int | None = None,
) -> Rows:
    """Liquidations, newest first, without their steps."""
    columns = [column for column in liquidations.c if column.name != "steps"]
    query = select(*columns).order_by(liquidations.c.liquidation_id.desc()).limit(limit)
    filters = {"symbol": symbol, "fund_id": fund, "outcome": outcome, "account_id": account_id}
    for name, value in filters.items():
        if value is not None:
            query = query.where(liquidations.c[name] == value)
    if before is not None:
        query = query.where(liquidations.c.liquidation_id < before)
    return (await connection.execute(query)).mappings().all()


async def get_liquidation(connection: AsyncConnection, liquidation_id: int) -> RowMapping | None:
    """One liquidation, its steps included."""
    query = select(liquidations).where(liquidations.c.liquidation_id == liquidation_id)
    return (await connection.execute(query)).mappings().one_or_none()


async def list_clearance_fees(
    connection: AsyncConnection,
    limit: int,
    *,
    symbol: str | None = None,
    fund: str | None = None,
    before: int | None = None,
) -> Rows:
    """Clearance fees, newest first."""
    query = select(clearance_fees).order_by(clearance_fees.c.liquidation_id.desc()).limit(limit)
    if symbol is not None:
        query = query.where(clearance_fees.c.symbol == symbol)
    if fund is not None:
        query = query.where(clearance_fees.c.fund_id == fund)
    if before is not None:
        query = query.where(clearance_fees.c.liquidation_id < before)
    return (await connection.execute(query)).mappings().all()

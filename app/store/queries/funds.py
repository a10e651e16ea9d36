"""Insurance funds, the treasury, alerts."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import alerts, contracts, funds, inventory, marks, wallets

Rows = Sequence[RowMapping]


async def list_funds(
    connection: AsyncConnection,
    limit: int,
    *,
    fund_id: str | None = None,
    symbol: str | None = None,
    after: str | None = None,
) -> Rows:
    """Funds by identifier: all, one, or the one behind a contract."""
    query = select(funds).order_by(funds.c.fund_id).limit(limit)
    if fund_id is not None:
        query = query.where(funds.c.fund_id == fund_id)
    if symbol is not None:
        behind = select(contracts.c.insurance_fund).where(contracts.c.symbol == symbol)
        query = query.where(funds.c.fund_id.in_(behind))
    if after is not None:
        query = query.where(funds.c.fund_id > after)
    return (await connection.execute(query)).mappings().all()


async def wallets_of_funds(connection: AsyncConnection, fund_ids: Collection[str]) -> Rows:
    """Their wallets; the order of creation (FND-6) is in the fund's row."""
    query = select(wallets).where(wallets.c.owner.in_(fund_ids), wallets.c.kind == "fund")
    return (await connection.execute(query)).mappings().all()


async def contracts_of_funds(connection: AsyncConnection, fund_ids: Collection[str]) -> Rows:
    """Symbol, fund and settlement asset of the contracts they stand behind."""
    query = (
        select(contracts.c.symbol, contracts.c.insurance_fund, contracts.c.settlement_asset)
        .where(contracts.c.insurance_fund.in_(fund_ids))
        .order_by(contracts.c.symbol)
    )
    return (await connection.execute(query)).mappings().all()


async def inventory_of_funds(connection: AsyncConnection, fund_ids: Collection[str]) -> Rows:
    """What they took over, with the contract's settlement asset, size and mark price."""
    query = (
        select(
            inventory,
            contracts.c.settlement_asset,
            contracts.c.contract_size,
            marks.c.price.label("mark_price"),
        )
        .join(contracts, contracts.c.symbol == inventory.c.symbol)
        .join(marks, marks.c.symbol == inventory.c.symbol)
        .where(inventory.c.fund_id.in_(fund_ids))
        .order_by(inventory.c.fund_id, inventory.c.symbol)
    )
    return (await connection.execute(query)).mappings().all()


async def house_wallets(connection: AsyncConnection) -> Rows:
    """The exchange's own wallets: treasury and revenue of every asset."""
    query = (
        select(wallets)
        .where(wallets.c.kind.in_(("treasury", "revenue")))
        .order_by(wallets.c.asset, wallets.c.kind)
    )
    return (await connection.execute(query)).mappings().all()


async def list_alerts(
    connection: AsyncConnection,
    limit: int,
    *,
    kind: str | None = None,
    fund: str | None = None,
    before: int | None = None,
) -> Rows:
    """Alerts, newest first."""
    query = select(alerts).order_by(alerts.c.alert_id.desc()).limit(limit)
    if kind is not None:
        query = query.where(alerts.c.kind == kind)
    if fund is not None:
        query = query.where(alerts.c.fund_id == fund)
    if before is not None:
        query = query.where(alerts.c.alert_id < before)
    return (await connection.execute(query)).mappings().all()

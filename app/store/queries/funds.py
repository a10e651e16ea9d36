"""Insurance funds, the treasury, alerts."""

from __future__ import annotations

from collections.abc import Collection
from typing import get_args

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.events import AlertKind
from app.store.queries import Rows
from app.store.queries.items import Names, item
from app.store.queries.merging import Walk, Words, page_of
from app.store.tables import alerts, contracts, funds, wallets

ALERT_KINDS = get_args(AlertKind)


async def list_funds(
    connection: AsyncConnection,
    limit: int,
    *,
    symbol: str | None = None,
    after: str | None = None,
) -> Rows:
    """Identifiers of funds, in order: all, or the one behind a contract."""
    query = select(funds.c.fund_id).order_by(funds.c.fund_id).limit(limit)
    if symbol is not None:
        behind = select(contracts.c.insurance_fund).where(contracts.c.symbol == symbol)
        query = query.where(funds.c.fund_id.in_(behind))
    if after is not None:
        query = query.where(funds.c.fund_id > after)
    return (await connection.execute(query)).mappings().all()


async def fund_exists(connection: AsyncConnection, fund_id: str) -> bool:
    """Whether there is such a fund."""
    query = select(funds.c.fund_id).where(funds.c.fund_id == fund_id)
    return (await connection.execute(query)).first() is not None


async def settlement_assets(connection: AsyncConnection, fund_id: str) -> set[str] | None:
    """What the contracts settle in that a fund stands behind; None for an unknown fund."""
    behind = select(contracts.c.settlement_asset).where(contracts.c.insurance_fund == fund_id)
    assets = func.array(behind.distinct().scalar_subquery())
    found = (await connection.execute(select(assets).where(funds.c.fund_id == fund_id))).first()
    return None if found is None else set(found[0])


async def contracts_of_funds(connection: AsyncConnection, fund_ids: Collection[str]) -> Rows:
    """Symbol, fund and settlement asset of the contracts they stand behind."""
    query = (
        select(contracts.c.symbol, contracts.c.insurance_fund, contracts.c.settlement_asset)
        .where(contracts.c.insurance_fund.in_(fund_ids))
        .order_by(contracts.c.symbol)
    )
    return (await connection.execute(query)).mappings().all()


async def funds_with_minimum(connection: AsyncConnection, asset: str) -> list[str]:
    """Identifiers of the funds that have a required minimum in an asset."""
    query = select(funds.c.fund_id).where(funds.c.required_minimum.has_key(asset))
    return list(await connection.scalars(query))


async def is_settled_in(connection: AsyncConnection, asset: str) -> bool:
    """Whether some contract settles in an asset."""
    query = select(contracts.c.symbol).where(contracts.c.settlement_asset == asset).limit(1)
    return await connection.scalar(query) is not None


async def fund_wallets(connection: AsyncConnection, fund_id: str) -> Rows:
    """Wallet, asset and balance of a fund's wallets."""
    query = (
        select(wallets.c.name.label("wallet"), wallets.c.asset, wallets.c.balance)
        .where(wallets.c.owner == fund_id, wallets.c.kind == "fund")
        .order_by(wallets.c.name, wallets.c.asset)
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
    names: Names,
    *,
    kind: str | None = None,
    fund: str | None = None,
    before: int | None = None,
) -> Rows:
    """Alerts, newest first: `alert_id`, and as JSON `item`."""
    walk = Walk((alerts.c.alert_id,), limit, None if before is None else (before,))
    words: dict[str, Words] = {"kind": kind} if kind else {}
    if fund is not None:
        words = {"fund_id": fund, "kind": kind or ALERT_KINDS}
    made = [*walk.place, item(names, alerts.c)]
    query = page_of(alerts, walk, words, made)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows

"""Orders and trades."""

from __future__ import annotations

from operator import itemgetter
from typing import get_args

from sqlalchemy import RowMapping, Table, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.commands import OrderStatus, TriggeredStatus
from app.store.queries import Rows
from app.store.tables import OPEN, UNTRIGGERED, orders, trades, triggered_orders

OPEN_STATUSES = ("new", "partially_filled")
STATUSES: dict[Table, tuple[str, ...]] = {
    orders: ("open", *get_args(OrderStatus)),
    triggered_orders: get_args(TriggeredStatus),
}
"""The tables that number orders, with what their statuses can be."""
MATCH_LIMIT = 1000
"""How many resting orders one order meets at most (ORD-10)."""


async def list_orders(
    connection: AsyncConnection,
    limit: int,
    *,
    account_id: str | None = None,
    symbol: str | None = None,
    status: str | None = None,
    before: int | None = None,
) -> Rows:
    """Orders of both tables, newest first; `status` is one of an order's, or `open`."""
    found: list[RowMapping] = []
    for table, statuses in STATUSES.items():
        if status is not None and status not in statuses:
            continue
        query = select(table).order_by(table.c.order_id.desc()).limit(limit)
        if account_id is not None:
            query = query.where(table.c.account_id == account_id)
        if symbol is not None:
            query = query.where(table.c.symbol == symbol)
        # In the words of the partial indexes, which PostgreSQL cannot match to a parameter.
        if status == "open" or status in OPEN_STATUSES:
            query = query.where(text(OPEN))
        if status == "untriggered":
            query = query.where(text(UNTRIGGERED))
        elif status is not None and status != "open":
            query = query.where(table.c.status == status)
        if before is not None:
            query = query.where(table.c.order_id < before)
        found += (await connection.execute(query)).mappings()
    return sorted(found, key=itemgetter("order_id"), reverse=True)[:limit]


async def get_order(connection: AsyncConnection, order_id: int) -> RowMapping | None:
    """One order, open or not; or one that waits for a price, or did."""
    for table in STATUSES:
        query = select(table).where(table.c.order_id == order_id)
        if row := (await connection.execute(query)).mappings().one_or_none():
            return row
    return None


async def list_trades(
    connection: AsyncConnection,
    limit: int,
    *,
    account_id: str | None = None,
    symbol: str | None = None,
    before: int | None = None,
) -> Rows:
    """Trades, newest first: of a contract, of an account (as taker or maker), or both."""
    query = select(trades).order_by(trades.c.trade_id.desc()).limit(limit)
    if symbol is not None:
        query = query.where(trades.c.symbol == symbol)
    if before is not None:
        query = query.where(trades.c.trade_id < before)
    if account_id is not None:
        # One index each; nobody trades with himself, so no trade comes twice.
        taken = query.where(trades.c.taker_account_id == account_id).subquery()
        made = query.where(trades.c.maker_account_id == account_id).subquery()
        both = union_all(select(taken), select(made)).subquery()
        query = select(both).order_by(both.c.trade_id.desc()).limit(limit)
    return (await connection.execute(query)).mappings().all()

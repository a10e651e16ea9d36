"""Orders and trades."""

from __future__ import annotations

from sqlalchemy import RowMapping, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows
from app.store.tables import OPEN, orders, trades

OPEN_STATUSES = ("new", "partially_filled")
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
    """Orders, newest first; `status` is one of an order's, or `open`."""
    query = select(orders).order_by(orders.c.order_id.desc()).limit(limit)
    if account_id is not None:
        query = query.where(orders.c.account_id == account_id)
    if symbol is not None:
        query = query.where(orders.c.symbol == symbol)
    if status == "open" or status in OPEN_STATUSES:
        # In the words of the partial indexes, which PostgreSQL cannot match to a parameter.
        query = query.where(text(OPEN))
    if status is not None and status != "open":
        query = query.where(orders.c.status == status)
    if before is not None:
        query = query.where(orders.c.order_id < before)
    return (await connection.execute(query)).mappings().all()


async def get_order(connection: AsyncConnection, order_id: int) -> RowMapping | None:
    """One order, open or not."""
    query = select(orders).where(orders.c.order_id == order_id)
    return (await connection.execute(query)).mappings().one_or_none()


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

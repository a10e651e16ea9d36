"""What delivery contracts settled at, whose positions, and the samples (DLV-1)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows, newest
from app.store.tables import index_samples, position_settlements, settlements


async def list_settlements(
    connection: AsyncConnection,
    limit: int,
    *,
    symbol: str | None = None,
    before: tuple[int, str] | None = None,
) -> Rows:
    """Contracts that were settled, newest first; `before` is the (sequence, symbol) of the last."""
    place = (settlements.c.sequence, settlements.c.symbol)
    query = select(settlements)
    if symbol is not None:
        query = query.where(settlements.c.symbol == symbol)
    return await newest(connection, query, place, limit, before)


async def list_positions(
    connection: AsyncConnection,
    account_id: str,
    limit: int,
    *,
    symbol: str | None = None,
    before: tuple[int, str, str] | None = None,
) -> Rows:
    """An account's positions that were closed at a delivery, newest first."""
    closed = position_settlements.c
    place = (closed.sequence, closed.symbol, closed.position_side)
    query = select(position_settlements).where(closed.account_id == account_id)
    if symbol is not None:
        query = query.where(closed.symbol == symbol)
    return await newest(connection, query, place, limit, before)


async def list_samples(
    connection: AsyncConnection, symbol: str, limit: int, before: int | None
) -> Rows:
    """A contract's index samples, newest first; `before` is the sequence of the last."""
    samples = index_samples.c
    query = select(index_samples).where(samples.symbol == symbol)
    query = query.order_by(samples.sequence.desc()).limit(limit)
    if before is not None:
        query = query.where(samples.sequence < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows

"""The steps in which funds offload (FND-5)."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows
from app.store.tables import offload_steps


async def list_steps(
    connection: AsyncConnection,
    fund_id: str,
    limit: int,
    *,
    symbol: str | None = None,
    before: int | None = None,
) -> Rows:
    """A fund's steps, newest first: all, or those in a contract."""
    steps = offload_steps.c
    query = select(offload_steps).where(steps.fund_id == fund_id)
    if symbol is not None:
        query = query.where(steps.symbol == symbol)
    if before is not None:
        query = query.where(steps.sequence < before)
    query = query.order_by(steps.sequence.desc()).limit(limit)
    return (await connection.execute(query)).mappings().all()

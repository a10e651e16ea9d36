"""Fundings: what was settled, and who paid (FPY-1)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows, newest
from app.store.tables import funding_payments, funding_rates


async def list_fundings(
    connection: AsyncConnection,
    limit: int,
    *,
    symbol: str | None = None,
    before: tuple[int, str] | None = None,
) -> Rows:
    """Fundings that were settled, newest first; `before` is the (sequence, symbol) of the last."""
    rates = funding_rates.c
    query = select(funding_rates)
    if symbol is not None:
        query = query.where(rates.symbol == symbol)
    return await newest(connection, query, (rates.sequence, rates.symbol), limit, before)


async def funding_exists(connection: AsyncConnection, symbol: str, time: datetime) -> bool:
    """Whether the contract had a funding at that time."""
    rates = funding_rates.c
    query = select(rates.sequence).where(rates.symbol == symbol, rates.time == time).limit(1)
    return await connection.scalar(query) is not None


async def list_payments(
    connection: AsyncConnection,
    account_id: str,
    limit: int,
    *,
    symbol: str | None = None,
    before: tuple[int, str, str] | None = None,
) -> Rows:
    """What an account's positions paid and received, newest first."""
    paid = funding_payments.c
    place = (paid.sequence, paid.symbol, paid.position_side)
    query = select(funding_payments).where(paid.account_id == account_id)
    if symbol is not None:
        query = query.where(paid.symbol == symbol)
    return await newest(connection, query, place, limit, before)

"""Contracts, their marks and their books."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.valuation import Terms
from app.store.queries import Rows
from app.store.tables import contracts, marks


async def list_contracts(connection: AsyncConnection, limit: int, after: str | None = None) -> Rows:
    """Contracts by symbol."""
    query = select(contracts).order_by(contracts.c.symbol).limit(limit)
    if after is not None:
        query = query.where(contracts.c.symbol > after)
    return (await connection.execute(query)).mappings().all()


async def get_contract(connection: AsyncConnection, symbol: str) -> RowMapping | None:
    """One contract."""
    query = select(contracts).where(contracts.c.symbol == symbol)
    return (await connection.execute(query)).mappings().one_or_none()


async def contract_exists(connection: AsyncConnection, symbol: str) -> bool:
    """Whether there is such a contract."""
    query = select(contracts.c.symbol).where(contracts.c.symbol == symbol)
    return await connection.scalar(query) is not None


async def list_marks(connection: AsyncConnection, limit: int, after: str | None = None) -> Rows:
    """Newest marks by symbol; a contract without one is left out."""
    query = select(marks).order_by(marks.c.symbol).limit(limit)
    if after is not None:
        query = query.where(marks.c.symbol > after)
    return (await connection.execute(query)).mappings().all()


async def get_mark(connection: AsyncConnection, symbol: str) -> RowMapping | None:
    """The newest mark of a contract."""
    query = select(marks).where(marks.c.symbol == symbol)
    return (await connection.execute(query)).mappings().one_or_none()


async def price_terms(connection: AsyncConnection, symbols: Collection[str]) -> dict[str, Terms]:
    """What some contracts' prices are derived with."""
    names = [field.name for field in fields(Terms)]
    columns = [contracts.c[name] for name in names]
    query = select(contracts.c.symbol, *columns).where(contracts.c.symbol.in_(symbols))
    return {symbol: Terms(*terms) for symbol, *terms in await connection.execute(query)}

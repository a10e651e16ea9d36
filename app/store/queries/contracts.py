"""Contracts, their marks and their books."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.contracts import FundingTerms
from app.engine.valuation import Terms
from app.store.queries import Rows
from app.store.tables import contracts, funding, marks, trades


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


FUNDING = ("next_at", "rate", "premium", "premium_total", "premium_seconds")
FUNDING_TERMS = tuple(field.name for field in fields(FundingTerms))
_LAST_PRICE = (
    select(trades.c.price)
    .where(trades.c.symbol == marks.c.symbol)
    .order_by(trades.c.trade_id.desc())
    .limit(1)
    .scalar_subquery()
)
_MARKS = (
    select(
        marks,
        *(funding.c[name] for name in FUNDING),
        *(contracts.c[name] for name in FUNDING_TERMS),
        contracts.c.mark_mode.label("mode"),
        _LAST_PRICE.label("last_price"),
    )
    .join(contracts, contracts.c.symbol == marks.c.symbol)
    .outerjoin(funding, funding.c.symbol == marks.c.symbol)
)


async def list_marks(connection: AsyncConnection, limit: int, after: str | None = None) -> Rows:
    """Newest marks by symbol, with the last trade's price and what funding rates follow from
    (`FUNDING`, `FUNDING_TERMS`); a contract without one is left out."""
    query = _MARKS.order_by(marks.c.symbol).limit(limit)
    if after is not None:
        query = query.where(marks.c.symbol > after)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def get_mark(connection: AsyncConnection, symbol: str) -> RowMapping | None:
    """The newest mark of a contract, as in `list_marks`."""
    query = _MARKS.where(marks.c.symbol == symbol)
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def price_terms(connection: AsyncConnection, symbols: Collection[str]) -> dict[str, Terms]:
    """What some contracts' prices are derived with."""
    names = [field.name for field in fields(Terms)]
    columns = [contracts.c[name] for name in names]
    query = select(contracts.c.symbol, *columns).where(contracts.c.symbol.in_(symbols))
    return {symbol: Terms(*terms) for symbol, *terms in await connection.execute(query)}

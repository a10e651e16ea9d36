"""Liquidations with their steps, clearance fees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from sqlalchemy import ColumnElement, RowMapping, Table, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.events import LiquidationOutcome
from app.store.queries import Rows
from app.store.queries.items import Names, item
from app.store.queries.merging import Walk, Words, occurring, page_of
from app.store.tables import clearance_fees, liquidations

OUTCOMES = get_args(LiquidationOutcome)


async def list_liquidations(
    connection: AsyncConnection,
    limit: int,
    names: Names,
    *,
    told: bool | str = False,
    symbol: str | None = None,
    fund: str | None = None,
    outcome: str | None = None,
    account_id: str | None = None,
    past: int | None = None,
    oldest_first: bool = False,
) -> Rows:
    """Liquidations, newest first or oldest first, behind `past`: `liquidation_id`, and `item`.

    `told`: whether of each its account is; or of which account's alone.
    """
    number = liquidations.c.liquidation_id
    others = {"symbol": symbol, "fund_id": fund, "outcome": outcome}
    bounds = [liquidations.c[name] == word for name, word in others.items() if word and account_id]
    walk = Walk((number,), limit, _key(past), bounds, oldest_first)
    outcomes: Words = outcome or OUTCOMES
    words: dict[str, Words]
    if account_id is not None:
        words = {"account_id": account_id}  # Of one account there are few: they are looked through.
    elif symbol is not None:
        funds: Words = fund or occurring(liquidations, "fund_id", symbol=symbol)
        words = {"symbol": symbol, "fund_id": funds, "outcome": outcomes}
    elif fund is not None:
        words = {"fund_id": fund, "outcome": outcomes}
    else:
        words = {"outcome": outcome} if outcome else {}
    return await _rows(connection, liquidations, walk, words, _item(names, told))


def _item(names: Names, told: bool | str) -> ColumnElement[str]:
    whole = item(names, liquidations.c)
    if told is True:
        return whole
    others = item([name for name in names if name != "account_id"], liquidations.c)
    if told is False:
        return others
    return case((liquidations.c.account_id == told, whole), else_=others).label("item")


async def _rows(
    connection: AsyncConnection,
    table: Table,
    walk: Walk,
    words: Mapping[str, Words],
    made: ColumnElement[str],
) -> Rows:
    query = page_of(table, walk, words, [*walk.place, made])
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


def _key(number: int | None) -> tuple[int] | None:
    return None if number is None else (number,)


async def get_liquidation(connection: AsyncConnection, liquidation_id: int) -> RowMapping | None:
    """One liquidation, its steps included."""
    query = select(liquidations).where(liquidations.c.liquidation_id == liquidation_id)
    return (await connection.execute(query)).mappings().one_or_none()


async def list_clearance_fees(
    connection: AsyncConnection,
    limit: int,
    names: Names,
    *,
    symbol: str | None = None,
    fund: str | None = None,
    before: int | None = None,
) -> Rows:
    """Clearance fees, newest first: `liquidation_id`, and as JSON `item`."""
    walk = Walk((clearance_fees.c.liquidation_id,), limit, _key(before))
    words: dict[str, Words] = {"fund_id": fund} if fund else {}
    if symbol is not None:
        words = {"fund_id": occurring(clearance_fees, "fund_id", symbol=symbol), **words}
        words["symbol"] = symbol
    return await _rows(connection, clearance_fees, walk, words, item(names, clearance_fees.c))

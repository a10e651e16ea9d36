"""Auto-deleveraging events and who they concerned (ADL)."""

from __future__ import annotations

from sqlalchemy import RowMapping, Select, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows, newest
from app.store.queries.items import Names, item
from app.store.queries.merging import Walk, Words, occurring, page_of, rows_at
from app.store.tables import adl_counterparties, adl_events, liquidations


async def list_adl_events(
    connection: AsyncConnection,
    limit: int,
    names: Names,
    *,
    account_id: str | None = None,
    symbol: str | None = None,
    fund: str | None = None,
    before: int | None = None,
) -> Rows:
    """ADL events, newest first: `adl_event_id`, and as JSON `item`.

    Of an account: those it was a counterparty in.
    """
    key = None if before is None else (before,)
    walk = Walk((adl_events.c.adl_event_id,), limit, key)
    words: dict[str, Words] = {}
    if symbol is not None:
        funds: Words = fund or occurring(adl_events, "fund_id", symbol=symbol)
        words = {"symbol": symbol, "fund_id": funds}
    elif fund is not None:
        words = {"fund_id": fund}
    made = [*walk.place, item(names, adl_events.c)]
    if account_id is None:
        query = page_of(adl_events, walk, words, made)
    else:
        page = _took_part(account_id, symbol, fund, before).limit(limit).subquery("page")
        query = rows_at(page, walk, adl_events, made)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


def _took_part(
    account_id: str, symbol: str | None, fund: str | None, before: int | None
) -> Select[tuple[int]]:
    """An account's events, of which there are few: the other filters look through them."""
    part, event = adl_counterparties.c, adl_events.c
    query = select(part.adl_event_id).distinct().where(part.account_id == account_id)
    if before is not None:
        query = query.where(part.adl_event_id < before)
    if symbol is not None or fund is not None:
        query = query.join(adl_events, event.adl_event_id == part.adl_event_id)
    if symbol is not None:
        query = query.where(event.symbol == symbol)
    if fund is not None:
        query = query.where(event.fund_id == fund)
    return query.order_by(part.adl_event_id.desc())


async def get_adl_event(connection: AsyncConnection, adl_event_id: int) -> RowMapping | None:
    """One ADL event, its queue included."""
    query = select(adl_events).where(adl_events.c.adl_event_id == adl_event_id)
    return (await connection.execute(query)).mappings().one_or_none()


async def list_counterparties(connection: AsyncConnection, adl_event_id: int) -> Rows:
    """Who was deleveraged in an event, in order."""
    query = (
        select(adl_counterparties)
        .where(adl_counterparties.c.adl_event_id == adl_event_id)
        .order_by(adl_counterparties.c.number)
    )
    return (await connection.execute(query)).mappings().all()


async def bankrupt_account(connection: AsyncConnection, liquidation_id: int | None) -> str | None:
    """Whose position a liquidation closed; None for none (FND-5)."""
    query = select(liquidations.c.account_id).where(liquidations.c.liquidation_id == liquidation_id)
    return await connection.scalar(query)


_NOTICE = (
    *adl_counterparties.c,
    adl_events.c.time,
    adl_events.c.symbol,
    adl_events.c.fund_id,
    adl_events.c.mark_price,
    adl_events.c.adl_policy,
    case((adl_events.c.side == "long", "short"), else_="long").label("side"),
)
"""What a notice is made of: the account's part, and what is true of the event."""


async def list_notices(
    connection: AsyncConnection,
    account_id: str,
    limit: int,
    names: Names,
    *,
    symbol: str | None = None,
    before: tuple[int, int] | None = None,
) -> Rows:
    """An account's parts in events, newest first: `adl_event_id`, `number`, and as JSON `item`.

    `before` is the (event, number) of the last. `side` is the part's, the other than the event's.
    """
    part, event = adl_counterparties.c, adl_events.c
    query = (
        select(part.adl_event_id, part.number, item(names, _NOTICE))
        .join(adl_events, event.adl_event_id == part.adl_event_id)
        .where(part.account_id == account_id)
    )
    if symbol is not None:
        query = query.where(event.symbol == symbol)
    return await newest(connection, query, (part.adl_event_id, part.number), limit, before)

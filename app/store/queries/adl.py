"""Auto-deleveraging events and who they concerned (ADL)."""

from __future__ import annotations

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Rows, newest
from app.store.tables import adl_counterparties, adl_events


async def list_adl_events(
    connection: AsyncConnection,
    limit: int,
    *,
    account_id: str | None = None,
    before: int | None = None,
) -> Rows:
    """ADL events, newest first; of an account: those it was a counterparty in."""
    columns = [column for column in adl_events.c if column.name != "queue"]
    query = select(*columns).order_by(adl_events.c.adl_event_id.desc()).limit(limit)
    if account_id is not None:
        took_part = select(adl_counterparties.c.adl_event_id).where(
            adl_counterparties.c.account_id == account_id
        )
        query = query.where(adl_events.c.adl_event_id.in_(took_part))
    if before is not None:
        query = query.where(adl_events.c.adl_event_id < before)
    return (await connection.execute(query)).mappings().all()


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


async def list_notices(
    connection: AsyncConnection,
    account_id: str,
    limit: int,
    *,
    symbol: str | None = None,
    before: tuple[int, int] | None = None,
) -> Rows:
    """An account's parts in events, newest first; `before` is the (event, number) of the last."""
    part, event = adl_counterparties.c, adl_events.c
    query = (
        select(
            adl_counterparties,
            *(event.time, event.symbol, event.fund_id, event.mark_price, event.adl_policy),
            event.side.label("bankrupt_side"),
        )
        .join(adl_events, event.adl_event_id == part.adl_event_id)
        .where(part.account_id == account_id)
    )
    if symbol is not None:
        query = query.where(event.symbol == symbol)
    return await newest(connection, query, (part.adl_event_id, part.number), limit, before)

"""Admin acts: whose commands they were, and what they said (the command log, seen by who)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import WALK_INDEX, Row, Rows
from app.store.queries.items import Names, item_anew
from app.store.tables import admin_acts as acts
from app.store.tables import commands

LISTED_BYTES = 2000
"""A list shows what the commands say that PostgreSQL keeps in their rows; an import's megabytes are
kept apart, and read for one act alone."""
AFTER_ALL_ACTS = 2**63 - 1


def _shown(names: Names, body: ColumnElement[Any]) -> Select[Any]:
    """Acts with something of their commands, looked up one by one: a join may walk the log."""
    commanded = select(body).where(commands.c.sequence == acts.c.sequence)
    held = [*acts.c, acts.c.sequence.label("act_id"), commanded.scalar_subquery().label("body")]
    return select(acts.c.sequence, item_anew(names, held))


async def list_acts(
    connection: AsyncConnection,
    limit: int,
    names: Names,
    *,
    kind: str | None = None,
    key_id: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    before: int | None = None,
) -> Rows:
    """Acts, newest first: `sequence`, and as JSON `item`, secrets still in its `body`, which is
    null where the command is a long one.

    Times are turned into numbers of commands, which grow with them: so any index that a filter has
    is walked between them.
    """
    await connection.execute(WALK_INDEX)
    small = func.pg_column_size(commands.c.body) <= LISTED_BYTES
    query = _shown(names, case((small, commands.c.body), else_=null()))
    if kind is not None:
        query = query.where(acts.c.kind == kind)
    if key_id is not None:
        query = query.where(acts.c.key_id == key_id)
    if start is not None:
        query = query.where(acts.c.sequence >= _first_since(start))
    if end is not None:
        query = query.where(acts.c.sequence < _first_since(end))
    if before is not None:
        query = query.where(acts.c.sequence < before)
    query = query.order_by(acts.c.sequence.desc()).limit(limit)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def get_act(connection: AsyncConnection, sequence: int, names: Names) -> Row | None:
    """One act, with all that was commanded, secrets too."""
    query = _shown(names, commands.c.body).where(acts.c.sequence == sequence)
    row: Row | None = (await connection.execute(query)).mappings().one_or_none()
    return row


def _first_since(time: datetime) -> ColumnElement[int]:
    """The number of the first act at or after a time; above all where there is none."""
    query = select(acts.c.sequence).where(acts.c.time >= time)
    first = query.order_by(acts.c.time, acts.c.sequence).limit(1).scalar_subquery()
    return func.coalesce(first, AFTER_ALL_ACTS)

"""Incidents and their releases (REC-2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import incident_releases as releases
from app.store.tables import incidents


def _shown() -> Select[Any]:
    released = releases.c.time.label("released_at"), releases.c.reason.label("release_reason")
    return select(incidents, *released).outerjoin(
        releases, releases.c.incident_id == incidents.c.incident_id
    )


async def list_incidents(
    connection: AsyncConnection, limit: int, before: int | None = None
) -> Sequence[RowMapping]:
    """Incidents, newest first; those not released have no `released_at`."""
    query = _shown().order_by(incidents.c.incident_id.desc()).limit(limit)
    if before is not None:
        query = query.where(incidents.c.incident_id < before)
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def get_incident(connection: AsyncConnection, incident_id: int) -> RowMapping | None:
    """One incident."""
    query = _shown().where(incidents.c.incident_id == incident_id)
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row

"""Incidents: exceptions in the engine, and their release (REC-2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.api.access import Admin
from app.api.changing import Posting
from app.api.liquidations import IdPath
from app.api.paging import Paged
from app.api.routing import BY_POST, changing, keyed, router
from app.api.schemas.base import Page
from app.api.schemas.incidents import IncidentView, ReleaseBody
from app.api.services import Reading, ServicesDep
from app.engine.commands.leaders import ReleaseIncident
from app.store.queries import incidents as queries

incidents = router("incidents")


@incidents.get("/incidents", responses=keyed(), summary="List incidents")
async def list_incidents(_: Admin, reading: Reading, paging: Paged) -> Page[IncidentView]:
    """What failed in the engine, newest first, released or not."""
    rows = await queries.list_incidents(reading, paging.fetch, paging.before_id())
    return paging.page(rows, _view, "incident_id")


@incidents.post(
    "/incidents/{incident_id}/release",
    responses=changing(ReleaseIncident, *BY_POST),
    summary="Release an incident",
)
async def release_incident(
    _: Admin,
    changes: Posting,
    services: ServicesDep,
    incident_id: IdPath,
    body: ReleaseBody,
) -> IncidentView:
    """Let what was left alone be tried once more; if it fails again, that is a new incident."""
    command = ReleaseIncident(int(incident_id), body.reason)
    await changes.apply(command, reference=body.reason)
    async with services.database.connect() as connection:
        row = await queries.get_incident(connection, int(incident_id))
    assert row is not None, incident_id
    return _view(row)


def _view(row: Mapping[Any, Any]) -> IncidentView:
    shown = {name: row[name] for name in IncidentView.model_fields if name in row}
    blamed, mode = "command" if row["digest"] else "cascade", None
    if row["account_id"] is not None:
        blamed, mode = "scope", "isolated" if row["symbol"] else "cross"
    return IncidentView(**shown, blamed=blamed, margin_mode=mode)

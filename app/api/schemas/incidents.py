"""Incidents (REC-2)."""

from __future__ import annotations

from typing import Literal

from app.api.schemas.base import Body, Id, Name, Time, View, example
from app.engine.commands import MarginMode, PositionSide


class ReleaseBody(Body):
    """Why it may be tried again."""

    reason: Name

    model_config = example({"reason": "mended in 1.2.3"})


class IncidentView(View):
    """An exception in the engine, and what is left alone for it until its release.

    `blamed` is the `command` that was being applied (`digest` is its body's); or a margin scope,
    which is set aside: `account_id`, `margin_mode` and `symbol`; or the cascades of an `asset`.
    `times` it has failed; `sequence` is the number that the command would have had in the log.
    """

    incident_id: Id
    time: Time
    sequence: int
    command: str
    blamed: Literal["command", "scope", "cascade"]
    digest: str | None
    account_id: str | None
    margin_mode: MarginMode | None
    symbol: str | None
    position_side: PositionSide | None
    asset: str | None
    error: str
    times: int
    released_at: Time | None
    release_reason: str | None

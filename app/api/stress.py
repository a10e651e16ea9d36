"""The stress library: the crashes that every run goes through (CAL-9)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from app.api.access import OPTIONAL_KEY, Admin, Identity, MaybeKey
from app.api.faults import AnyCode, Fault
from app.api.problems import Problem, unknown
from app.api.routing import BY_KEY, keyed, problems, router
from app.api.schemas.stress import (
    SCENARIO_PATTERN,
    FallView,
    LibraryView,
    ScenarioBody,
    ScenarioHistoryView,
    ScenarioView,
)
from app.api.services import Reading, ServicesDep
from app.catalogue.stress import Crash, Fall
from app.engine.rejections import Code
from app.jobs import library
from app.jobs.library import InvalidScenario, StressScenario
from app.store.reads import raw

stress = router("stress tests")

ScenarioPath = Annotated[str, Path(pattern=SCENARIO_PATTERN, examples=["2020-03-12"])]


@stress.get(
    "/stress-scenarios",
    responses=problems(*BY_KEY),
    openapi_extra=OPTIONAL_KEY,
    summary="The stress library",
)
async def list_scenarios(reading: Reading, identity: MaybeKey) -> LibraryView:
    """All scenarios as they stand, those that are switched off with the reason why."""
    found = await library.read_library(await raw(reading))
    items = [_view(one, identity) for one in found.scenarios]
    return LibraryView(items=items, stress_hash=found.stress_hash)


@stress.get(
    "/stress-scenarios/{scenario_id}",
    responses=problems(*BY_KEY, Fault.unknown_scenario),
    openapi_extra=OPTIONAL_KEY,
    summary="One scenario, and what it was",
)
async def get_scenario(
    reading: Reading, scenario_id: ScenarioPath, identity: MaybeKey
) -> ScenarioHistoryView:
    """Each version there ever was, and who gave it when."""
    versions = await library.read_versions(await raw(reading), scenario_id)
    if not versions:
        raise unknown("scenario_id")
    shown = [_view(one, identity) for one in versions]
    return ScenarioHistoryView(scenario_id=scenario_id, versions=shown)


@stress.put(
    "/stress-scenarios/{scenario_id}",
    responses=keyed(
        Fault.malformed_body, Fault.unknown_scenario, Fault.invalid_scenario, Code.reason_required
    ),
    summary="Change the stress library",
)
async def put_scenario(
    admin: Admin, services: ServicesDep, scenario_id: ScenarioPath, body: ScenarioBody
) -> ScenarioView:
    """A new scenario, or another version of one, from the next run on.

    Who gave it, when and why is kept with each version. The same again is no new version.
    """
    async with services.writing() as connection:
        before = (await library.read_library(connection)).find(scenario_id)
        try:
            await library.edit(connection, _wanted(scenario_id, before, body), admin.key_id)
        except InvalidScenario as error:
            raise Problem(_code(error), error.detail, error.context) from error
        after = (await library.read_library(connection)).find(scenario_id)
    assert after is not None
    return _view(after, admin)


def _wanted(scenario_id: str, before: StressScenario | None, body: ScenarioBody) -> StressScenario:
    crash = Crash(scenario_id, "", "", {}) if before is None else before.crash
    given = {name: getattr(body, name) for name in ("title", "cause") if getattr(body, name)}
    if body.falls is not None:
        given["falls"] = {name: Fall(one.hour, one.day) for name, one in body.falls.items()}
    return StressScenario(crash._replace(**given), enabled=body.enabled, reason=body.reason)


def _code(error: InvalidScenario) -> AnyCode:
    return Code.reason_required if error.code == "reason_required" else Fault.invalid_scenario


def _view(scenario: StressScenario, identity: Identity | None) -> ScenarioView:
    crash, admin = scenario.crash, identity is not None and identity.is_admin
    return ScenarioView(
        scenario_id=crash.scenario_id,
        title=crash.title,
        cause=crash.cause,
        enabled=scenario.enabled,
        reason=scenario.reason,
        falls={name: FallView(hour=one.hour, day=one.day) for name, one in crash.falls.items()},
        version=scenario.version,
        by=scenario.by if admin else None,
        at=scenario.at,
    )

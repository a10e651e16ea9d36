"""The stress library as it stands: the catalogue's crashes, and what admins made of it (CAL-9)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import asyncpg

from app.catalogue.stress import ALONE, MIRROR_IMAGE, Crash, Fall, crashes, digest
from app.engine.numbers import plain

MOST_SCENARIOS = 100
MOST_ASSETS = 1_000


class InvalidScenario(Exception):
    """A scenario that cannot be: a problem's `code`, what is wrong, and `context`."""

    def __init__(self, code: str, detail: str, **context: str) -> None:
        super().__init__(detail)
        self.code, self.detail, self.context = code, detail, context


@dataclass(frozen=True, slots=True)
class StressScenario:
    """A scenario as it stands. Version 0 is the catalogue's, which nobody has edited.

    One that is switched off has a `reason`, which reports tell.
    """

    crash: Crash
    version: int = 0
    enabled: bool = True
    reason: str | None = None
    by: str | None = None
    at: datetime | None = None


class StressLibrary(NamedTuple):
    """All scenarios, the catalogue's first."""

    scenarios: tuple[StressScenario, ...]

    @property
    def enabled(self) -> tuple[Crash, ...]:
        """What a run is made with."""
        return tuple(one.crash for one in self.scenarios if one.enabled)

    @property
    def disabled(self) -> tuple[StressScenario, ...]:
        """What a run leaves out, and says so."""
        return tuple(one for one in self.scenarios if not one.enabled)

    @property
    def stress_hash(self) -> str:
        """Of what is enabled (CAL-11)."""
        return digest(self.enabled)

    def find(self, scenario_id: str) -> StressScenario | None:
        """The scenario, enabled or not."""
        return next((one for one in self.scenarios if one.crash.scenario_id == scenario_id), None)


async def read_library(connection: asyncpg.Connection) -> StressLibrary:
    """The library as it stands."""
    query = f"SELECT DISTINCT ON (scenario_id) {_COLUMNS} {_NEWEST}"
    edited = {row["scenario_id"]: _scenario(row) for row in await connection.fetch(query)}
    shipped = [edited.pop(one.scenario_id, StressScenario(one)) for one in crashes()]
    return StressLibrary((*shipped, *edited.values()))


async def read_versions(connection: asyncpg.Connection, scenario_id: str) -> list[StressScenario]:
    """All versions of a scenario, the newest first."""
    query = f"""
        SELECT {_COLUMNS} FROM stress_scenarios WHERE scenario_id = $1 ORDER BY version DESC
    """  # noqa: S608 - names of our own
    found = [_scenario(row) for row in await connection.fetch(query, scenario_id)]
    return found + [StressScenario(one) for one in crashes() if one.scenario_id == scenario_id]


async def edit(connection: asyncpg.Connection, wanted: StressScenario, by: str) -> None:
    """Keep a scenario's next version, unless it is as it stands; raises `InvalidScenario`."""
    check(wanted)
    body = {
        "title": wanted.crash.title,
        "cause": wanted.crash.cause,
        "falls": {name: [*map(plain, fall)] for name, fall in wanted.crash.falls.items()},
    }
    async with connection.transaction():
        await connection.execute("LOCK TABLE stress_scenarios IN SHARE ROW EXCLUSIVE MODE")
        library = await read_library(connection)
        before = library.find(wanted.crash.scenario_id)
        if before is None and len(library.scenarios) >= MOST_SCENARIOS:
            raise InvalidScenario("invalid_scenario", f"there are {MOST_SCENARIOS} scenarios")
        if before is not None and _said(before) == _said(wanted):
            return
        version = 1 if before is None else before.version + 1
        values = wanted.enabled, wanted.reason, json.dumps(body), by
        await connection.execute(_INSERT, wanted.crash.scenario_id, version, *values)


def check(wanted: StressScenario) -> None:
    """Raise `InvalidScenario` where it is none, or is switched off without a reason."""
    scenario_id, falls = wanted.crash.scenario_id, wanted.crash.falls
    if scenario_id.endswith(MIRROR_IMAGE) or scenario_id.startswith(ALONE):
        raise _invalid("scenario_id", f"{scenario_id} is another scenario's name")
    if not wanted.crash.title:
        raise _invalid("title", "a scenario has a title")
    if not 0 < len(falls) <= MOST_ASSETS:
        raise _invalid("falls", f"a scenario says how far 1 to {MOST_ASSETS} assets fell")
    for asset, (hour, day) in falls.items():
        if not 0 < hour <= day < 1:
            raise _invalid(f"falls.{asset}", f"{asset}: 0 < hour <= day < 1")
    if not wanted.enabled and not wanted.reason:
        raise InvalidScenario("reason_required", "switching a scenario off needs a reason")


def _invalid(field: str, detail: str) -> InvalidScenario:
    return InvalidScenario("invalid_scenario", detail, field=field)


def _said(scenario: StressScenario) -> tuple[Crash, bool, str | None]:
    return scenario.crash, scenario.enabled, scenario.reason


def _scenario(row: asyncpg.Record) -> StressScenario:
    body = json.loads(row["body"])
    falls = {name: Fall(*map(Decimal, fall)) for name, fall in body["falls"].items()}
    crash = Crash(row["scenario_id"], body["title"], body["cause"], falls)
    kept = {name: row[name] for name in ("version", "enabled", "reason", "by", "at")}
    return StressScenario(crash, **kept)


_COLUMNS = "scenario_id, version, enabled, reason, body::text, by, at"
_NEWEST = "FROM stress_scenarios ORDER BY scenario_id, version DESC"
_INSERT = """
    INSERT INTO stress_scenarios (scenario_id, version, enabled, reason, body, by, at)
    VALUES ($1, $2, $3, $4, $5, $6, now())
"""

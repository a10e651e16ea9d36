"""Bugs planted in the engine, and what becomes of a runner that meets them (REC-2)."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from app.engine.commands import Command
from app.engine.commands.leaders import ReleaseIncident
from app.engine.rejections import Rejection
from app.runner.runner import AnswerKey, NotLeader, Runner
from app.store import incidents
from app.verify.replay import verify
from tests.runner.conftest import until


async def fails(runner: Runner, *commands: Command, key: AnswerKey | None = None) -> None:
    """The term ends, and another one begins in which the cascades came to their end."""
    failed = runner.metrics.terms_failed
    with pytest.raises(NotLeader):
        await runner.submit(commands, key)
    await until(lambda: runner.metrics.terms_failed > failed)
    await calm(runner)


async def calm(runner: Runner) -> None:
    """Wait until somebody leads and no cascade is under way, and what it did is durable."""
    await until(lambda: runner.leading and not runner.engine.state.cascades, 30)
    await runner.submit([])


async def result(runner: Runner, command: Command) -> object:
    (found,) = (await runner.submit([command])).results
    return found


async def refused(runner: Runner, command: Command) -> tuple[str, dict[str, str]]:
    """The code and the numbers of a refusal."""
    found = await result(runner, command)
    assert isinstance(found, Rejection), found
    return found.code, found.context


async def recorded(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
    """All incidents: what was applied, the account and the asset to blame, how often, if open."""
    rows = await connection.fetch(f"""
        SELECT command, digest IS NOT NULL, account_id, asset, times, {incidents.OPEN} AS open
        FROM incidents AS i ORDER BY incident_id
    """)
    return [tuple(row) for row in rows]


async def announced(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM alerts WHERE kind = 'incident'")
    return count


async def check_log(connection: asyncpg.Connection) -> None:
    """The log gives the same state and records when it is replayed."""
    async with connection.transaction(isolation="repeatable_read"):
        findings = await verify(connection, lambda done, total: None)
    assert findings.difference is None, findings.difference


def release(incident: int) -> ReleaseIncident:
    return ReleaseIncident(incident, "mended")


async def failed_times(connection: asyncpg.Connection, least: int) -> bool:
    times: int = await connection.fetchval("SELECT COALESCE(max(times), 0) FROM incidents")
    return times >= least


async def recorded_count(connection: asyncpg.Connection, least: int) -> bool:
    return len(await recorded(connection)) >= least

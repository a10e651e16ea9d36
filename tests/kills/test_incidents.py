"""Kill -9 between a fault in the engine and its record: nothing else is lost (REC-2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.kills.service import Service
from tests.kills.test_standby import contribute, paid, request

BUGGY = """
import os, signal, sys
from app.cli import main
from app.engine.commands.funds import ContributeToTreasury
from app.engine.handling import HANDLERS
from app.store import incidents

handler = HANDLERS[ContributeToTreasury]

def buggy(step, command):
    if command.amount == 13:
        raise ZeroDivisionError("thirteen")
    return handler.run(step, command)

async def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

HANDLERS[ContributeToTreasury] = handler._replace(run=buggy)
if {dies}:
    incidents.record = die
sys.exit(main())
"""


@pytest.fixture
def service(tmp_path: Path, address: str) -> Iterator[Service]:
    """An instance that is not started yet."""
    service = Service(tmp_path, address)
    yield service
    service.end()


async def test_a_kill_before_the_record_loses_nothing_else(
    service: Service, connection: asyncpg.Connection
) -> None:
    service.start(source=BUGGY.format(dies=True))
    await service.until_leading()
    assert (await contribute(service, "1")).status_code == 201
    bad = await contribute(service, "13", "bad")
    assert bad.status_code == 503  # the term ended
    service.process.wait()
    assert await connection.fetchval("SELECT count(*) FROM incidents") == 0

    service.start(source=BUGGY.format(dies=False))
    await service.until_leading()
    assert (await contribute(service, "2")).status_code == 201
    assert (await contribute(service, "13", "bad")).status_code == 503
    await service.until_leading()
    for _ in range(2):
        answer = await contribute(service, "13", "bad")
        assert (answer.status_code, answer.json()["code"]) == (500, "incident")
    assert (await contribute(service, "3")).status_code == 201

    service.end()
    service.start()  # mended
    await service.until_leading()
    assert (await contribute(service, "13", "bad")).status_code == 500
    released = await request(service, "POST", "/v1/incidents/1/release", {"reason": "mended"})
    assert released.status_code == 200
    assert (await contribute(service, "13", "bad")).status_code == 201
    assert await paid(connection) == ["1", "2", "3", "13"]

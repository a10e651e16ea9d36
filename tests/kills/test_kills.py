"""Kill -9 under load: what was acknowledged is there once, what was not is there once or never.

`--kills N` for more than the usual number, `--kill-seed S` for other moments.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import asyncpg
import pytest

from app.store import database
from tests.kills.audit import Audit
from tests.kills.load import Load
from tests.kills.service import Service

BURST_SECONDS = 1.2
"""The longest time under load before a kill."""
AGAIN = 5
"""How many answered requests are sent once more after each kill."""


async def test_what_was_acknowledged_survives(
    reachable: Path, pytestconfig: pytest.Config, measured: Callable[[str, float], None]
) -> None:
    chance = random.Random(pytestconfig.getoption("--kill-seed"))
    service, audit = Service(reachable), Audit()
    service.start()
    try:
        await service.until_leading()
        async with Load(service.address, chance) as load:
            await load.prepare()
            for _ in range(pytestconfig.getoption("--kills")):
                victim, seconds = await under_load(service, load, chance)
                measured(f"kill -9 of {victim}", seconds)
                await ask_again(load, chance)
                async with at_rest(service, audit) as connection:
                    await audit.check(connection, load)
    finally:
        service.end()


async def under_load(service: Service, load: Load, chance: random.Random) -> tuple[str, float]:
    """One kill at some moment; returns whose, and the seconds to the first acknowledged write."""
    clients = asyncio.create_task(load.run())
    await asyncio.sleep(chance.uniform(0, BURST_SECONDS))
    victim = chance.choice(["the service", "PostgreSQL"])
    killed = monotonic()
    if victim == "PostgreSQL":
        service.kill_postgres()
    else:
        service.kill()
        service.start()
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 2))
            service.kill()
            killed = monotonic()
            service.start()
    seconds = await load.first_answer(killed)
    load.stop()
    await clients
    assert service.process.poll() is None
    return victim, seconds


async def ask_again(load: Load, chance: random.Random) -> None:
    """Repetitions after the fact change nothing: the audit that follows finds one effect."""
    answered = [r for r in load.requests if 200 <= r.status < 300 and r.repeatable]
    for request in chance.sample(answered, AGAIN):
        await load.ask_again(request)


@asynccontextmanager
async def at_rest(service: Service, audit: Audit) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the database once no cascade is under way."""
    connection = await database.connect(service.database)
    try:
        await audit.read_log(connection)
        while audit.at_work:
            await asyncio.sleep(0.05)
            await audit.read_log(connection)
        yield connection
    finally:
        await connection.close()

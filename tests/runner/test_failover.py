"""A server that takes no writes for a while, and the service that leads again by itself (REC-4)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from app.engine.commands.keys import CreateKey
from app.engine.results import Done
from app.runner.keys import make_key
from app.runner.runner import NotLeader, Runner
from app.store import database
from app.store.embedded import EmbeddedPostgres, address_at
from tests.conftest import reachable_directory
from tests.runner.conftest import until


class Server:
    """A PostgreSQL that stops, and comes back as a replica or read-only, at the same address."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._postgres = EmbeddedPostgres(data)
        self.address = address_at(data / "socket")

    async def start(self, *, replica: bool = False) -> None:
        """A replica whose primary is gone: it can be read, and promoted."""
        if replica:
            (self._data / "postgres" / "data" / "standby.signal").touch()
        await self._postgres.start()

    async def stop(self) -> None:
        await self._postgres.stop()
        self._postgres = EmbeddedPostgres(self._data)

    async def kill(self) -> None:
        os.kill(self._postgres.process_id, signal.SIGKILL)
        await self._postgres.wait()
        await self.stop()

    async def execute(self, *statements: str) -> None:
        """As an operator whom the server lets write."""
        connection = await asyncpg.connect(
            self.address, server_settings={"default_transaction_read_only": "off"}
        )
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


@pytest.fixture
async def failing() -> AsyncIterator[Server]:
    """A server of the test's own, migrated."""
    with reachable_directory() as directory:
        server = Server(directory / "data")
        await server.start()
        await database.migrate(server.address)
        yield server
        await server.stop()


@asynccontextmanager
async def two_instances(address: str) -> AsyncIterator[list[Runner]]:
    """A leader and a standby."""
    async with Runner(address) as first, Runner(address) as second:
        assert first.leading
        yield [first, second]


async def writes(runners: list[Runner]) -> None:
    """Wait until somebody leads and a command is durable."""

    async def written() -> bool:
        key, _ = make_key("operator", "admin")
        for runner in runners:
            with suppress(NotLeader):
                return (await runner.submit([CreateKey(key)])).results == [Done(key.key_id)]
        return False

    await until(written, 30)


CUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name LIKE 'backstop%' AND pid <> pg_backend_pid()
"""


async def test_a_replica_that_is_promoted_is_led_again(failing: Server) -> None:
    """The primary is gone, its replica answers reads for longer than the slowest retry."""
    async with two_instances(failing.address) as runners:
        await writes(runners)
        await failing.kill()
        await failing.start(replica=True)
        await asyncio.sleep(6)
        assert not any(runner.leading for runner in runners)
        await failing.execute("SELECT pg_promote()")
        await writes(runners)


async def test_a_server_that_was_set_to_read_only_and_back_is_led_again(failing: Server) -> None:
    """By default, for a session may say otherwise, and ours do; with and without a cut."""
    async with two_instances(failing.address) as runners:
        for value in ("on", "off"):
            await failing.execute(
                f"ALTER SYSTEM SET default_transaction_read_only = {value}",
                "SELECT pg_reload_conf()",
            )
            await writes(runners)
            await failing.execute(CUT)
            await writes(runners)


async def test_a_restart_is_survived(failing: Server) -> None:
    async with two_instances(failing.address) as runners:
        await failing.stop()
        await asyncio.sleep(1)
        await failing.start()
        await writes(runners)

"""A server that is gone without a word: whoever waits for it gives up, and leads elsewhere (REC-3).

Nobody closes the connections of a machine that is lost: they stay silent.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.engine.outcome import Failure
from app.runner import incidents, lease
from app.runner.runner import Runner
from app.store import following, loader
from app.store import incidents as stored
from tests.runner.conftest import Bug, until
from tests.runner.test_follower import leader, level  # noqa: F401 - a fixture
from tests.runner.test_real_engine import accepted, deposit


class Wire:
    """A way to the server that can fall silent: the server forgets whoever came by it before."""

    def __init__(self, address: str) -> None:
        self._parts = urlsplit(address)
        self._upstream: list[StreamWriter] = []
        self._writers: list[StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""

    @asynccontextmanager
    async def laid(self) -> AsyncIterator[Wire]:
        listening = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        user = self._parts.netloc.rpartition("@")[0]
        # Without TLS: a client that gives up while it waits for the answer to "do you speak TLS?"
        # leaves asyncpg's future with an error that nobody reads, and the loop reports it.
        self.address = f"postgresql://{user}@127.0.0.1:{port}{self._parts.path}?sslmode=disable"
        try:
            yield self
        finally:
            listening.close()
            self.fall_silent()
            for writer in self._writers:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()

    def fall_silent(self) -> None:
        """What is connected hears nothing any more; what connects from now on does."""
        for task in self._tasks:
            task.cancel()
        for writer in self._upstream:
            writer.close()
        self._upstream.clear()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        to, at = await self._reach()
        self._upstream.append(at)
        self._writers += [at, writer]
        for pump in (self._pump(reader, at), self._pump(to, writer)):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _reach(self) -> tuple[StreamReader, StreamWriter]:
        asked = {name: values[0] for name, values in parse_qs(self._parts.query).items()}
        host, port = asked.get("host", self._parts.hostname), asked.get("port", self._parts.port)
        assert host is not None
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, int(port or 5432))

    async def _pump(self, reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(OSError):  # who gives up on a connection resets it
            while some := await reader.read(65536):
                writer.write(some)
        writer.close()


@pytest.fixture
async def wire(address: str) -> AsyncIterator[Wire]:
    async with Wire(address).laid() as wire:
        yield wire


def silent_once(patch: pytest.MonkeyPatch, wire: Wire, module: Any, name: str) -> list[str]:
    """The wire falls silent when a function is called the next time; then that is in the list."""
    sound, fallen = getattr(module, name), list[str]()

    def silencing(*arguments: Any) -> Any:
        if not fallen:
            fallen.append(name)
            wire.fall_silent()
        return sound(*arguments)

    patch.setattr(module, name, silencing)
    return fallen


async def test_a_standby_that_was_reading_the_log_takes_over(
    wire: Wire,
    leader: Runner,  # noqa: F811 - a fixture
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Runner(wire.address) as standby:
        await until(lambda: level(standby, leader))
        fallen = silent_once(monkeypatch, wire, following, "entries")
        await until(lambda: bool(fallen))
        await accepted(leader, [deposit("alice", "1")])
        await leader.stop()
        await until(lambda: standby.leading, 20)
        await accepted(standby, [deposit("alice", "1")])


async def test_a_load_is_given_up_and_begun_again(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "ANSWER_SECONDS", 1.0)
    fallen = silent_once(monkeypatch, wire, loader, "_load_funds")
    async with Runner(wire.address) as runner:
        await until(lambda: runner.leading, 20)
        assert fallen
        assert runner.metrics.epoch == 2


async def test_an_incident_is_given_up(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the lock is free (REC-2)."""
    monkeypatch.setattr(incidents, "RECORD_SECONDS", 0.5)
    fallen = silent_once(monkeypatch, wire, stored, "_blamed")
    async with Runner(wire.address) as runner, lease.claim(wire.address) as claim:
        await until(lambda: runner.leading)
        engine = runner.engine
        failure = Failure(1, runner.now(), deposit("alice", "1"), None)
        monkeypatch.setattr(engine, "failure", failure)
        with pytest.raises(Bug) as bug:
            raise Bug
        async with asyncio.timeout(10):
            await incidents.remember(claim, runner.metrics.epoch, engine, bug.value)
    assert fallen

"""Leadership: a session advisory lock on its own connection, and an epoch.

The lock elects; the epoch makes certain. Every commit checks the epoch that its leader raised at
takeover, so a leader that has lost the lock without knowing it cannot commit.

That certainty allows an early takeover. The sessions of a process that was killed end with it, but
those of one that is stopped (SIGSTOP, a frozen machine) live on, and the lock with them. A leader
therefore says something on the lock's connection five times a second, which PostgreSQL records
(`pg_stat_activity.state_change`: its clock, no writes), and a standby ends all sessions of a leader
that was silent too long, and still is at its next look (a server that paused for both shows old
news first): the lock is free, and what the leader had not committed is rolled back.
The sessions of a claim are found by the application name that they share. Only the same role or a
superuser may do this: instances on one database use one role.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg

from app.store import database
from app.store.snapshots import LOG_VERSION

log = logging.getLogger("backstop.lease")

LOCK = int.from_bytes(b"backstop")
POLL_SECONDS = 0.1
HEARTBEAT_SECONDS = 0.1
ANSWER_SECONDS = 5.0
SILENCE = timedelta(seconds=6)
"""A leader that said nothing for so long is taken for stopped: to replace it takes a load."""
WARM_SILENCE = timedelta(seconds=0.7)
"""The same where a warm standby waits: a leader that only paused is replaced in no time."""

NAME = "backstop runner "
"""Begins the application name of a claim's sessions; a random number makes it one claim's own."""

NOTICE_THE_DEAD = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "15s",
}
"""So that the server drops a leader whose machine is gone, and with it its locks, in seconds."""

END_THE_SILENT = """
    SELECT count(*) FILTER (WHERE NOT $4 OR pg_terminate_backend(session.pid))
    FROM pg_locks AS lock
    JOIN pg_stat_activity AS holder ON holder.pid = lock.pid
    JOIN pg_stat_activity AS session USING (datname, application_name)
    WHERE lock.locktype = 'advisory' AND lock.objsubid = 1 AND lock.granted
        AND (lock.classid::bigint << 32) + lock.objid::bigint = $1
        AND holder.datname = current_database()
        AND starts_with(holder.application_name, $2)
        AND holder.state_change < now() - $3::interval
"""


class LeaseLost(Exception):
    """The connection that holds the lock is gone; someone else may lead by now."""


class OldRules(Exception):
    """A newer release has led on this database; the message says so to the operator (REC-1)."""


class Lease:
    """A claim on leadership; once taken it is held until its connection ends."""

    def __init__(self, address: str, name: str, connection: asyncpg.Connection) -> None:
        self._address = address
        self._name = name
        self._connection = connection
        self._connections = [connection]
        """All of the claim's."""
        self._suspicious = False
        """Whether the leader was silent too long at the last look."""
        self._closed = asyncio.Event()
        connection.add_termination_listener(lambda _: self._closed.set())

    async def take(self, rules_version: int, silence: timedelta = SILENCE) -> int | None:
        """Take the lock and raise the epoch, which is returned; None while someone else leads.

        A leader that was silent for longer is ended. Raises `OldRules` where the log was led by
        newer rules than these (REC-1). That is looked at when nobody can write any more.
        """
        epoch: int | None = None
        if await self._ask("SELECT pg_try_advisory_lock($1)", LOCK):
            epoch = await self._ask("UPDATE leadership SET epoch = epoch + 1 RETURNING epoch")
        newest = await self._ask(LOG_VERSION)
        if newest is not None and newest > rules_version:
            raise OldRules(
                f"the log is of rules version {newest}, and this release has {rules_version}: it"
                " cannot lead on this database any more"
            )
        if epoch is None:
            await self._end_the_silent(silence)
        return epoch

    async def watch(self) -> None:
        """Raise `LeaseLost` as soon as the connection is known to be dead; never returns.

        While it runs, the leader is heard: where its event loop is blocked, it is silent.
        """
        while True:
            try:
                await asyncio.wait_for(self._closed.wait(), HEARTBEAT_SECONDS)
            except TimeoutError:
                await self._beat()
            else:
                raise LeaseLost("the connection that holds the lock was closed")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[asyncpg.Connection]:
        """Another connection for the runner's own use, which ends at the latest with the claim."""
        async with _connect(self._address, self._name) as connection:
            self._connections.append(connection)
            try:
                yield connection
            finally:
                self._connections.remove(connection)

    def end(self) -> None:
        """End the claim, and all that is done over its connections, without the server's help.

        Who is cancelled within a transaction would else wait for a dead server to roll it back.
        """
        for connection in self._connections:
            connection.terminate()

    async def _beat(self) -> None:
        try:
            await self._ask("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise LeaseLost(f"the connection that holds the lock failed: {error!r}") from error

    async def _end_the_silent(self, silence: timedelta) -> None:
        """End the sessions of a leader that is not heard; does nothing while it is."""
        found = await self._ask(END_THE_SILENT, LOCK, NAME, silence, self._suspicious)
        if found and self._suspicious:
            log.warning("the leader was silent for %s; ended its %d sessions", silence, found)
        self._suspicious = bool(found)

    async def _ask(self, query: str, *values: object) -> Any:
        """One value; raises `TimeoutError` where a server that is gone would never answer."""
        return await self._connection.fetchval(query, *values, timeout=ANSWER_SECONDS)


@asynccontextmanager
async def claim(address: str) -> AsyncIterator[Lease]:
    """A connection that can take the lock; leaving frees it.

    Raises `database.UnfitServer` where nothing could be made durable.
    """
    name = NAME + secrets.token_hex(8)
    async with _connect(address, name) as connection:
        yield Lease(address, name, connection)


@asynccontextmanager
async def _connect(address: str, name: str) -> AsyncIterator[asyncpg.Connection]:
    settings = {"application_name": name, **NOTICE_THE_DEAD}
    connection = await database.connect(address, **settings)
    try:
        await database.check_server(connection, **settings)
        yield connection
    finally:
        # Not close(): it waits for the server's goodbye, and a dead server gives none. A server
        # that lives frees the session's lock as soon as it sees the connection closed.
        connection.terminate()

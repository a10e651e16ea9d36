"""Reading PostgreSQL: so many connections and no more, each waited for, each statement bounded.

PostgreSQL shares the machine with the one writer, and its connections with it. A read therefore
waits for a slot for a bounded time (`NoSlot`), and its statements end after `STATEMENT_SECONDS`.
Reads whose work is not bounded by a page of an index (`heavy`) go one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.store.database import SLOT_SECONDS

RETRY_SECONDS = 0.05
STRANGERS_TURNS = 1
KEYED_TURNS = 2
"""How many heavy reads are under way at once."""
REST = 2.0
"""How long a stranger's turn rests, in times of what it took."""
TURN_SECONDS = 5.0
"""How long a request waits for its turn."""
STREAM_TURN_SECONDS = 60.0
"""How long a stream, which is answered already, waits for its next turn."""


class NoSlot(Exception):
    """All that may read at once do, and went on longer than a reader may wait."""


def cause_of(error: Exception) -> BaseException | None:
    """What PostgreSQL or its driver said, whoever passed it on."""
    return error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig else error


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One of the pool's connections, or a new one: whatever is free first; raises `NoSlot`."""
    async with AsyncExitStack() as stack:
        yield await _opened(engine, stack)


async def _opened(engine: AsyncEngine, stack: AsyncExitStack) -> AsyncConnection:
    """As the server has few, it is asked again until one is free."""
    deadline = monotonic() + SLOT_SECONDS
    while True:
        try:
            return await stack.enter_async_context(engine.connect())
        except PoolTimeoutError as error:
            raise NoSlot("all connections for reads are taken") from error
        except (DBAPIError, asyncpg.PostgresError) as error:
            cause = cause_of(error)
            if not isinstance(cause, asyncpg.TooManyConnectionsError):
                raise
            if monotonic() > deadline:
                raise NoSlot("the database takes no more connections") from error
            await asyncio.sleep(RETRY_SECONDS)


class Reads:
    """Snapshots of the committed data, read only."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self._strangers = asyncio.Semaphore(STRANGERS_TURNS)
        self._keyed = asyncio.Semaphore(KEYED_TURNS)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[AsyncConnection]:
        """A connection; raises `NoSlot` when none is free for `SLOT_SECONDS`."""
        async with connected(self._engine) as connection:
            yield connection

    @asynccontextmanager
    async def heavy(
        self, *, keyed: bool = False, patience: float | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """A connection for a read whose work no index bounds; raises `NoSlot` after `patience`
        (in seconds; `TURN_SECONDS` by default).

        Strangers do not wait for those with a key, nor the other way round. A stranger's turn rests
        twice as long as it took: their heavy reads have a third of the time at most.
        """
        turns, rest = (self._keyed, 0.0) if keyed else (self._strangers, REST)
        try:
            async with asyncio.timeout(TURN_SECONDS if patience is None else patience):
                await turns.acquire()
        except TimeoutError as error:
            raise NoSlot("too many reads of this kind are waiting") from error
        began = monotonic()
        try:
            async with self.connect() as connection:
                yield connection
        finally:
            asyncio.get_running_loop().call_later(rest * (monotonic() - began), turns.release)


async def raw(reading: AsyncConnection) -> asyncpg.Connection:
    """The driver's own connection, for loading a part of the state, or for writing."""
    driver: asyncpg.Connection | None = (await reading.get_raw_connection()).driver_connection
    assert driver is not None
    return driver

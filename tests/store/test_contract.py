"""PostgreSQL is a `Store`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.store import database
from app.store.buckets import FlowRow, IntervalRow, VolumeRow
from app.store.candles import CandleRow
from app.store.growing import Growing, Grown
from app.store.owners import OwnerRow
from app.store.rows import Writes
from app.store.store import PostgresStore, Store
from app.store.tables import metadata
from app.store.writer import Writer
from tests.store.contract import Contents, StoreContract

KINDS: dict[str, Any] = {
    "candles": CandleRow, "fund_intervals": IntervalRow, "fund_flows": FlowRow,
    "fund_volumes": VolumeRow, "owner_results": OwnerRow,
}  # fmt: skip
BLOCKED = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Postgres:
    """A database of the test's own; `writers` are the connections that leaders commit over."""

    def __init__(self, address: str, stack: AsyncExitStack, outside: asyncpg.Connection) -> None:
        self._address = address
        self._stack = stack
        self._outside = outside
        self._writers: dict[Store, asyncpg.Connection] = {}

    async def connect(self) -> asyncpg.Connection:
        connection = await database.connect(self._address)
        self._stack.callback(connection.terminate)
        return connection

    async def lead(self) -> Store:
        writer, reader = await self.connect(), await self.connect()
        epoch = await reader.fetchval("UPDATE leadership SET epoch = epoch + 1 RETURNING epoch")
        store = PostgresStore(Writer(writer, epoch, 1), reader)
        self._writers[store] = writer
        return store

    async def contents(self) -> Contents:
        found: Contents = {}
        for name, table in metadata.tables.items():
            key = ", ".join(column.name for column in table.primary_key.columns)
            if name != "leadership":
                rows = await self._outside.fetch(f"SELECT {key} FROM {name}")
                found[name] = {repr(tuple(row)) for row in rows}
        return found

    async def grown(self, name: str) -> Grown[Growing]:
        names = ", ".join(metadata.tables[name].columns.keys())
        rows = [
            KINDS[name](*row) for row in await self._outside.fetch(f"SELECT {names} FROM {name}")
        ]
        return {row.key: row for row in rows}

    async def spoil(self, scope: str, key: str) -> None:
        query = "UPDATE answers SET format = 0 WHERE scope = $1 AND key = $2"
        assert await self._outside.execute(query, scope, key) == "UPDATE 1"

    async def lose(self, store: Store, batch: Writes, *, written: bool) -> None:
        writer = self._writers[store]
        if not written:
            async with self._blocked():
                commit = asyncio.create_task(store.commit(batch))
                pid = await self._waiting()
                await self._outside.execute("SELECT pg_terminate_backend($1)", pid)
                await commit
            return
        before = await self._logged()
        writer._transport.pause_reading()  # type: ignore[attr-defined]
        commit = asyncio.create_task(store.commit(batch))
        while await self._logged() == before:
            await asyncio.sleep(0.01)
        writer.terminate()
        await commit

    @asynccontextmanager
    async def late(self, store: Store, batch: Writes) -> AsyncIterator[None]:
        async with self._blocked():
            commit = asyncio.create_task(store.commit(batch))
            pid = await self._waiting()
            self._writers[store].terminate()
            await asyncio.gather(commit, return_exceptions=True)
            assert await self._waiting() == pid, "the server does not know yet"
            yield
        while await self._outside.fetchval("SELECT 1 FROM pg_stat_activity WHERE pid = $1", pid):
            await asyncio.sleep(0.01)

    async def _logged(self) -> int:
        count: int = await self._outside.fetchval("SELECT count(*) FROM commands")
        return count

    async def _waiting(self) -> int:
        """The first process that waits for a lock."""
        while (pid := await self._outside.fetchval(f"{BLOCKED} ORDER BY state_change")) is None:
            await asyncio.sleep(0.01)
        found: int = pid
        return found

    @asynccontextmanager
    async def _blocked(self) -> AsyncIterator[None]:
        """While the body runs, commits wait at the check of their epoch."""
        connection = await self.connect()
        async with connection.transaction():
            await connection.execute("SELECT FROM leadership FOR UPDATE")
            yield


class TestPostgres(StoreContract):
    @pytest.fixture
    async def house(self, address: str) -> AsyncIterator[Postgres]:
        async with AsyncExitStack() as stack:
            outside = await database.connect(address)
            stack.callback(outside.terminate)
            yield Postgres(address, stack, outside)

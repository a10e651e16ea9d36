"""Writing: one batch, one transaction, and for most batches one round trip.

All of a batch goes into one statement: a data-modifying CTE per table, each fed by arrays, and
first of all the `lease` that checks the leader's epoch. Nothing is written without that row, and a
single statement is a whole transaction. Long lists of records are quicker by COPY: then statement
and COPYs share a transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg

from app.store.rows import Batch, Row, Rows
from app.store.statements import Shape, Verb, arrays, columns, copy_text, statement
from app.store.tables import metadata

COPY_ROWS = 300
"""From this many rows on, a table's records are sent by COPY."""

SETTINGS = {
    # One plan per statement for ever, and never one that was good while a table was empty.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class StaleLeader(Exception):  # noqa: N818 - a state of the world
    """Another leader has raised the epoch: nothing was written."""


class Writer:
    """Commits batches under one epoch, over a connection of its own."""

    def __init__(self, connection: asyncpg.Connection, epoch: int) -> None:
        self._connection = connection
        self._epoch = epoch
        self._statements: dict[Shape, Any] = {}

    async def commit(self, batch: Batch) -> None:
        """Make a batch durable, whole or not at all; raises `StaleLeader` if the epoch has moved.

        After any other exception the outcome is unknown (the commit may have happened).
        """
        if batch.empty:
            return
        appends = dict(batch.appends)
        if batch.commands:
            appends["commands"] = [(*row[:2], self._epoch, *row[2:]) for row in batch.commands]
        long = {name: rows for name, rows in appends.items() if len(rows) >= COPY_ROWS}
        if not long:
            await self._write(batch, appends)
            return
        async with self._connection.transaction():
            await self._write(batch, {n: rows for n, rows in appends.items() if n not in long})
            for name, rows in long.items():
                await self._copy(name, rows)

    async def _write(self, batch: Batch, appends: Rows) -> None:
        """All but the long lists, in one statement."""
        parts: dict[tuple[Verb, str], list[Row]] = {}
        parts |= {("upsert", name): rows for name, rows in batch.upserts.items()}
        parts |= {("delete", name): rows for name, rows in batch.deletes.items()}
        parts |= {("insert", name): rows for name, rows in appends.items()}
        shape = tuple(sorted(parts))
        prepared = self._statements.get(shape) or await self._prepare(shape)
        values: list[Any] = [self._epoch, batch.sequence, batch.time, *batch.counters]
        for verb, name in shape:
            values += arrays(columns(verb, metadata.tables[name]), parts[verb, name])
        if await prepared.fetchval(*values) is None:
            raise StaleLeader(f"epoch {self._epoch} no longer leads")

    async def _prepare(self, shape: Shape) -> Any:
        """Prepare the statement for a set of tables, and keep it: there are few such sets."""
        if not self._statements:
            for name, value in SETTINGS.items():
                await self._connection.execute(f"SET {name} = {value}")
        self._statements[shape] = await self._connection.prepare(statement(shape))
        return self._statements[shape]

    async def _copy(self, name: str, rows: Sequence[Row]) -> None:
        table = metadata.tables[name]
        await self._connection.copy_to_table(
            name, source=_once(copy_text(table, rows)), columns=table.columns.keys(), format="text"
        )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data

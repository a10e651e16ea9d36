"""Writing: one batch, one statement: one round trip, one transaction, one flush to disk.

The statement is a data-modifying CTE per table, each fed by arrays, and first of all the `lease`
that checks the leader's epoch. Nothing is written without that row, and a single statement is a
whole transaction. For long lists too it takes the service half the time of COPY, and PostgreSQL no
longer.
"""

from __future__ import annotations

from typing import Any, cast

import asyncpg

from app.store.rows import TableRow, Writes
from app.store.statements import Shape, Verb, arrays, statement
from app.store.tables.log import CommandRow

SETTINGS = {
    # One plan per statement for ever, and never one that was good while a table was empty.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class StaleLeader(Exception):
    """Another leader has raised the epoch: nothing was written."""


class Writer:
    """Commits batches under one epoch and version of the rules, over a connection of its own."""

    def __init__(self, connection: asyncpg.Connection, epoch: int, rules_version: int) -> None:
        self._connection = connection
        self._epoch = epoch
        self._rules_version = rules_version
        self._statements: dict[Shape, Any] = {}

    async def commit(self, batch: Writes) -> None:
        """Make a batch durable, whole or not at all; raises `StaleLeader` if the epoch has moved.

        After any other exception the outcome is unknown (the commit may have happened).
        """
        if batch.empty:
            return
        parts = self._parts(batch)
        shape = tuple(sorted(parts))
        prepared = self._statements.get(shape) or await self._prepare(shape)
        values: list[Any] = [self._epoch, batch.sequence, batch.time, *batch.counters]
        for verb, name in shape:
            values += arrays(verb, name, parts[verb, name])
        if await prepared.fetchval(*values) is None:
            raise StaleLeader(f"epoch {self._epoch} no longer leads")

    def _parts(self, batch: Writes) -> dict[tuple[Verb, str], list[TableRow]]:
        """The rows of a batch by what is done with them."""
        parts: dict[tuple[Verb, str], list[TableRow]] = {}
        parts |= {("upsert", name): rows for name, rows in batch.upserts.items()}
        parts |= {("delete", name): rows for name, rows in batch.deletes.items()}
        parts |= {("insert", name): rows for name, rows in batch.appends.items()}
        merges = cast("dict[str, list[TableRow]]", batch.merges)
        parts |= {("merge", name): rows for name, rows in merges.items()}
        if batch.commands:
            parts["insert", "commands"] = [
                CommandRow(
                    sequence=sequence,
                    time=time,
                    epoch=self._epoch,
                    kind=kind,
                    body=body,
                    rules_version=self._rules_version,
                )
                for sequence, time, kind, body in batch.commands
            ]
        return parts

    async def _prepare(self, shape: Shape) -> Any:
        """Prepare the statement for a set of tables, and keep it: there are few such sets."""
        if not self._statements:
            for name, value in SETTINGS.items():
                await self._connection.execute(f"SET {name} = {value}")
        self._statements[shape] = await self._connection.prepare(statement(shape))
        return self._statements[shape]

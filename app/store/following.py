"""What a standby reads: the log as it goes on, and the rows that it should leave (REC-3).

The rows are the tables' own, which the next start would load: so a replay is compared with what
became durable, and a leader does nothing for it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import JSON, Numeric
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.engine.commands import Command
from app.engine.outcome import Kept
from app.engine.state import Counters
from app.store import codec
from app.store.rows import QUANTITY, TableRow, state_rows
from app.store.rowsource import RowSource
from app.store.tables import COUNTERS, OF_THE_TERM, metadata

FETCHED = 500
"""Commands fetched at a time."""
COMPARED = 1_000
"""Rows compared at a time."""

PLAN = """
    SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off; SET LOCAL jit = off
"""
"""A few rows are wanted, by their keys, of tables of any size."""

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]


class Followed(NamedTuple):
    """One command of the log, as it was committed."""

    sequence: int
    time: datetime
    epoch: int
    kind: str
    body: str
    rules_version: int

    def command(self) -> Command:
        """The command itself; raises whatever its text makes of it."""
        return codec.decode_command(self.kind, self.body)


_ENTRY = "sequence, time, epoch, kind, body::text, rules_version"


@asynccontextmanager
async def one_moment(connection: asyncpg.Connection) -> AsyncIterator[tuple[datetime, Counters]]:
    """What is committed stands still meanwhile; yields the last command's time and counters."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(PLAN)
        row = await connection.fetchrow("SELECT * FROM leadership")
        assert row is not None, "the migrations put it there"
        last = {name: row[f"last_{name}"] for name in COUNTERS}
        yield row["time"], Counters(row["sequence"], **last)


async def entries(connection: asyncpg.Connection, after: int) -> AsyncGenerator[Followed, None]:
    """The commands after one, in order; within `one_moment`."""
    query = f"SELECT {_ENTRY} FROM commands WHERE sequence > $1 ORDER BY sequence"  # noqa: S608 - names of our own
    async for row in connection.cursor(query, after, prefetch=FETCHED):
        yield Followed(*row)


async def entry(connection: asyncpg.Connection, sequence: int) -> Followed | None:
    """A command of the log; None where there is none."""
    query = f"SELECT {_ENTRY} FROM commands WHERE sequence = $1"  # noqa: S608 - names of our own
    row = await connection.fetchrow(query, sequence)
    return Followed(*row) if row else None


async def term_until(connection: asyncpg.Connection, until: int) -> list[Followed]:
    """How the term of command `until` is led up to then, `Recover` first."""
    query = f"""
        SELECT {_ENTRY} FROM commands WHERE {OF_THE_TERM} AND sequence <= $1
        AND sequence >= (SELECT max(sequence) FROM commands
                         WHERE {OF_THE_TERM} AND kind = 'Recover' AND sequence <= $1)
        ORDER BY sequence
    """  # noqa: S608 - names of our own
    return [Followed(*row) for row in await connection.fetch(query, until)]


async def unlike(
    connection: asyncpg.Connection, touched: Iterable[Kept]
) -> AsyncGenerator[str | None, None]:
    """Compare the rows of what was touched, some at a time; yields what differs, or None.

    Within `one_moment`, which must be that of the state they belong to.
    """
    for name, rows in state_rows(touched).items():
        table = _Table(name)
        left = iter(rows.items())
        while some := dict(islice(left, COMPARED)):
            yield await table.unlike(connection, some)


class _Table:
    """How the rows of a table are found and compared."""

    def __init__(self, name: str) -> None:
        self._name = name
        table = metadata.tables[name]
        keys = list(table.primary_key.columns)
        arrays = [
            f"${number}::{column.type.compile(_DIALECT)}[]"
            for number, column in enumerate(keys, start=1)
        ]
        same = " AND ".join(f"{column.name} = wanted_{column.name}" for column in keys)
        names = ", ".join(f"wanted_{column.name}" for column in keys)
        self._wanted = f"JOIN unnest({', '.join(arrays)}) AS wanted ({names}) ON {same}"
        self._keys = len(keys)
        self._columns = table.columns.keys()
        self._json = [isinstance(column.type, JSON) for column in table.columns]
        self._decimal = [isinstance(column.type, Numeric) for column in table.columns]

    async def unlike(
        self, connection: asyncpg.Connection, rows: dict[TableRow, TableRow]
    ) -> str | None:
        """What differs from these rows by key, if anything; one without quantity is none."""
        quantity = QUANTITY.get(self._name)
        keys = [list(values) for values in zip(*rows, strict=True)]
        records = await RowSource(connection).fetch(self._name, self._wanted, *keys)
        found = {row[: self._keys]: row for row in map(self._found, records)}
        for key, row in rows.items():
            gone = quantity is not None and not row[quantity]
            wanted = None if gone else self._expected(row)
            if found.get(key) != wanted:
                return self._text(key, wanted, found.get(key))
        return None

    def _found(self, record: Iterable[Any]) -> TableRow:
        values = [
            Decimal(value) if decimal and value is not None else value
            for value, decimal in zip(record, self._decimal, strict=True)
        ]
        return self._expected(tuple(values))

    def _expected(self, row: TableRow) -> TableRow:
        if not any(self._json):
            return row
        return tuple(
            json.loads(value) if is_json else value
            for value, is_json in zip(row, self._json, strict=True)
        )

    def _text(self, key: TableRow, wanted: TableRow | None, found: TableRow | None) -> str:
        row = f"{self._name} {'/'.join(map(str, key))}"
        if wanted is None or found is None:
            return f"{row} is {'there' if found else 'missing'}"
        return f"{row}: {', '.join(self._differing(wanted, found))}"

    def _differing(self, wanted: TableRow, found: TableRow) -> Iterator[str]:
        for name, value, stored in zip(self._columns, wanted, found, strict=True):
            if value != stored:
                yield f"{name} is {stored}, and {value} here"

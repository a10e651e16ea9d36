"""The SQL that a commit sends, and its values as PostgreSQL writes them.

Every value travels as text, a column as one array literal: PostgreSQL parses its own notation
more quickly than a driver encodes decimals one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any, Literal

from sqlalchemy import JSON, Column, Table, Text
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.store.rows import Row
from app.store.tables import COUNTERS, metadata

Verb = Literal["delete", "insert", "upsert"]
Shape = tuple[tuple[Verb, str], ...]
"""What a statement writes: verbs with tables, sorted."""

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_SPECIAL = re.compile(r"[\\\t\n\r]")


def statement(shape: Shape) -> str:
    """One statement that writes to these tables, or to none when the epoch has moved.

    Its parameters are epoch, sequence, time, the counters, then `arrays` of each table in order.
    It returns a row only when the epoch leads. All its parts see the tables as they were before.
    """
    number = count(4)
    counters = ", ".join(f"last_{name} = ${next(number)}" for name in COUNTERS)
    changes = f"sequence = $2, time = COALESCE($3, time), {counters}"
    steps = [f"lease AS (UPDATE leadership SET {changes} WHERE epoch = $1 RETURNING epoch)"]  # noqa: S608 - names of our own
    for verb, name in shape:
        table = metadata.tables[name]
        sent = columns(verb, table)
        values = ", ".join(f"${next(number)}::text::{_type(column)}[]" for column in sent)
        source = f"lease, unnest({values}) AS new ({_names(sent)})"
        steps.append(f"{verb}_{name} AS ({_write(verb, table, source)})")
    return f"WITH {', '.join(steps)} SELECT epoch FROM lease"  # noqa: S608 - names of our own


def columns(verb: Verb, table: Table) -> list[Column[Any]]:
    """The columns that are sent for each row: to delete, the primary key is enough."""
    return list(table.primary_key.columns if verb == "delete" else table.columns)


def arrays(sent: Iterable[Column[Any]], rows: Sequence[Row]) -> Iterator[str]:
    """An array literal per column."""
    for column, values in zip(sent, zip(*rows, strict=True), strict=True):
        texts = _texts(values, "NULL", _quoted if _is_text(column) else str)
        yield "{" + ",".join(texts) + "}"


def copy_text(table: Table, rows: Sequence[Row]) -> bytes:
    """Rows in COPY's text format."""
    fields = [
        _texts(values, "\\N", _escaped if _is_text(column) else str)
        for column, values in zip(table.columns, zip(*rows, strict=True), strict=True)
    ]
    return "\n".join(map("\t".join, zip(*fields, strict=True))).encode()


def _write(verb: Verb, table: Table, source: str) -> str:
    key = list(table.primary_key.columns)
    if verb == "delete":
        same = " AND ".join(f"old.{column.name} = new.{column.name}" for column in key)
        return f"DELETE FROM {table.name} AS old USING {source} WHERE {same}"  # noqa: S608 - names of our own
    names = _names(table.columns)
    insert = f"INSERT INTO {table.name} ({names}) SELECT new.* FROM {source}"  # noqa: S608 - names of our own
    if verb == "insert":
        return insert
    rest = [column.name for column in table.columns if not column.primary_key]
    changes = ", ".join(f"{name} = excluded.{name}" for name in rest)
    return f"{insert} ON CONFLICT ({_names(key)}) DO UPDATE SET {changes}"


def _names(of: Iterable[Column[Any]]) -> str:
    return ", ".join(column.name for column in of)


def _type(column: Column[Any]) -> str:
    return column.type.compile(_DIALECT)


def _is_text(column: Column[Any]) -> bool:
    """Whether the column's values can hold any character."""
    return isinstance(column.type, Text | JSON)


def _texts(values: Iterable[Any], null: str, write: Callable[[Any], str]) -> list[str]:
    return [null if value is None else write(value) for value in values]


def _quoted(value: str) -> str:
    """An element of an array literal."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _escaped(value: str) -> str:
    """A field of COPY's text format."""
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], value)

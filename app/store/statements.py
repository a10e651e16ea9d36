"""The SQL that a commit sends, and its values as PostgreSQL writes them.

Every value travels as text, a column as one array literal: PostgreSQL parses its own notation
more quickly than a driver encodes decimals one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import count
from typing import Any, Literal

from sqlalchemy import JSON, Column, DateTime, Table, Text
from sqlalchemy.dialects.postgresql.base import PGDialect

from app.store.rows import TableRow
from app.store.tables import COUNTERS, MERGED, metadata

Verb = Literal["delete", "insert", "merge", "upsert"]
Shape = tuple[tuple[Verb, str], ...]
"""What a statement writes: verbs with tables, sorted."""

_DIALECT = PGDialect()  # type: ignore[no-untyped-call]


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
        # Selected side by side, arrays are walked in step; in FROM each is first stored as a table.
        values = ", ".join(
            f"unnest(${next(number)}::text::{column.type.compile(_DIALECT)}[]) AS {column.name}"
            for column in _sent(verb, table)
        )
        rows = f"SELECT {values} FROM lease"  # noqa: S608 - names of our own
        steps.append(f"{verb}_{name} AS ({_write(verb, table, rows)})")
    return f"WITH {', '.join(steps)} SELECT epoch FROM lease"  # noqa: S608 - names of our own


def arrays(verb: Verb, name: str, rows: Sequence[TableRow]) -> Iterator[str]:
    """An array literal for each column that is sent to a table."""
    for column, values in zip(_columns(verb, name), zip(*rows, strict=True), strict=True):
        write, nullable = column
        if nullable and None in values:
            texts = ",".join(["NULL" if value is None else write(value) for value in values])
        elif write is _quoted:
            texts = _all_quoted(values)
        else:
            texts = ",".join(map(write, values))
        yield "{" + texts + "}"


def _write(verb: Verb, table: Table, rows: str) -> str:
    key = list(table.primary_key.columns)
    if verb == "delete":
        same = " AND ".join(f"old.{column.name} = new.{column.name}" for column in key)
        return f"DELETE FROM {table.name} AS old USING ({rows}) AS new WHERE {same}"  # noqa: S608 - names of our own
    insert = f"INSERT INTO {table.name} AS old ({_names(table.columns)}) {rows}"
    if verb == "insert":
        return insert
    rest = [column.name for column in table.columns if not column.primary_key]
    values = MERGED[table.name] if verb == "merge" else {name: f"excluded.{name}" for name in rest}
    changes = ", ".join(f"{name} = {value}" for name, value in values.items())
    return f"{insert} ON CONFLICT ({_names(key)}) DO UPDATE SET {changes}"


def _sent(verb: Verb, table: Table) -> list[Column[Any]]:
    """The columns that are sent for each row: to delete, the primary key is enough."""
    return list(table.primary_key.columns if verb == "delete" else table.columns)


def _names(of: Iterable[Column[Any]]) -> str:
    return ", ".join(column.name for column in of)


@cache
def _columns(verb: Verb, name: str) -> list[tuple[Callable[[Any], str], bool]]:
    """How a value of each column that is sent is written, and whether there may be none."""
    sent = _sent(verb, metadata.tables[name])
    return [(_writer(column), bool(column.nullable)) for column in sent]


def _writer(column: Column[Any]) -> Callable[[Any], str]:
    if isinstance(column.type, Text | JSON):
        return _quoted
    return _moment if isinstance(column.type, DateTime) else str


# A batch has the same few moments in many rows, and nothing else takes as long to write.
_moment = lru_cache(maxsize=1024)(str)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _all_quoted(values: Sequence[str]) -> str:
    """Texts, whatever characters they have; most have none to escape and are joined at once."""
    joined = '","'.join(values)
    if "\\" in joined or joined.count('"') > 2 * (len(values) - 1):
        return ",".join(map(_quoted, values))
    return f'"{joined}"'

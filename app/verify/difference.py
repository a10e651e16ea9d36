"""Where replay and tables part, and how a row of each is compared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, Numeric

from app.engine.numbers import plain
from app.store.rows import TableRow
from app.store.tables import metadata

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not what the replay says.

    `command` is the sequence number of the command that wrote it last in the replay; None where
    none did, and of a candle, which many do. `values` are (column, recomputed, in the table), as
    text, of the columns that differ.
    """

    command: int | None
    table: str
    key: str
    what: str
    values: tuple[tuple[str, str, str], ...] = ()


class Differs(Exception):
    """Replay and tables part here."""

    def __init__(self, difference: Difference) -> None:
        super().__init__(difference)
        self.difference = difference


class Layout:
    """How rows of a table are read and compared: key columns first, JSON by its content."""

    def __init__(self, table: str) -> None:
        self.table = table
        columns = metadata.tables[table].columns
        self.names = columns.keys()
        self.keys = self.names[: len(metadata.tables[table].primary_key.columns)]
        self._json = [n for n, column in enumerate(columns) if isinstance(column.type, JSON)]
        self._decimals = [n for n, column in enumerate(columns) if isinstance(column.type, Numeric)]
        self._selected = ", ".join(
            f"{name}::text" if n in self._json or n in self._decimals else name
            for n, name in enumerate(self.names)
        )

    def select(self, rest: str = "") -> str:
        """A query for all columns, decimals and JSON as text."""
        return f"SELECT {self._selected} FROM {self.table} {rest}"  # noqa: S608 - names of our own

    def in_order(self, where: str = "") -> str:
        """A query for rows in the order of the primary key."""
        return self.select(f"{where} ORDER BY {', '.join(self.keys)}")

    def key(self, row: TableRow) -> Key:
        """The primary key of a row."""
        return row[: len(self.keys)]

    def found(self, record: Iterable[Any]) -> TableRow:
        """A row as `select` gave it, with its values."""
        row = list(record)
        for n in self._decimals:
            if row[n] is not None:
                row[n] = Decimal(row[n])
        return self.expected(tuple(row))

    def expected(self, row: TableRow) -> TableRow:
        """A row as the store would write it, with its values."""
        if not self._json:
            return row
        values = list(row)
        for n in self._json:
            values[n] = json.loads(values[n])
        return tuple(values)

    def differs(
        self, expected: TableRow, found: TableRow, command: int | None = None
    ) -> Difference:
        """Two unlike rows of the same key."""
        return Difference(
            command,
            self.table,
            self.shown(expected),
            "differs",
            tuple(self._unlike(expected, found)),
        )

    def missing(self, expected: TableRow, command: int | None = None) -> Difference:
        """A row that is not in the table."""
        return Difference(command, self.table, self.shown(expected), "is missing in the table")

    def unknown(self, found: TableRow) -> Difference:
        """A row that no command wrote."""
        what = "is in the table, but no command of the log leaves it"
        return Difference(None, self.table, self.shown(found), what)

    def shown(self, row: TableRow) -> str:
        """The key of a row, for the operator."""
        return ", ".join(map(text, self.key(row)))

    def _unlike(self, expected: TableRow, found: TableRow) -> Iterator[tuple[str, str, str]]:
        for name, wanted, value in zip(self.names, expected, found, strict=True):
            if wanted != value:
                yield name, text(wanted), text(value)


def text(value: object) -> str:
    """A value for the operator."""
    if value is None:
        return "nothing"
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)

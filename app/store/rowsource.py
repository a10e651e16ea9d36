"""The rows of the state tables as the loader reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import JSON, Numeric

from app.store.snapshots import Snapshot, rows_of
from app.store.tables import metadata

CHUNK = 10_000
"""Rows fetched at a time: other tasks run between chunks."""
T = TypeVar("T")


class RowSource:
    """Rows of the state tables: the live ones, or those of a snapshot.

    All columns in the order of the declaration, which is that of the fields, with decimals and JSON
    as text. Decimals are read more quickly so; JSON, because not every connection leaves it
    encoded.
    """

    def __init__(self, connection: asyncpg.Connection, snapshot: Snapshot | None = None) -> None:
        self.connection = connection
        self._snapshot = snapshot

    async def fetch(self, name: str, rest: str = "", *values: object) -> list[Any]:
        """The rows of a table, at once."""
        rows: list[Any] = await self.connection.fetch(self._select(name, rest), *values)
        return rows

    async def chunks(
        self, name: str, rest: str = "", *values: object
    ) -> AsyncIterator[Sequence[Any]]:
        """The rows of a table, by chunks."""
        cursor = await self.connection.cursor(self._select(name, rest), *values)
        while chunk := await cursor.fetch(CHUNK):
            yield chunk

    def _select(self, name: str, rest: str) -> str:
        columns = ", ".join(
            f"{column.name}::text" if isinstance(column.type, JSON | Numeric) else column.name
            for column in metadata.tables[name].columns
        )
        return f"SELECT {columns} FROM {rows_of(name, self._snapshot)} {rest}"  # noqa: S608 - names of our own


DECIMALS = {
    name: [column.name for column in table.columns if isinstance(column.type, Numeric)]
    for name, table in metadata.tables.items()
}


def exact(kept: T, table: str) -> T:
    """An object made of a row, its decimals read."""
    for name in DECIMALS[table]:
        text = getattr(kept, name)
        if text is not None:
            setattr(kept, name, Decimal(text))
    return kept

"""What the HTTP layer reads: selects over committed rows, one module per resource.

Lists are newest first (or by name) and continue behind the last row of the page before; they give
at most `limit` rows. Rows are mappings by column name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, RowMapping, Select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

Row = Mapping[Any, Any]
Rows = Sequence[RowMapping]

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
AFTER_ALL = datetime(9999, 1, 1, tzinfo=UTC)
"""Bounds of a list by intervals that has none."""

WALK_INDEX = text("""
SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true)
""")
"""For this transaction: walk the index from where the answer is. Without statistics (new rows, not
analysed yet) PostgreSQL would gather and sort all that there is, a fund's whole history say."""


async def newest(
    connection: AsyncConnection,
    query: Select[Any],
    place: Sequence[Column[Any]],
    limit: int,
    before: tuple[Any, ...] | None,
) -> Rows:
    """The rows of a query by `place`, newest first; `before` is the place of the last one seen."""
    query = query.order_by(*(column.desc() for column in place)).limit(limit)
    if before is not None:
        query = query.where(tuple_(*place) < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows

"""What a list gives, as JSON that PostgreSQL writes, in the words of every answer.

A page of 1,000 made of objects would stop the event loop for 20 to 50 ms; joined texts for one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Numeric, Text, func, literal

Names = Collection[str]
"""What an answer shows of a row, in order: nothing that is kept is shown unless it is named."""

KEPT_AS = {"fund": "fund_id"}
"""Under which name is kept what has another one in answers."""


def item(names: Names, columns: Iterable[ColumnElement[Any]]) -> ColumnElement[str]:
    """An object of these names, of the columns that are called so, as `item`."""
    held = {column.key: column for column in columns}
    parts: list[Any] = []
    for name in names:
        column = held[KEPT_AS.get(name, name)]
        parts += [literal(name, Text), _value(name, column)]
    return func.json_build_object(*parts).cast(Text).label("item")


def text_of(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column in the very words that were hashed (HIS-4): none of them needs quoting in CSV."""
    if isinstance(column.type, Numeric):
        return func.trim_scale(column).cast(Text)
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    return column.cast(Text)


def _value(name: str, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """Decimals, times and identifiers are strings, as in `app/api/schemas/base.py`."""
    is_text = isinstance(column.type, Numeric | DateTime) or name.endswith("_id")
    return text_of(column) if is_text else column

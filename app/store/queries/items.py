"""What a list gives, as JSON that PostgreSQL writes, in the words of every answer.

A page of 1,000 made of objects would stop the event loop for 20 to 50 ms; joined texts for one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Numeric, Text, func, literal_column
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

Names = Collection[str]
"""What an answer shows of a row, in order: nothing that is kept is shown unless it is named."""

KEPT_AS = {"fund": "fund_id"}
"""Under which name is kept what has another one in answers."""


WORDS = frozenset({
    "account_id", "adl_policy", "asset", "fund_id", "hash", "kind", "outcome", "previous_hash",
    "side", "symbol", "wallet",
})  # fmt: skip
"""Columns of words and names in which no sign has to be escaped: what may be in them says so."""


def item(names: Names, columns: Iterable[ColumnElement[Any]]) -> ColumnElement[str]:
    """An object of these names, of the columns that are called so, as `item`.

    The columns are the same objects for each request: what is written of them is kept as SQL, for
    it takes longer to put together than to ask. They have to read so by themselves.
    """
    return literal_column(_sql(tuple(names), tuple(columns)), Text).label("item")


def item_anew(names: Names, columns: Iterable[ColumnElement[Any]]) -> ColumnElement[str]:
    """The same, of columns that a request has for itself."""
    return _object(names, columns).label("item")


@cache
def _sql(names: tuple[str, ...], columns: tuple[ColumnElement[Any], ...]) -> str:
    dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
    found = _object(names, columns).compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    return str(found)


def _object(names: Names, columns: Iterable[ColumnElement[Any]]) -> ColumnElement[str]:
    """Written into a form: `json_build_object` takes twice as long, most of what a long page
    does."""
    held = {column.key: column for column in columns}
    form = ",".join(f'"{name}":%s' for name in names)
    values = (_value(name, held[KEPT_AS.get(name, name)]) for name in names)
    return func.format(_constant(f"{{{form}}}"), *values)


def text_of(column: ColumnElement[Any]) -> ColumnElement[str]:
    """A column in the very words that were hashed (HIS-4): none of them needs quoting in CSV."""
    if isinstance(column.type, Numeric):
        return func.trim_scale(column).cast(Text)
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
    return column.cast(Text)


def _value(name: str, column: ColumnElement[Any]) -> ColumnElement[str]:
    """Decimals, times and identifiers are strings, as in `app/api/schemas/base.py`."""
    if isinstance(column.type, Numeric | DateTime) or name.endswith("_id") or column.key in WORDS:
        written = _constant('"') + text_of(column) + _constant('"')
    elif isinstance(column.type, Text):
        written = func.to_json(column).cast(Text)
    else:
        written = column.cast(Text)
    return func.coalesce(written, _constant("null"))


def _constant(text: str) -> ColumnElement[str]:
    """In the statement itself: not one more parameter of each."""
    return literal_column("'" + text.replace("'", "''") + "'", Text)

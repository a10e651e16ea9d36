"""What tables are made of: columns, most of them of what they keep, and CHECKs for the laws.

A record or kept object is declared once, in the engine. Its fields become columns of the same names
here, its attributes the values of a row in `rows`, the row an object again in `loader`. So the
order of columns is that of the fields, the key first; which order PostgreSQL has them in means
nothing, for every statement names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    Numeric,
    Text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)


TYPES: dict[Any, TypeEngine[Any]] = {
    str: Text(),
    int: BigInteger(),
    bool: Boolean(),
    Decimal: Numeric(),
    datetime: DateTime(timezone=True),
}
"""Of fields; a Literal is text, and all else JSON."""


def columns(
    kind: type,
    *names: str,
    but: str | None = None,
    key: int = 0,
    within: str | None = None,
    **types: TypeEngine[Any],
) -> Iterator[Column[Any] | CheckConstraint]:
    """The fields of a class as columns: all (`but` one), or those named, with a CHECK for Literals.

    The first `key` of them are the primary key. `types` are those of fields that have another than
    their hint says. `within` is the attribute of the kept object that holds an object of the class.
    """
    hints = get_type_hints(kind)
    for number, name in enumerate(names or [name for name in hints if name != but]):
        hint, null = _without_none(hints[name])
        words = get_origin(hint) is Literal
        yield Column(
            name,
            types.get(name) or (Text() if words else TYPES.get(hint, JSON())),
            primary_key=number < key,
            nullable=null,
            autoincrement=False,
            info={"attribute": f"{within}.{name}" if within else name},
        )
        if words:
            yield one_of(name, hint)


def _without_none(hint: Any) -> tuple[Any, bool]:
    """The type of a field that may be None, and whether it may."""
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    (kind,) = (one for one in get_args(hint) if one is not NoneType)
    return kind, True


def text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    """A column of text."""
    return Column(name, Text, primary_key=key, nullable=null)


def number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """A column of whole numbers: the engine's own identifiers and counts."""
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def moment(name: str, *, null: bool = False) -> Column[Any]:
    """A column of points in time."""
    return Column(name, DateTime(timezone=True), nullable=null)


def law(name: str, condition: str) -> CheckConstraint:
    """A CHECK."""
    return CheckConstraint(condition, name=name)


def one_of(column: str, literal: object) -> CheckConstraint:
    """The column holds one of the words of the engine's Literal."""
    words = ", ".join(f"'{word}'" for word in get_args(literal))
    return law(column, f"{column} IN ({words})")


def booked(*columns: str) -> CheckConstraint:
    """Amounts as they are booked: finite, with at most eight decimals (NUM-2).

    `min_scale` is null for NaN and the infinities.
    """
    return law("booked", " AND ".join(f"COALESCE(min_scale({name}), 9) <= 8" for name in columns))


def positive(*columns: str) -> CheckConstraint:
    """Finite and above zero; PostgreSQL sorts NaN above infinity."""
    return law("positive", " AND ".join(f"{name} > 0 AND {name} < 'Infinity'" for name in columns))

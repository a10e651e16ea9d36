"""What tables are made of: columns, and CHECKs for the engine's laws."""

from __future__ import annotations

from typing import Any, get_args

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, MetaData, Numeric, Text

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ck": "%(table_name)s_%(constraint_name)s",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)


def text(name: str, *, null: bool = False, key: bool = False) -> Column[str]:
    """A column of text."""
    return Column(name, Text, primary_key=key, nullable=null)


def number(name: str, *, null: bool = False, key: bool = False) -> Column[int]:
    """A column of whole numbers: the engine's own identifiers and counts."""
    return Column(name, BigInteger, primary_key=key, nullable=null, autoincrement=False)


def decimal(name: str, *, null: bool = False) -> Column[Any]:
    """A column of exact decimals of any size (NUM-1)."""
    return Column(name, Numeric, nullable=null)


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

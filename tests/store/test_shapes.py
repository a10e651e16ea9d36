"""What is declared once in the engine is a table, a row and an object again, all by name."""

from __future__ import annotations

import json
from dataclasses import is_dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from sqlalchemy import JSON

from app.engine.commands.leaders import Recover
from app.engine.events import AdlEvent, Deleveraged
from app.engine.outcome import Kept, Outcome, Record
from app.engine.state import State
from app.engine.traders import Position, Wallet
from app.store import codec
from app.store.rows import collect
from app.store.tables import metadata
from tests.store.states import START

Described = dict[str, Any]
"""A row: values by the names of the columns."""

numbers = count(1)


def hints_of(kind: Any) -> dict[str, Any]:
    """Its fields with their types, some of which its module knows only when types are checked."""
    return get_type_hints(kind, localns={"Position": Position})


def made(hint: Any) -> Any:
    """A value of a declared type, unlike any other; of a class, with all its fields."""
    origin, inner = get_origin(hint), get_args(hint)
    number = next(numbers)
    simple = {
        str: f"text {number}", int: number, bool: number % 2 == 0, Decimal: Decimal(number),
        datetime: START + timedelta(seconds=number),
    }  # fmt: skip
    if hint in simple:
        return simple[hint]
    if origin is Literal:
        return inner[number % len(inner)]
    if is_dataclass(hint) or hasattr(hint, "_fields"):
        kind: Any = hint
        return kind(**{name: made(each) for name, each in hints_of(hint).items()})
    if origin is dict:
        return {made(inner[0]): made(inner[1])}
    if origin in (tuple, list):
        return origin(made(each) for each in inner if each is not Ellipsis)
    return made(inner[0]) if inner else None  # or None


def rows_of(outcome: Outcome) -> dict[str, list[Described]]:
    """The rows of an outcome, by table."""
    batch = collect([outcome], (), State().counters)
    return {
        name: [dict(zip(metadata.tables[name].columns.keys(), row, strict=True)) for row in rows]
        for name, rows in {**batch.appends, **batch.upserts}.items()
    }


def check(row: Described, table: str, *declared: object) -> None:
    """Each column has what the attribute of its name has, in the one of these that has it."""
    for column in metadata.tables[table].columns:
        (value,) = (getattr(one, column.name) for one in declared if hasattr(one, column.name))
        if isinstance(column.type, JSON):
            assert json.loads(row[column.name]) == plain(value), column
        else:
            assert row[column.name] == value, column


def plain(value: Any) -> Any:
    """A value as JSON: wallets by their keys, named tuples as lists and brackets as objects."""
    if isinstance(value, Wallet):
        return value.key
    if isinstance(value, Decimal):
        return str(value)
    if is_dataclass(value):
        return codec.to_json(type(value), value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


@pytest.mark.parametrize("kind", get_args(Record))
def test_each_field_of_a_record_is_in_the_column_of_its_name(kind: type[Record]) -> None:
    """Whatever their order: no two values of one type can change places."""
    record = made(kind)
    outcome = Outcome(1, START, Recover(), records=[record])
    rows = rows_of(outcome)
    parts = rows.pop("adl_counterparties", [])
    ((table, (row,)),) = rows.items()
    check(row, table, record)
    if isinstance(record, AdlEvent):
        for number, (part, stored) in enumerate(zip(record.counterparties, parts, strict=True), 1):
            assert isinstance(part, Deleveraged)
            assert (stored.pop("adl_event_id"), stored.pop("number")) == (
                record.adl_event_id, number
            )  # fmt: skip
            assert stored == part._asdict()


@pytest.mark.parametrize("kind", get_args(Kept))
def test_each_kept_field_is_in_the_column_of_its_name(kind: type[Kept]) -> None:
    """Of an object, or of what it holds: a contract's terms, a fund's policy, a registered key."""
    kept = made(kind)
    outcome = Outcome(1, START, Recover(), touched={kept: None})
    ((table, (row,)),) = rows_of(outcome).items()
    names = ("contract", "policy", "key")
    held = [getattr(kept, name) for name in names if is_dataclass(getattr(kept, name, None))]
    check(row, table, kept, *held)


@pytest.mark.parametrize("kind", get_args(Kept))
def test_what_is_kept_is_a_thing(kind: type[Kept]) -> None:
    """Of equal values the first would stand for the last: A, B and A again would be stored as B."""
    assert kind.__eq__ is object.__eq__


def test_keys_lead() -> None:
    """The columns of a key are the first ones: a row begins with it."""
    for table in metadata.tables.values():
        keys = [column.name for column in table.primary_key]
        assert table.columns.keys()[: len(keys)] == keys, table

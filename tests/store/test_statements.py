"""A batch's values as PostgreSQL reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.store.statements import arrays
from tests.store.states import NASTY

TEXTS = ["plain", "", "NULL", "null", " ", ",", "{}", '"', '""', "\\", '\\"', '","', "end\\", NASTY]
EAST = timezone(timedelta(hours=5, minutes=30))
MOMENT = datetime(2026, 1, 1, 23, 59, 59, 1, UTC)


async def read(connection: asyncpg.Connection, type_: str, literal: str) -> list[Any]:
    """An array literal as PostgreSQL understands it."""
    values: list[Any] = await connection.fetchval(f"SELECT $1::text::{type_}[]", literal)
    return values


@pytest.mark.parametrize("some", [[text] for text in TEXTS] + [TEXTS, TEXTS[:1] * 3])
async def test_text_is_text(connection: asyncpg.Connection, some: list[str]) -> None:
    """Whatever it holds: alone, among others, and beside columns of nothing."""
    rows = [(text, text, text, text, None, MOMENT, None) for text in some]
    literals = list(arrays("upsert", "api_keys", rows))
    assert await read(connection, "text", literals[1]) == some
    assert await read(connection, "text", literals[4]) == [None] * len(some)


async def test_nothing_is_null(connection: asyncpg.Connection) -> None:
    """Among texts and among numbers; the word is a text like any other."""
    price, reason = [Decimal(1), None, Decimal("-0.10")], ["NULL", None, NASTY]
    rows: list[tuple[Any, ...]] = [
        (1, *["x"] * 6, p, 1, True, "x", r, MOMENT, MOMENT, "x", 0, 0, r, None)
        for p, r in zip(price, reason, strict=True)
    ]
    literals = list(arrays("upsert", "orders", rows))
    assert await read(connection, "numeric", literals[7]) == price
    assert await read(connection, "text", literals[17]) == reason
    assert await read(connection, "boolean", literals[9]) == [True] * 3


@pytest.mark.parametrize("digits", ["0", "-1", "0.00000001", "1E+20", "1E-7", "9" * 40, "2.50"])
async def test_every_digit_arrives(connection: asyncpg.Connection, digits: str) -> None:
    """In whatever notation Python writes a decimal."""
    number = Decimal(digits)
    literals = list(arrays("upsert", "inventory", [("f", "S", number, number, None, None)]))
    assert await read(connection, "numeric", literals[2]) == [Decimal(digits)]


async def test_a_moment_is_the_same_everywhere(connection: asyncpg.Connection) -> None:
    """To the microsecond, from any zone, however often."""
    moments = [MOMENT, MOMENT.astimezone(EAST), MOMENT + timedelta(microseconds=1), MOMENT]
    literals = list(
        arrays("upsert", "accounts", [("a", "one_way", each, None, None) for each in moments])
    )
    assert await read(connection, "timestamptz", literals[2]) == moments


def test_to_delete_the_key_is_enough() -> None:
    """The columns of a delete are those of the primary key, in order."""
    keys = [("alice", "BTCUSDT", "both"), ("bob", "ETHUSDT", "long")]
    assert list(arrays("delete", "positions", keys)) == [
        '{"alice","bob"}', '{"BTCUSDT","ETHUSDT"}', '{"both","long"}'
    ]  # fmt: skip


def test_a_row_of_another_length_is_refused() -> None:
    """Rows are in the order of the columns: too few or too many values are a mistake."""
    for row in [("alice", "BTCUSDT"), ("alice", "BTCUSDT", "both", 1)]:
        with pytest.raises(ValueError, match="zip"):
            list(arrays("delete", "positions", [row]))

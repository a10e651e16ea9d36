"""Rows that grow are compared when they are over, each series as far as the replay has come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.engine.outcome import IndexPrice
from app.store.candles import CandleRow, candles
from app.verify.difference import Differs
from app.verify.growing import GrowingTable

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def prices(*minutes: int, symbol: str = "A") -> list[CandleRow]:
    """What prices in these minutes after noon add."""
    came = [IndexPrice(symbol, NOON + timedelta(minutes=m), Decimal(100 + m)) for m in minutes]
    return candles([], came, [])


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def stored(connection: asyncpg.Connection, rows: list[CandleRow]) -> None:
    await connection.copy_records_to_table("candles", records=rows, columns=CandleRow._fields)


async def test_a_candle_is_compared_once_it_is_over(connection: asyncpg.Connection) -> None:
    """The minute is over, the hour and the day are not; at the end all are."""
    await stored(connection, prices(0, 3, 61))
    table = GrowingTable(connection, "candles", None)
    assert await table.check(prices(0), after(0.5)) == (0, [])
    assert await table.check(prices(3), after(3)) == (1, [])
    assert await table.check(prices(61), after(61)) == (2, [])
    assert await table.check([], None) == (3, [])
    await table.finish()


@pytest.mark.parametrize("extra", [1, 2, 5, 60], ids=["between", "before", "behind", "longer"])
async def test_a_candle_of_nothing_is_found(connection: asyncpg.Connection, extra: int) -> None:
    """Wherever in its series it stands."""
    (row, *_) = prices(extra)
    await stored(connection, [*prices(0, 3), row])
    table = GrowingTable(connection, "candles", None)
    found = (await table.check(prices(0), after(1)))[1]
    found += (await table.check(prices(3), None))[1]
    if not found:
        with pytest.raises(Differs) as differs:
            await table.finish()
        found = [differs.value.difference]
    (difference,) = found
    assert "no command of the log" in difference.what
    assert f"2026-01-01 {row.time:%H:%M}" in difference.key


async def test_a_replay_from_a_snapshot_leaves_out_what_was_under_way(
    connection: asyncpg.Connection,
) -> None:
    """It cannot know what came to that minute and hour before; all later ones, it can."""
    await stored(connection, prices(-5, 0, 1, 61))
    begin = after(0.5)
    table = GrowingTable(connection, "candles", begin)
    assert await table.check(prices(1), after(2)) == (1, [])
    assert await table.check(prices(61), None) == (2, [])
    await table.finish()
    table = GrowingTable(connection, "candles", begin)
    await table.check(prices(1), None)
    with pytest.raises(Differs, match="A, index, 1h, 2026-01-01 13:00"):
        await table.finish()


async def test_series_do_not_mix(connection: asyncpg.Connection) -> None:
    """What one contract has, another lacks."""
    await stored(connection, [*prices(0, 1), *prices(1, symbol="B")])
    table = GrowingTable(connection, "candles", None)
    _, (missing,) = await table.check([*prices(0, 1), *prices(0, 1, symbol="B")], after(2))
    assert (missing.key, missing.what) == (
        "B, index, 1m, 2026-01-01 12:00:00.000000", "is missing in the table"
    )  # fmt: skip

"""The past prices that a run reads: which of them, and their hash (CAL-7, CAL-11)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.calibration.inputs import prices
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes, StandIn
from app.calibration.inputs.prices import read_closes
from app.engine.numbers import time_text
from app.jobs.parameters import Parameters
from app.store import database
from tests.calibration import test_history
from tests.store.states import Exchange
from tests.store.test_store import batch_of, lead

END = datetime(2026, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOURLY = Parameters(interval="1h")
Row = tuple[str, str, datetime, int, str, str | None]
"""Symbol, interval, time, import, close, volume."""


def book(*funds: int) -> PositionBook:
    """Contracts C0, C1, ... of these funds."""
    return test_history.book(*funds, time=END)


async def insert(connection: asyncpg.Connection, rows: Iterable[Row]) -> None:
    await connection.executemany(
        """INSERT INTO price_history (symbol, interval, time, import_id, close, volume)
           VALUES ($1, $2, $3, $4, $5::text::numeric, $6::text::numeric)""",
        list(rows),
    )


async def candle(
    connection: asyncpg.Connection, symbol: str, end: datetime, close: str, *,
    source: str = "mark", width: timedelta = HOUR, volume: str = "0",
) -> None:  # fmt: skip
    """One of our own, that ended then."""
    await connection.execute(
        """INSERT INTO candles
               (symbol, source, interval, time, open, high, low, close, volume, count)
           SELECT $1, $2, $3, $4, n, n, n, n, $6::text::numeric, 1
           FROM (SELECT $5::text::numeric) AS one (n)""",
        symbol, source, "1h" if width == HOUR else "1d", end - width, close, volume,
    )  # fmt: skip


def hours(symbol: str, count: int, *, last: datetime = END, imported: int = 1) -> list[Row]:
    """As many hourly closes, the last at a time."""
    return [
        (symbol, "1h", last - number * HOUR, imported, str(100 + number % 7), None)
        for number in range(count)
    ]


def column(found: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in found]


async def test_the_newest_import_wins_and_own_marks_fill(connection: asyncpg.Connection) -> None:
    """Hour by hour; what is under way or after the book's time is not there; what lies beside an
    imported close is left out."""
    await insert(connection, [
        ("C0", "1h", END - 6 * HOUR, 1, "1", None), ("C0", "1h", END - 6 * HOUR, 3, "3", None),
        ("C0", "1h", END - 6 * HOUR, 2, "2.50", None), ("C0", "1d", END, 4, "9", None),
        ("C0", "1h", END + HOUR, 4, "99", None),
    ])  # fmt: skip
    for before in range(8):
        await candle(connection, "C0", END - before * HOUR, f"10{before}")
    await candle(connection, "C0", END + HOUR / 2, "500")  # it ends after the book's time
    found = await read_closes(connection, book(0), HOURLY)
    assert found.hours == 1
    assert found.times == tuple(END - before * HOUR for before in range(6, -1, -1))
    assert column(found.closes[:, 0]) == [3, None, 104, 103, 102, 101, 100]


async def test_a_day_begins_where_the_day_before_ended(connection: asyncpg.Connection) -> None:
    """Days of UTC, all of 24 hours, also where the clocks of other places go forward."""
    days = [datetime(2026, 3, 28, tzinfo=UTC) + timedelta(days=number) for number in range(4)]
    await insert(connection, [("C0", "1d", day, 1, "5", None) for day in days])
    found = await read_closes(connection, book(0), Parameters(interval="1d"))
    assert found.hours == 24
    assert found.times == tuple(days)


async def test_the_hash_is_of_sorted_lines(connection: asyncpg.Connection) -> None:
    """Of what is used, exactly as it was written, but for zeros at the end."""
    await insert(connection, [
        ("C1", "1h", END, 1, "0.00000000000012300", None),
        ("C0", "1h", END, 1, "314.248992919922123456789", None), ("C0", "1h", END, 2, "7.00", None),
        ("C0", "1h", END - HOUR, 1, "1E+3", None), ("C9", "1h", END, 1, "1", None),
    ])  # fmt: skip
    found = await read_closes(connection, book(0, 0), HOURLY)
    lines = (
        f"C0|1h|{time_text(END - HOUR)}|1000\nC0|1h|{time_text(END)}|7\n"
        f"C1|1h|{time_text(END)}|0.000000000000123\n"
    )
    assert found.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert column(found.closes[:, 1]) == [None, 1.23e-13]


async def test_nothing_at_all(connection: asyncpg.Connection) -> None:
    """An empty table: what may be made of it, others say."""
    found = await read_closes(connection, book(0, 0), Parameters())
    assert (found.hours, found.times, found.closes.shape) == (24, (), (0, 2))
    assert found.digest == hashlib.sha256().hexdigest()


async def test_hours_if_the_largest_contract_has_enough(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the contract with the largest open interest; within the look-back."""
    monkeypatch.setattr(prices, "HOURLY_ROWS", 48)
    held = replace(
        book(0, 0), account=np.array([0, 1]), contract=np.array([0, 1]),
        quantity=np.array([1.0, -2.0]), cost=np.array([1.0, -2.0]), wallet=np.ones(2),
    )  # fmt: skip
    await insert(connection, hours("C0", 48))
    assert (await read_closes(connection, held, Parameters())).hours == 24
    await insert(connection, hours("C1", 48))
    assert (await read_closes(connection, held, Parameters())).hours == 1
    later = replace(held, time=END + timedelta(days=29, hours=1))
    assert (await read_closes(connection, later, Parameters(lookback_days=30))).hours == 24
    found = await read_closes(connection, later, Parameters(lookback_days=30, interval="1h"))
    assert len(found.times) == 23


async def test_volume_is_a_day_s(connection: asyncpg.Connection) -> None:
    """Imported ones in the quote asset, else what was traded here, of 30 days; else none.

    C0's mark is 100: an inverse contract's is counted in coin.
    """
    some = book(0, 0, 0, 0)
    terms = (some.contracts[0], some.contracts[1]._replace(inverse=True), *some.contracts[2:])
    for symbol in ("C0", "C1"):
        await insert(connection, [
            (symbol, "1h", END - number * HOUR, 1, "100", volume)
            for number, volume in enumerate(["40", "60", None])
        ])  # fmt: skip
    await insert(connection, [("C0", "1h", END - timedelta(days=30), 1, "100", "99999")])
    for symbol in ("C0", "C2"):
        await candle(
            connection, symbol, END, "100", source="trades", width=timedelta(days=1), volume="15"
        )
    found = await read_closes(connection, replace(some, contracts=terms), HOURLY)
    assert found.volume.tolist() == pytest.approx([1200, 12, 50, 0])


async def test_who_may_stand_from_outside(connection: asyncpg.Connection) -> None:
    """Of each fund, and of the asset, the contract whose history begins first, if it begins before
    all of those in the book."""
    exchange = Exchange()
    for fund in ("f0", "f1", "z"):
        exchange.open_fund(fund)
    for symbol, fund in (("AUSDT", "f0"), ("BUSDT", "f1"), ("OUSDT", "z"), ("NUSDT", "f1")):
        exchange.list_contract(symbol, fund)
    await (await lead(connection)).commit(batch_of(exchange, 1))
    await connection.execute("TRUNCATE candles")
    some = book(0, 1)
    terms = [
        one._replace(symbol=symbol)
        for one, symbol in zip(some.contracts, ("AUSDT", "BUSDT"), strict=True)
    ]
    some = replace(some, contracts=tuple(terms))
    await insert(connection, [*hours("AUSDT", 5), *hours("BUSDT", 3), *hours("OUSDT", 4)])
    assert (await read_closes(connection, some, HOURLY)).others == ()
    await candle(connection, "NUSDT", END - 5 * HOUR, "1")
    found = await read_closes(connection, some, HOURLY)
    assert found.others == (StandIn("NUSDT", 1),)
    assert found.closes.shape == (6, 3)
    await insert(connection, hours("OUSDT", 9, imported=2))
    found = await read_closes(connection, some, HOURLY)
    assert found.others == (StandIn("NUSDT", 1), StandIn("OUSDT", None))


Written = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=12,
    unique_by=lambda row: row[:2],
)  # fmt: skip


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=Written)
def test_whatever_the_order_of_imports(address: str, written: list[tuple[int, int, int]]) -> None:
    """Of each hour the close of the highest import."""
    newest: dict[datetime, tuple[int, int]] = {}
    for hour, number, close in written:
        time = END - hour * HOUR
        newest[time] = max(newest.get(time, (0, 0)), (number, close))
    found = asyncio.run(imported(address, written))
    shown = dict(zip(found.times, column(found.closes[:, 0]), strict=True))
    assert {time: close for time, close in shown.items() if close is not None} == {
        time: close for time, (_, close) in newest.items()
    }


async def imported(address: str, written: list[tuple[int, int, int]]) -> Closes:
    """What is read of hours, imports and closes, and nothing else."""
    connection = await database.connect(address)
    try:
        await connection.execute("TRUNCATE price_history")
        rows = [(END - hour * HOUR, number, str(close)) for hour, number, close in written]
        await insert(connection, [("C0", "1h", *row, None) for row in rows])
        return await read_closes(connection, book(0), HOURLY)
    finally:
        await connection.close()

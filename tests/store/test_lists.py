"""Lists by any of their filters: a page is what a look at all rows gives, for a page's work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from itertools import product
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store import database
from app.store.queries import Rows, accounts, acts, adl, funds, history, liquidations
from benchmarks import records, servers

ROWS = 10_000
PAGE = 7

Filters = dict[str, Any]
Row = dict[str, Any]
List = Callable[[AsyncConnection, Filters, Any], Awaitable[Rows]]


@pytest.fixture
async def reading(address: str) -> AsyncIterator[AsyncConnection]:
    """A connection for reads of a database with a long past."""
    await servers.prepare(address, records.seed())
    await records.write(address, ROWS)
    pool = database.create_engine(address)
    async with pool.connect() as connection:
        # What fits in a few pages PostgreSQL reads whole, as it should. These stand for long ones.
        await connection.execute(text("SET enable_seqscan = off"))
        yield connection
    await pool.dispose()


async def all_rows(connection: asyncpg.Connection, table: str, place: str) -> list[Row]:
    """A whole table, newest first."""
    return [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY {place}")]


def some(**words: Sequence[Any]) -> Iterator[Filters]:
    """Every combination of these filters, each left out or one of its words."""
    for values in product(*([None, *held] for held in words.values())):
        yield {name: word for name, word in zip(words, values, strict=True) if word is not None}


def wanted(rows: list[Row], filters: Filters) -> list[Row]:
    """Those rows that all filters are true of."""
    return [row for row in rows if all(row[name] == word for name, word in filters.items())]


async def walked(connection: AsyncConnection, page: List, filters: Filters, *place: str) -> Rows:
    """The first pages, one after the other: at most ten of them."""
    found: list[Any] = []
    last: Any = None
    for _ in range(10):
        rows = await page(connection, filters, last)
        found += rows
        if len(rows) < PAGE:
            break
        last = tuple(rows[-1][name] for name in place)
    return found


async def looked_at(connection: AsyncConnection, table: str) -> int:
    """How many rows and index entries of a table this transaction was given."""
    number = await connection.scalar(
        text("""
            SELECT sum(pg_stat_get_xact_tuples_returned(oid)) FROM pg_class
            WHERE oid = to_regclass(:table) OR oid IN (
                SELECT indexrelid FROM pg_index WHERE indrelid = to_regclass(:table))
        """),
        {"table": table},
    )
    return int(number or 0)


async def compared(
    connection: AsyncConnection, table: str, rows: list[Row], page: List,
    filters: Iterator[Filters], place: tuple[str, ...], words: int,
) -> None:  # fmt: skip
    """Each combination's pages against the naive list; each looks at `words` pages at most, and
    at as many rows as it gives."""
    for one in filters:
        expected = [tuple(row[name] for name in place) for row in wanted(rows, one)]
        before = await looked_at(connection, table)
        found = await walked(connection, page, one, *place)
        pages = len(found) // PAGE + 1
        work = await looked_at(connection, table) - before
        given = [tuple(row[name] for name in place) for row in found]
        assert given == expected[: 10 * PAGE], one
        assert work <= pages * (words * (PAGE + 2) + PAGE), (one, work)


async def test_history(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    """By fund, asset, kind, contract and time (HIS-2)."""
    order = "time DESC, fund_id DESC, sequence DESC"
    rows = await all_rows(connection, "fund_history", order)
    half = rows[ROWS // 2]["time"]
    place = ("time", "fund_id", "sequence")

    async def page(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        names = {"fund_id": "fund"}
        given = {names.get(name, name): word for name, word in filters.items()}
        return await history.list_history(
            reading, history.FUNDS, history.Filter(**given), PAGE, last
        )

    async def earlier(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        return await page(reading, {**filters, "end": half}, last)

    words = {
        "fund_id": ["usdt-major", "usdt-other", "coin-btc", "nowhere"],
        "asset": ["USDT", "BTC", "USDC"],
        "kind": ["bankruptcy_loss", "deficit_cover", "seed_capital", "rebalance_in"],
        "symbol": ["ETHUSDT", "BTCUSD_PERP", "NOTHING"],
    }
    kinds = 2 * len(history.FUNDS.kinds)
    await compared(reading, "fund_history", rows, page, some(**words), place, kinds)
    old = [row for row in rows if row["time"] < half]
    await compared(reading, "fund_history", old, earlier, some(**words), place, kinds)


async def test_liquidations(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    """By contract, fund and outcome; newest first, or oldest first behind a number."""
    rows = await all_rows(connection, "liquidations", "liquidation_id DESC")
    words = {
        "symbol": ["ETHUSDT", "BTCUSD_PERP", "NOTHING"],
        "fund_id": ["usdt-major", "usdt-other"],
        "outcome": ["closed", "orders_canceled", "reduced"],
        "account_id": ["h0"],
    }

    def asked(filters: Filters) -> Filters:
        names = {"fund_id": "fund"}
        return {names.get(name, name): word for name, word in filters.items()}

    async def page(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        past = last[0] if last else None
        return await liquidations.list_liquidations(reading, PAGE, (), **asked(filters), past=past)

    async def upwards(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        past = last[0] if last else 0
        return await liquidations.list_liquidations(
            reading, PAGE, (), **asked(filters), past=past, oldest_first=True
        )

    of_one = max(len(wanted(rows, {"account_id": "h0"})), 12)
    place = ("liquidation_id",)
    await compared(reading, "liquidations", rows, page, some(**words), place, of_one)
    await compared(reading, "liquidations", rows[::-1], upwards, some(**words), place, of_one)


async def test_clearance_fees(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    rows = await all_rows(connection, "clearance_fees", "liquidation_id DESC")

    async def page(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        before = last[0] if last else None
        symbol, fund = filters.get("symbol"), filters.get("fund_id")
        return await liquidations.list_clearance_fees(
            reading, PAGE, (), symbol=symbol, fund=fund, before=before
        )

    words = {"symbol": ["ETHUSDT", "NOTHING"], "fund_id": ["usdt-major", "usdt-other"]}
    place = ("liquidation_id",)
    await compared(reading, "clearance_fees", rows, page, some(**words), place, 2)


async def test_adl_events(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    """Of a contract, of a fund; of an account those that deleveraged it, each once."""
    events = await all_rows(connection, "adl_events", "adl_event_id DESC")
    parts = await all_rows(connection, "adl_counterparties", "adl_event_id DESC")
    for account in (None, "h0", "h1", "nobody"):
        took_part = {part["adl_event_id"] for part in parts if part["account_id"] == account}
        found = [e for e in events if account is None or e["adl_event_id"] in took_part]

        async def page(
            reading: AsyncConnection, asked: Filters, last: Any, account: str | None = account
        ) -> Rows:
            before = last[0] if last else None
            symbol, fund = asked.get("symbol"), asked.get("fund_id")
            return await adl.list_adl_events(
                reading, PAGE, (), account_id=account, symbol=symbol, fund=fund, before=before
            )

        words = {"symbol": ["ETHUSDT", "NOTHING"], "fund_id": ["usdt-major", "usdt-other"]}
        of_one = len(found) if account else 2
        await compared(reading, "adl_events", found, page, some(**words), ("adl_event_id",), of_one)


async def test_alerts(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    rows = await all_rows(connection, "alerts", "alert_id DESC")

    async def page(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        before = last[0] if last else None
        kind, fund = filters.get("kind"), filters.get("fund_id")
        return await funds.list_alerts(reading, PAGE, (), kind=kind, fund=fund, before=before)

    words = {"kind": ["adl", "fund_empty"], "fund_id": ["usdt-major", "nowhere"]}
    kinds = len(funds.ALERT_KINDS)
    await compared(reading, "alerts", rows, page, some(**words), ("alert_id",), kinds)


async def test_a_ledger(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    """Each movement of an account once, by asset and kind."""
    moved = [
        {**row, "account": row["account_id"], "receiving": 0}
        for row in await all_rows(connection, "transfers", "transfer_id DESC")
    ]
    for account in ("h0", "h5"):

        async def page(
            reading: AsyncConnection, filters: Filters, last: Any, account: str = account
        ) -> Rows:
            return await accounts.list_ledger(reading, account, PAGE, (), **filters, before=last)

        words = {"asset": ["USDT", "BTC"], "kind": ["funding", "withdrawal", "deposit"]}
        rows = wanted(moved, {"account": account})
        place = ("transfer_id", "receiving")
        kinds = 2 * len(accounts.LEDGER_KINDS)
        await compared(reading, "transfers", rows, page, some(**words), place, kinds)


async def test_admin_acts(reading: AsyncConnection, connection: asyncpg.Connection) -> None:
    """By kind, key and time, with what was commanded: of the log, no more than is shown."""
    await connection.execute(
        """
        INSERT INTO commands (sequence, time, epoch, kind, body, rules_version)
        SELECT 1000 + n, '2030-01-01Z'::timestamptz + n / 2 * interval '1 s', 1, 'Deposit', '{}', 2
        FROM generate_series(1, $1::int) AS n
        """,
        ROWS,
    )
    await connection.execute(
        """
        INSERT INTO admin_acts SELECT sequence, time,
            CASE WHEN sequence % 100 = 0 THEN 'seldom' ELSE 'often' END,
            CASE WHEN sequence % 500 = 0 THEN 'RevokeKey' ELSE kind END
        FROM commands WHERE sequence > 1000 AND sequence % 2 = 0
        """
    )
    rows = await all_rows(connection, "admin_acts", "sequence DESC")
    half = rows[len(rows) // 2]["time"]
    words = {"kind": ["Deposit", "RevokeKey", "Nothing"], "key_id": ["seldom", "often", "nobody"]}

    async def page(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        return await acts.list_acts(reading, PAGE, ("body",), before=last and last[0], **filters)

    async def earlier(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        return await page(reading, {**filters, "end": half}, last)

    async def later(reading: AsyncConnection, filters: Filters, last: Any) -> Rows:
        return await page(reading, {**filters, "start": half}, last)

    old, new = ([row for row in rows if (row["time"] < half) is is_old] for is_old in (True, False))
    for table in ("admin_acts", "commands"):
        for found, of in ((rows, page), (old, earlier), (new, later)):
            await compared(reading, table, found, of, some(**words), ("sequence",), 2)

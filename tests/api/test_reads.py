"""Reads that many want or that take long: a bounded wait, a bounded time, never a 500 (REC-5)."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api import history
from app.api.application import create_app
from app.engine.commands.leaders import Limits
from app.engine.figures import orderbook
from app.store import database, reads
from app.store.loader import load_book
from app.store.queries import contracts as contract_queries
from app.store.queries import history as history_queries
from app.store.tables import metadata
from tests.api.conftest import Api, client_of

HISTORY = "/v1/insurance-fund-history"
INTERVALS = f"{HISTORY}?fund=usdt-major&asset=USDT&interval=1d"
REPORTS = "/v1/insurance-funds/usdt-major/daily-reports"


@asynccontextmanager
async def service(
    api: Api, address: str, slots: int = database.READ_SLOTS
) -> AsyncIterator[tuple[FastAPI, httpx.AsyncClient]]:
    """The service beside that of the test, with a pool of its own."""
    pool = database.create_engine(address, slots)
    app = create_app(api.runner, pool, open_metrics=True)
    async with client_of(app) as client:
        yield app, client
    await pool.dispose()


@asynccontextmanager
async def locked(address: str, tables: str) -> AsyncIterator[None]:
    """Nobody reads these tables meanwhile."""
    locker = await database.connect(address)
    async with locker.transaction():
        await locker.execute(f"LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE")
        yield
    await locker.close()


@contextmanager
def soon(monkeypatch: pytest.MonkeyPatch, **seconds: float) -> Iterator[None]:
    """Waits that are shorter than in service, so that the test is."""
    with monkeypatch.context() as patched:
        for name, value in seconds.items():
            for module in (database, reads):
                patched.setattr(module, name, value, raising=False)
        yield


async def waiting(connection: asyncpg.Connection) -> int:
    """How many sessions wait for a lock of the test's database."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return count


async def until_waiting(connection: asyncpg.Connection, count: int) -> None:
    async with asyncio.timeout(20):
        while await waiting(connection) < count:
            await asyncio.sleep(0.02)


def summary(answers: list[httpx.Response]) -> Counter[tuple[int, str | None]]:
    for answer in answers:
        assert answer.status_code == 200 or answer.headers["content-type"].endswith("problem+json")
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) >= 1
    return Counter((answer.status_code, answer.json().get("code")) for answer in answers)


@pytest.fixture
async def few(connection: asyncpg.Connection, address: str) -> AsyncIterator[str]:
    """The test's database for a role that may have three connections and read everything."""
    role = urlsplit(address).path.removeprefix("/") + "_reader"
    await connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'r' CONNECTION LIMIT 3")
    await connection.execute(f"GRANT pg_read_all_data TO {role}")
    parts = urlsplit(address)
    host = f":r@{parts.netloc.rpartition('@')[2]}"
    yield parts._replace(netloc=f"{role}{host}").geturl()
    await connection.execute(f"REVOKE pg_read_all_data FROM {role}")
    await connection.execute(f"DROP ROLE {role}")


async def test_a_server_with_few_connections(api: Api, few: str) -> None:
    """Sixty readers at once share three: all are served, for they wait."""
    async with service(api, few) as (_, client):
        answers = await asyncio.gather(*(client.get("/v1/contracts/BTCUSDT") for _ in range(60)))
        assert summary(answers) == {(200, None): 60}


async def test_nothing_is_free(
    api: Api,
    few: str,
    address: str,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All connections wait for something: the others are told so in time, by whoever refuses."""
    with soon(monkeypatch, SLOT_SECONDS=0.2, STATEMENT_SECONDS=20):
        for where, slots, taken in ((few, 10, 3), (address, 2, 2)):
            async with service(api, where, slots) as (_, client):
                async with locked(address, "contracts"):
                    readers = [
                        asyncio.create_task(client.get("/v1/contracts/BTCUSDT")) for _ in range(60)
                    ]
                    await until_waiting(connection, taken)
                    done, rest = await asyncio.wait(readers, timeout=10)
                    assert len(rest) == taken
                    found = [task.result() for task in done]
                    assert summary(found) == {(503, "busy"): 60 - taken}
                assert {(await task).status_code for task in rest} == {200}
                assert (await client.get("/v1/contracts")).status_code == 200


async def test_a_change_that_cannot_be_answered_is_not_made(
    api: Api, address: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was told `busy` can send it again: nothing was done, no key was lost (ORD-7)."""
    alice = {"account_id": "alice"}
    with soon(monkeypatch, SLOT_SECONDS=0.2, STATEMENT_SECONDS=20):
        async with service(api, address, 1) as (_, client):
            client.headers["authorization"] = f"Bearer {api.keys['admin']}"
            async with locked(address, "contracts"):
                reader = asyncio.create_task(client.get("/v1/contracts/BTCUSDT"))
                await until_waiting(connection, 1)
                refused = await client.post("/v1/accounts", json=alice)
                assert summary([refused]) == {(503, "busy"): 1}
            await reader
            opened = await client.post("/v1/accounts", json=alice)
            assert (opened.status_code, len(opened.json()["api_key"])) == (201, 46)


async def test_how_many_connections(few: str, address: str, connection: asyncpg.Connection) -> None:
    """Half of what there are (a second instance wants as many) less the runner's; at least 2."""
    assert await database.read_slots(address) == database.READ_SLOTS
    role = urlsplit(few).username
    for limit, slots in ((20, 6), (28, 10), (5, 2)):
        await connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT {limit}")
        assert await database.read_slots(few) == slots, limit


async def test_a_read_that_takes_too_long(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends: with what to narrow, or, where there is nothing to narrow, as busy."""
    await api.open("alice")
    await api.mark("BTCUSDT", "50000")
    order = {
        "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "market",
        "quantity": "0.1",
    }  # fmt: skip
    wide = {
        f"{INTERVALS}&limit=500": "limit", f"{HISTORY}?limit=500": "limit",
        f"{REPORTS}?limit=500": "limit",
        "/v1/trades?symbol=BTCUSDT&account_id=alice": "filter",
        "/v1/liquidations?account_id=alice": "filters", "/v1/clearance-fees?limit=500": "limit",
        "/v1/orders?status=filled": "filters", "/v1/alerts?limit=500": "limit",
        "/v1/accounts/alice/ledger?limit=500": "limit",
    }  # fmt: skip
    narrow = ("/v1/contracts", "/v1/contracts/BTCUSDT/adl-queue", "/v1/insurance-funds",
              "/v1/accounts/alice", "/v1/accounts/alice/positions", "/v1/trades?symbol=BTCUSDT",
              f"{HISTORY}?format=csv", f"{HISTORY}?kind=top_up&asset=USDT", INTERVALS, REPORTS,
              "/v1/liquidations?symbol=BTCUSDT&outcome=closed", "/v1/alerts?kind=fund_empty",
              "/v1/accounts/alice/ledger?asset=USDT")  # fmt: skip
    with soon(monkeypatch, STATEMENT_SECONDS=0.3, TURN_SECONDS=30.0):
        async with service(api, address) as (app, client), locked(address, TABLES):
            other = Api(app, api.runner, client, api.keys)
            calls = [f"GET {path}" for path in (*wide, *narrow)]
            answers = await asyncio.gather(*(other.send(call) for call in calls))
            preview = await other.send("POST /v1/orders/preview", order, key="alice")
            assert (await other.send("GET /readyz")).status_code == 200
    for path, answer in zip(wide, answers, strict=False):
        assert (answer.status_code, answer.json()["code"]) == (422, "query_too_wide"), path
        assert wide[path] in answer.json()["context"]["narrow"], path
    assert summary([*answers[len(wide) :], preview]) == {(503, "busy"): len(narrow) + 1}


async def test_heavy_reads_take_turns(
    api: Api, address: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One stranger's at a time; reads with a key, other reads and orders go on beside it."""
    await api.open("alice")
    await api.mark("BTCUSDT", "50000")
    ledger = "/v1/accounts/alice/ledger?asset=USDT"
    with soon(monkeypatch, TURN_SECONDS=0.5):
        async with service(api, address) as (app, client):
            other = Api(app, api.runner, client, api.keys)
            async with locked(address, "fund_history"):
                crowd = [asyncio.create_task(client.get(f"{HISTORY}?limit=500")) for _ in range(32)]
                await until_waiting(connection, 1)
                await other(f"GET {ledger}", key="alice")
                await other("GET /v1/clearance-fees?limit=1000", key="feed")
                await other("GET /v1/contracts/BTCUSDT/book", key=None)
                await other.order("alice", "buy", "0.01", "49000")
                done, rest = await asyncio.wait(crowd, timeout=3)
                assert await waiting(connection) == 1
                assert summary([task.result() for task in done]) == {(503, "busy"): 31}
            assert [(await task).status_code for task in rest] == [200]
            monkeypatch.setattr(reads, "TURN_SECONDS", 30.0)
            crowd = [asyncio.create_task(client.get(f"{HISTORY}?limit=500")) for _ in range(8)]
            assert summary(await asyncio.gather(*crowd)) == {(200, None): 8}


async def test_what_a_database_can_answer(api: Api, address: str) -> None:
    """Gone, forbidden, out of memory: each has its answer, none is a 500."""
    server = urlsplit(address)
    stranger = server._replace(netloc=f"nobody_here@{server.netloc.rpartition('@')[2]}")
    for wrong in (server._replace(path="/backstop_is_not_there"), stranger):
        async with service(api, wrong.geturl()) as (_, client):
            assert summary([await client.get("/v1/contracts")]) == {(503, "unavailable"): 1}


async def test_an_error_of_any_class(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As PostgreSQL raises it in the middle of a read, by its code."""
    expected = {
        "53100": "busy", "53200": "busy", "53300": "busy", "55P03": "busy", "57014": "busy",
        "40001": "busy", "40P01": "busy", "25P04": "busy",
        "57P01": "unavailable", "57P02": "unavailable", "57P03": "unavailable",
        "57P05": "unavailable", "25P03": "unavailable", "58030": "unavailable",
        "08006": "unavailable", "28P01": "unavailable", "3D000": "unavailable",
    }  # fmt: skip
    for code, answer in expected.items():

        async def failing(connection: AsyncConnection, *_: object, code: str = code) -> None:
            await connection.execute(
                text(f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$")
            )

        monkeypatch.setattr(contract_queries, "get_contract", failing)
        found = await api.client.get("/v1/contracts/BTCUSDT")
        assert summary([found]) == {(503, answer): 1}, code


@pytest.fixture
async def long_book(api: Api, connection: asyncpg.Connection) -> Api:
    """1,500 asks of one lot each at three prices, by an account beside alice."""
    await api.open("alice", "100000000")
    await api.open("maker", "100000000")
    await api.mark("BTCUSDT", "50000")
    await connection.execute("""
        INSERT INTO orders (order_id, account_id, symbol, position_side, side, type, time_in_force,
            price, quantity, reduce_only, self_trade_prevention, created_at, updated_at, status,
            filled_quantity, filled_value)
        SELECT 1000 + n, 'maker', 'BTCUSDT', 'both', 'sell', 'limit', 'gtc', 50000 + n / 500, 0.001,
            false, 'expire_taker', now(), now(), 'new', 0, 0
        FROM generate_series(0, 1499) AS n
    """)
    return api


async def test_a_book_of_what_one_order_can_meet(long_book: Api) -> None:
    """Book and preview see the best 1,000 resting orders (ORD-10), however many rest."""
    book = await long_book("GET /v1/contracts/BTCUSDT/book")
    assert book["asks"] == [["50000", "0.5"], ["50001", "0.5"]]
    order = {"account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "market",
             "quantity": "0.6"}  # fmt: skip
    preview = await long_book("POST /v1/orders/preview", order, key="alice")
    assert preview["worst_price"] == "50001"
    preview = await long_book("POST /v1/orders/preview", {**order, "quantity": "1.2"}, key="alice")
    assert preview["worst_price"] == "50001"
    post_only = {**order, "type": "limit", "price": "50000", "time_in_force": "gtx"}
    call = "POST /v1/orders/preview"
    assert await long_book.refused(call, post_only, key="alice") == (422, "would_trade_immediately")
    resting = await long_book(call, {**post_only, "price": "49999"}, key="alice")
    assert resting["worst_price"] == "49999"


async def test_what_a_preview_reads(long_book: Api, address: str) -> None:
    """At most 1,000 orders, the best and oldest, and only those that its limit meets."""
    pool = database.create_engine(address)
    async with reads.Reads(pool).connect() as connection:
        for limit, count, last in (
            (None, 1000, 1999),
            (Decimal(50000), 500, 1499),
            (Decimal(1), 0, 0),
        ):
            driver = await reads.raw(connection)
            state = await load_book(driver, "BTCUSDT", {"sell": limit}, Limits(), "alice")
            asks = [*orderbook.best_first(state.markets["BTCUSDT"], "sell")]
            assert (len(asks), asks[-1].order_id if asks else 0) == (count, last)
            assert "alice" in state.accounts
    await pool.dispose()


# Exports


async def test_an_export_holds_nothing_while_its_reader_sleeps(
    api: Api, served: int, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn and a connection only for a part; one that takes nothing for long is ended."""
    monkeypatch.setattr(history, "STALLED_SECONDS", 1.0)
    await connection.execute(ROWS, 60_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", served, limit=1024)
    writer.write(f"GET {HISTORY}?format=csv HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    export = await api.send(f"GET {HISTORY}?format=csv", key=None)
    assert len(export.text.splitlines()) == 60_001
    assert await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state <> 'idle'"
    ) == 0  # fmt: skip
    async with asyncio.timeout(20):
        while api.app.state.services.metrics.requests["/v1/insurance-fund-history", "GET", 200] < 2:
            await asyncio.sleep(0.05)
    rest = await asyncio.wait_for(reader.read(-1), 20)
    assert not rest.endswith(b"0\r\n\r\n"), "it is seen to be cut"
    writer.close()


async def test_an_export_of_few_among_many(
    api: Api, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part looks at so many rows and no more; what is wanted of them comes, in order."""
    monkeypatch.setattr(history_queries, "EXPORT_ROWS", 7)
    await connection.execute(ROWS, 1000)
    for query, wanted in {
        "": range(1, 1001), "&fund=usdc": range(1, 1001), "&fund=none": [], "&asset=BTC": [],
        "&kind=top_up": range(1, 1001, 100), "&fund=usdc&kind=top_up": range(1, 1001, 100),
        "&asset=USDC&kind=top_up&symbol=X": [],
    }.items():  # fmt: skip
        export = await api.send(f"GET {HISTORY}?format=csv{query}", key=None)
        rows = list(csv.DictReader(io.StringIO(export.text)))
        assert [int(row["sequence"]) for row in rows] == list(wanted), query


TABLES = ", ".join(sorted(set(metadata.tables) - {"leadership", "answers", "api_keys", "commands"}))
"""All but those that the runner needs to be alive, and the keys."""

ROWS = """
    INSERT INTO fund_history
    SELECT 'usdc', n, '2026-01-01'::timestamptz + n * '1s'::interval, 'main', 'USDC',
        CASE WHEN n % 100 = 1 THEN 'top_up' ELSE 'bankruptcy_loss' END, 1, n, NULL, NULL,
        repeat(CASE WHEN n = 1 THEN '0' ELSE 'a' END, 64), repeat('b', 64)
    FROM generate_series(1, $1::int) AS n
"""
"""Changes of one fund, each hundredth of another kind."""

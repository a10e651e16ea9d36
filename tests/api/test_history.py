"""The insurance fund history (HIS-1, HIS-2): raw, as intervals, as CSV, and its hash chain."""

from __future__ import annotations

import csv
import hashlib
import io
import random
import runpy
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.engine.ledger import fund_entry
from app.engine.policies import FundPolicy
from app.engine.state import Fund
from app.engine.traders import Wallet
from app.store import database
from app.verify.history import verify_history
from tests.api.conftest import Api, crash

PATH = "/v1/insurance-fund-history"


def chain_is_whole(rows: list[dict[str, Any]]) -> bool:
    """What ARCHITECTURE.md says of the hash chain, with nothing but an export (oldest first)."""
    last: dict[str, tuple[int, str]] = {}
    for row in rows:
        sequence, previous = last.get(row["fund"], (0, "0" * 64))
        line = "|".join(
            str(row[name] or "")
            for name in (
                "previous_hash", "fund", "sequence", "time", "wallet", "asset", "kind", "amount",
                "balance_after", "symbol", "liquidation_id",
            )
        )  # fmt: skip
        if int(row["sequence"]) != sequence + 1 or row["previous_hash"] != previous:
            return False
        if hashlib.sha256(line.encode()).hexdigest() != row["hash"]:
            return False
        last[row["fund"]] = sequence + 1, row["hash"]
    return True


async def exported(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = await api.send(f"GET {PATH}?format=csv{query}", key=None)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_raw(api: Api) -> None:
    """HIS-2: by fund, asset, kind, contract and time, page by page."""
    await api.seed_fund("usdc", "5", "USDC")
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    rows = (await api(f"GET {PATH}", key=None))["items"]
    assert [(row["fund"], row["sequence"], row["kind"], row["amount"]) for row in rows] == [
        ("usdt-major", 2, "bankruptcy_loss", "-10.5"), ("usdt-major", 1, "seed_capital", "1000"),
        ("usdc", 1, "seed_capital", "5"),
    ]  # fmt: skip
    assert rows[0]["liquidation_id"] == "1"
    assert rows[0]["symbol"] == "BTCUSDT"
    for query, found in {
        "fund=usdc": rows[2:], "asset=USDT": rows[:2], "kind=seed_capital": rows[1:],
        "symbol=BTCUSDT": rows[:1], f"from={rows[1]['time']}": rows[:2],
        f"to={rows[1]['time']}": rows[2:], "fund=nope": [],
        f"from={rows[1]['time']}&to={rows[0]['time']}": rows[1:2],
    }.items():  # fmt: skip
        assert (await api(f"GET {PATH}?{query}"))["items"] == found, query
    assert await api.listed(f"{PATH}?limit=1") == rows


async def test_the_chain_is_verified_from_outside(api: Api) -> None:
    """By the JSON and by the CSV export alone (HIS-4); any change breaks it."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    rows = (await api(f"GET {PATH}"))["items"]
    assert chain_is_whole(rows[::-1])
    export = await exported(api)
    assert chain_is_whole(export)
    assert [row["hash"] for row in export] == [row["hash"] for row in rows[::-1]]
    assert not chain_is_whole(export[1:])
    assert not chain_is_whole([{**row, "amount": "1001"} for row in export])
    assert [row["kind"] for row in await exported(api, "&kind=seed_capital")] == ["seed_capital"]
    assert await exported(api, "&fund=usdc") == []


@pytest.fixture
async def long_history(
    api: Api, connection: asyncpg.Connection
) -> tuple[Api, list[dict[str, Any]]]:
    """5,000 rows of two wallets over some days, put beside the service."""
    chance = random.Random(7)
    fund = Fund("usdt-other", "x", FundPolicy(), datetime(2026, 1, 1, tzinfo=UTC))
    wallets = [Wallet(f"fund/usdt-other/USDT/{n}", "fund", "usdt-other", "USDT", n) for n in "ab"]
    time = datetime(2026, 1, 1, 23, 59, 30, tzinfo=UTC)
    rows = []
    for _ in range(5000):
        time += timedelta(seconds=chance.choice([0, 1, 5, 40, 70, 100]))
        wallet = chance.choice(wallets)
        amount = Decimal(chance.randint(-(10**10), 11**10)).scaleb(-8)
        amount = max(amount, -wallet.balance) or Decimal(1)
        wallet.balance += amount
        kind: Any = chance.choice(["bankruptcy_loss", "takeover_gain", "top_up"])
        entry = fund_entry(fund, time, wallet, kind, amount, symbol=None, liquidation_id=None)
        fund.sequence, fund.last_hash = entry.sequence, entry.hash
        rows.append(entry._asdict())
    await connection.copy_records_to_table(
        "fund_history", records=[tuple(row.values()) for row in rows], columns=list(rows[0])
    )
    for wallet in wallets:
        await connection.execute(
            "INSERT INTO wallets VALUES ($1, 'fund', 'usdt-other', 'USDT', $2, $3)",
            wallet.key, wallet.name, wallet.balance,
        )  # fmt: skip
    # No leader brought them: they are added up as a migration does with what came before it.
    migration = runpy.run_path(str(database.MIGRATIONS / "versions/0024_fund_buckets.py"))
    for statement in migration["FILLED"]:
        await connection.execute(statement)
    return api, rows


def naive_intervals(rows: list[dict[str, Any]], width: timedelta) -> list[dict[str, Any]]:
    """Open, high, low, close by walking through every row, oldest first."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    total = Decimal(0)
    intervals: dict[datetime, dict[str, Any]] = {}
    for row in rows:
        start = row["time"] - (row["time"] - epoch) % width
        one = intervals.setdefault(
            start,
            {"time": start, "open": total, "high": total, "low": total, "close": total,
             "inflow": Decimal(0), "outflow": Decimal(0), "by_kind": {}},
        )  # fmt: skip
        total += row["amount"]
        one["high"], one["low"] = max(one["high"], total), min(one["low"], total)
        one["close"] = total
        one["inflow" if row["amount"] > 0 else "outflow"] += abs(row["amount"])
        kinds = one["by_kind"]
        kinds[row["kind"]] = kinds.get(row["kind"], Decimal(0)) + row["amount"]
    return list(intervals.values())


def _read(item: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = {
        name: Decimal(item[name]) for name in item if name not in ("time", "by_kind")
    }
    read["time"] = datetime.fromisoformat(item["time"])
    read["by_kind"] = {kind: Decimal(amount) for kind, amount in item["by_kind"].items()}
    return read


async def test_intervals(long_history: tuple[Api, list[dict[str, Any]]]) -> None:
    """HIS-2: every interval, on every page, is what a walk through all rows gives."""
    api, rows = long_history
    query = f"{PATH}?fund=usdt-other&asset=USDT"
    for name, width in (("1m", 60), ("1h", 3600), ("1d", 86400)):
        expected = naive_intervals(rows, timedelta(seconds=width))[::-1]
        limit = 700 if name == "1m" else 2
        found = await api.listed(f"{query}&interval={name}&limit={limit}", key=None)
        assert [_read(item) for item in found] == expected, name
    # From and to are widened to whole intervals.
    hours = naive_intervals(rows, timedelta(hours=1))
    start = (hours[3]["time"] + timedelta(minutes=59)).strftime("%Y-%m-%dT%H:%M:%SZ")
    end = (hours[5]["time"] + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = await api(f"GET {query}&interval=1h&from={start}&to={end}")
    assert [_read(item) for item in page["items"]] == [hours[5], hours[4], hours[3]]
    for bounds in ("from=0001-01-01T00:00:00Z", "to=9999-12-31T23:59:59Z"):
        page = await api(f"GET {query}&interval=1d&{bounds}")
        assert len(page["items"]) == len(naive_intervals(rows, timedelta(days=1)))


async def test_a_long_export(long_history: tuple[Api, list[dict[str, Any]]]) -> None:
    api, rows = long_history
    export = await exported(api)
    assert len(export) == len(rows) == 5000
    assert chain_is_whole(export)
    assert [int(row["sequence"]) for row in export] == list(range(1, 5001))
    page = await api(f"GET {PATH}?limit=1000")
    assert [item["sequence"] for item in page["items"]] == list(range(5000, 4000, -1))


async def test_the_head(api: Api) -> None:
    """HIS-4: the last row of a fund's chain and what its wallets hold after it, for everyone."""
    path = "GET /v1/insurance-funds/{}/history-head"
    assert await api(path.format("usdc"), key=None) == {
        "sequence": 0, "hash": "0" * 64, "time": None, "balances": [],
    }  # fmt: skip
    await api.seed_fund("usdc", "5", "USDC")
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    for fund, held in {"usdt-major": ("USDT", "989.5"), "usdc": ("USDC", "5")}.items():
        last = (await api(f"GET {PATH}?fund={fund}&limit=1"))["items"][0]
        head = await api(path.format(fund), key=None)
        assert head == {
            **{name: last[name] for name in ("sequence", "hash", "time")},
            "balances": [{"wallet": "main", "asset": held[0], "balance": held[1]}],
        }
    assert await api.refused(path.format("nope"), key=None) == (404, "unknown_fund")


async def test_the_treasury_has_a_history_of_its_own(api: Api) -> None:
    """HIS-1: for admins; pages, filters, CSV and head as a fund's, in a chain over its assets."""
    path = "/v1/treasury/history"
    head = await api("GET /v1/treasury/history-head")
    assert head == {"sequence": 0, "hash": "0" * 64, "time": None, "balances": []}
    for asset, amount in (("USDT", "1000"), ("USDC", "5"), ("USDT", "0.00000001")):
        paid = {"asset": asset, "amount": amount, "reference": "x"}
        await api("POST /v1/treasury/contributions", paid, status=201)
    money = {"asset": "USDT", "amount": "50", "kind": "top_up"}
    await api("POST /v1/insurance-funds/usdt-major/contributions", money, status=201)
    page = await api(f"GET {path}?limit=3")
    rest = await api(f"GET {path}?cursor={page['next_cursor']}")
    items = [*page["items"], *rest["items"]]
    assert [(one["kind"], one["asset"], one["amount"], one["balance_after"]) for one in items] == [
        ("top_up", "USDT", "-50", "950.00000001"),
        ("contribution", "USDT", "0.00000001", "1000.00000001"),
        ("contribution", "USDC", "5", "5"),
        ("contribution", "USDT", "1000", "1000"),
    ]
    assert {(one["fund"], one["wallet"]) for one in items} == {("treasury", "main")}
    of_usdc = await api(f"GET {path}?asset=USDC&kind=contribution")
    assert [one["sequence"] for one in of_usdc["items"]] == [2]
    assert (await api(f"GET {path}?symbol=BTCUSDT"))["items"] == []
    assert await api.refused(f"GET {path}?kind=seed_capital") == (400, "malformed_query")

    answer = await api.send(f"GET {path}?format=csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="treasury-history.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert chain_is_whole(rows)
    head = await api("GET /v1/treasury/history-head")
    assert (head["sequence"], head["hash"]) == (4, items[0]["hash"])
    assert head["balances"] == [
        {"wallet": "main", "asset": "USDC", "balance": "5"},
        {"wallet": "main", "asset": "USDT", "balance": "950.00000001"},
    ]
    (checked,) = verify_history(io.BytesIO(answer.content), [(4, items[0]["hash"])]).values()
    assert checked.sequence == 4
    public = await api("GET /v1/insurance-fund-history?kind=top_up", key=None)
    assert [one["fund"] for one in public["items"]] == ["usdt-major"]

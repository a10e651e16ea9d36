"""Intervals and daily reports, as they are read, are what the raw rows add up to (HIS-2, HIS-3)."""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.commands.contracts import CreateContract
from app.engine.commands.funds import ContributeToFund, CreateFund, MoveInFund
from app.engine.commands.prices import Tick
from app.engine.engine import Engine
from app.engine.numbers import EPOCH, UNIT, begin_of, plain
from app.engine.state import State
from app.store import database
from app.store.growing import WIDTHS, KeptInterval
from app.store.queries import reports
from app.store.writer import Writer
from tests.conftest import new_database
from tests.engine.world import contract
from tests.store.test_engine import SYMBOLS, Life, anything, opening

D = Decimal
DAY = timedelta(days=1)
FUNDED = [
    ("f", "main", "USDC"),
    ("f", "spare", "USDT"),
    ("a", "main", "USDT"),
    ("g", "main", "USDT"),
]
NO_HEAD = {"sequence": 0, "hash": "0" * 64}
LOSSES = ("bankruptcy_loss", "deficit_cover", "offload_pnl")
Rows = list[dict[str, Any]]


class Days(Life):
    """A life of several days, some of them with nothing."""

    until = EPOCH

    def _next(self) -> datetime:
        return max(super()._next(), self.until)


@settings(max_examples=8)
@given(st.integers(0, 2**32))
def test_reports_are_the_sums_of_raw_rows(server: str, migrated: str, seed: int) -> None:
    """Of a violent market, page by page, whatever the pages' length."""
    with new_database(server, template=migrated) as address:
        asyncio.run(_run(address, random.Random(seed)))


async def _run(address: str, chance: random.Random) -> None:
    connection, engine = await database.connect(address), database.create_engine(address)
    try:
        await _live(connection, chance)
        async with engine.connect() as reading:
            await _compare(connection, reading, chance)
    finally:
        await engine.dispose()
        await connection.close()


async def _compare(
    connection: asyncpg.Connection, reading: AsyncConnection, chance: random.Random
) -> None:
    history, volumes = await _raw(connection)
    now = await connection.fetchval("SELECT time FROM leadership")
    for name in WIDTHS:
        found = await _paged_intervals(reading, name, chance.choice([1, 5, 1000]))
        assert found == [*intervals(history, name)][::-1], name
    found = await _paged_reports(reading, chance.choice([1, 2, 5, 1000]))
    assert found == daily_reports(history, volumes, now)


async def _live(connection: asyncpg.Connection, chance: random.Random) -> None:
    """Some days, in batches; the fund has a second asset from some day on."""
    marks = dict.fromkeys(SYMBOLS, D(100))
    epoch = await connection.fetchval("UPDATE leadership SET epoch = epoch + 1 RETURNING epoch")
    life = Days(State(), Writer(connection, epoch, Engine.rules_version))
    coin = replace(contract("CUSDC", "f"), quote_asset="USDC", settlement_asset="USDC")
    others = [CreateFund("a", "A"), CreateContract(coin)]
    for command in [*opening(), *others]:
        life.apply(command)
    for _ in range(chance.randint(2, 8)):
        for _ in range(chance.randint(20, 80)):
            life.apply(anything(chance, marks, sorted(life.engine.state.orders)))
        amount = D(chance.randint(1, 10**10)).scaleb(-8)
        for fund, wallet, asset in FUNDED:
            if chance.random() < 0.4:
                life.apply(ContributeToFund(fund, wallet, asset, amount, "seed_capital"))
        source, destination = chance.sample(["main", "spare"], 2)
        life.apply(MoveInFund("f", source, destination, "USDT", (amount / 7).quantize(UNIT)))
        await life.commit()
        assert life.engine.state.time is not None
        pause = timedelta(hours=chance.choice([0, 1, 11, 30, 80]), seconds=chance.random())
        life.until = life.engine.state.time + pause
        for symbol in SYMBOLS:
            life.apply(Tick(symbol, marks[symbol]))
    await life.commit()


async def _raw(connection: asyncpg.Connection) -> tuple[Rows, Rows]:
    """The fund's history; and of liquidations and ADL what counts, by a second way of valuing."""
    history = await connection.fetch(
        "SELECT * FROM fund_history WHERE fund_id = 'f' ORDER BY sequence"
    )
    found = await connection.fetch("""
        SELECT *, filled_quantity + taken_over_quantity + deleveraged_quantity + netted_quantity
            AS closed FROM liquidations JOIN contracts USING (symbol)""")
    volumes = [_volume("liquidation", row, row["closed"]) for row in found]
    volumes += [_volume("takeover", row, row["taken_over_quantity"]) for row in found]
    events = await connection.fetch("SELECT * FROM adl_events JOIN contracts USING (symbol)")
    volumes += [_volume("adl", row, row["quantity"]) for row in events]
    return [dict(row) for row in history], [one for one in volumes if one["value"]]


def _volume(kind: str, row: asyncpg.Record, quantity: Decimal) -> dict[str, Any]:
    size, mark = row["contract_size"], row["mark_price"]
    value = quantity * size * mark if row["margining"] == "linear" else quantity * size / mark
    return {
        "kind": kind, "side": row["side"], "time": row["time"],
        "value": round(value, 8),  # half-even
    }  # fmt: skip


def intervals(history: Rows, name: KeptInterval) -> Iterator[dict[str, Any]]:
    """Of USDT, by walking through every row."""
    groups: defaultdict[datetime, Rows] = defaultdict(list)
    for row in history:
        if row["asset"] == "USDT":
            groups[begin_of(row["time"], WIDTHS[name])].append(row)
    total = D(0)
    for begin, rows in groups.items():
        seen, by_kind = [total], defaultdict[str, Decimal](D)
        for row in rows:
            total += row["amount"]
            by_kind[row["kind"]] += row["amount"]
            if row["kind"] != "adjustment" or row["amount"] > 0:
                seen.append(total)  # else the other wallet has it, by the next row
        yield {
            "time": begin.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), "open": plain(seen[0]),
            "high": plain(max(seen)), "low": plain(min(seen)), "close": plain(total),
            "inflow": plain(total_of(rows, 1)), "outflow": plain(total_of(rows, -1)),
            "by_kind": {kind: plain(by_kind[kind]) for kind in sorted(by_kind)},
        }  # fmt: skip


def total_of(rows: Iterable[dict[str, Any]], sign: int) -> Decimal:
    return sum((abs(row["amount"]) for row in rows if row["amount"] * sign > 0), D(0))


def daily_reports(history: Rows, volumes: Rows, now: datetime) -> Rows:
    """Every day of every asset, newest first: each from the raw rows alone."""
    found = []
    for asset in sorted({"USDT", *(row["asset"] for row in history)}):
        rows = [row for row in history if row["asset"] == asset]
        own = volumes if asset == "USDT" else []
        day = begin_of(min(one["time"] for one in (*rows, *own)), DAY)
        while day <= now:
            before = [row for row in rows if row["time"] < day]
            today = [row for row in rows if day <= row["time"] < day + DAY]
            had = [row for row in history if row["time"] < day + DAY]
            found.append({
                "date": f"{day:%Y-%m-%d}", "asset": asset, "complete": day + DAY <= now,
                "opening": net(before), "closing": net([*before, *today]), "net_flow": net(today),
                "inflow_by_kind": flows(today, 1), "outflow_by_kind": flows(today, -1),
                **counted([one for one in own if day <= one["time"] < day + DAY]),
                "largest_loss": largest_loss(today),
                "head": {name: had[-1][name] for name in ("sequence", "hash")} if had else NO_HEAD,
            })  # fmt: skip
            day += DAY
    return sorted(found, key=lambda one: (one["date"], -ord(one["asset"][3])), reverse=True)


def net(rows: Rows) -> str:
    return plain(sum((row["amount"] for row in rows), D(0)))


def flows(rows: Rows, sign: int) -> dict[str, str]:
    kinds = sorted({row["kind"] for row in rows if row["amount"] * sign > 0})
    return {kind: plain(total_of((r for r in rows if r["kind"] == kind), sign)) for kind in kinds}


def largest_loss(rows: Rows) -> str:
    payments: defaultdict[Any, Decimal] = defaultdict(D)
    for row in rows:
        if row["kind"] in LOSSES and row["amount"] < 0:
            payments[row["kind"], row["liquidation_id"], row["time"]] -= row["amount"]
    return plain(max(payments.values(), default=D(0)))


def counted(volumes: Rows) -> dict[str, Any]:
    def of(kind: str, *sides: str) -> tuple[int, str]:
        values = [one["value"] for one in volumes if one["kind"] == kind and one["side"] in sides]
        return len(values), plain(sum(values, D(0)))

    both = "long", "short"
    return {
        "liquidations": {
            side: dict(zip(("count", "value"), of("liquidation", side), strict=True))
            for side in both
        },
        "takeovers": of("takeover", *both)[0], "taken_over_value": of("takeover", *both)[1],
        "adl_events": of("adl", *both)[0], "adl_value": of("adl", *both)[1],
    }  # fmt: skip


async def _paged_intervals(reading: AsyncConnection, name: KeptInterval, limit: int) -> Rows:
    found: Rows = []
    end: datetime | None = None
    while True:
        rows = await reports.list_intervals(reading, "f", "USDT", name, limit, end=end)
        if not rows:
            return found
        found += [json.loads(row["item"]) for row in rows]
        end = rows[-1]["time"]


async def _paged_reports(reading: AsyncConnection, limit: int) -> Rows:
    found: Rows = []
    after: tuple[datetime, str] | None = None
    while True:
        rows = await reports.list_daily_reports(reading, "f", limit, after=after)
        if not rows:
            return found
        found += [json.loads(row["item"]) for row in rows]
        after = rows[-1]["day"], rows[-1]["asset"]

"""Cascades over HTTP, durable: thousands of liquidations on one tick, others served meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import cycle
from statistics import median
from typing import Any

from app.engine.commands import Command
from app.engine.commands.orders import PlaceOrder
from benchmarks import orders, servers
from benchmarks.load import Load, ask, drive, request
from benchmarks.options import Options
from benchmarks.population import CROWDED, populate, setting
from benchmarks.table import Row, duration, say

CRASH = "58500"
"""Below the bankruptcy price, 58800, of longs that bought at 60000 with leverage 50."""
BIDS = 200
PING_SECONDS = 0.002
HALF_OF_ONE = 0.0124
"""Half of the mean quantity of a long, in BTC."""


@dataclass(frozen=True, slots=True)
class Crash:
    """One tick: its seconds, and other requests before it (`idle`) and meanwhile (`busy`)."""

    seconds: float
    liquidations: int
    events: int
    idle: Load
    busy: Load
    idle_pings: Load
    pings: Load


async def crash(server: str, template: str, *, probe_seconds: float = 0.0) -> Crash:
    """Send the tick to a fresh copy of the database at `template`; probed on the way if asked."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(servers.new_database(server, template))
        found = await stack.enter_async_context(servers.service(database))
        idle, idle_pings = await probe(found, seconds=probe_seconds)
        body = {"symbol": "BTCUSDT", "mark_price": CRASH}
        tick = asyncio.create_task(
            ask(found, request("POST", "/v1/prices", body, servers.ADMIN_KEY))
        )
        busy = pings = Load()
        if probe_seconds:
            busy, pings = await probe(found, until=tick)
        answer = await tick
        count, events = [
            await servers.fetch_number(database, f"SELECT count(*) FROM {table}")
            for table in ("liquidations", "adl_events")
        ]
        assert answer.json()["accounts_at_risk"] == count > 0, (answer.last, count)
        return Crash(answer.latencies[0], count, events, idle, busy, idle_pings, pings)


async def probe(
    address: str, *, seconds: float | None = None, until: asyncio.Task[Any] | None = None
) -> tuple[Load, Load]:
    """One client that sends small orders, and one that asks every 2 ms whether anybody is in."""
    order = {
        "account_id": "trader-0", "symbol": "ETHUSDT", "side": "buy", "type": "limit",
        "quantity": "0.01", "price": "2900", "time_in_force": "ioc",
    }  # fmt: skip
    sending = cycle([request("POST", "/v1/orders", order, servers.ADMIN_KEY)])
    asking = cycle([request("GET", "/healthz")])
    stop = until.done if until else lambda: False
    served, pings = await asyncio.gather(
        drive(address, [sending], seconds=seconds, stop=stop),
        drive(address, [asking], seconds=seconds, stop=stop, pause=PING_SECONDS),
    )
    assert not served.refused, served.refused[0]
    return served, pings


def bids(liquidations: int) -> Sequence[Command]:
    """A maker's bids above the bankruptcy price, good for about half of the longs."""
    quantity = Decimal(max(1, round(liquidations * HALF_OF_ONE / BIDS * 1000))) / 1000
    return [
        PlaceOrder("trader-0", "BTCUSDT", "buy", "limit", quantity, Decimal(58_900) + step)
        for step in range(BIDS)
    ]


async def rows(server: str, options: Options) -> list[Row]:
    """The cascade with book and fund, and the worst second with neither."""
    return [*await _cascade(server, options), *await _worst_second(server, options)]


async def _cascade(server: str, options: Options) -> list[Row]:
    async with servers.new_database(server) as template:
        await crowd(template, options.cascade, book=True, fund=True)
        plain, probed = [], []
        for number in range(1, min(3, options.rounds) + 1):
            say(f"cascade of {options.cascade:,} liquidations: round {number}")
            plain.append(await crash(server, template))
            probed.append(await crash(server, template, probe_seconds=options.seconds))
    each = median(run.seconds / run.liquidations for run in plain)
    ratios = [run.busy.quantile(0.99) / run.idle.quantile(0.99) for run in probed]
    busy = median(run.busy.quantile(0.99) for run in probed)
    idle = median(run.idle.quantile(0.99) for run in probed)
    block, quiet = (
        max(max(load.latencies) for load in loads)
        for loads in ([run.pings for run in probed], [run.idle_pings for run in probed])
    )
    what = f"cascade of {plain[0].liquidations:,}"
    return [
        Row(
            f"a liquidation inside a {what}, durable", duration(each),
            f"all: {duration(median(run.seconds for run in plain))}", each * 1e6,
            "µs", 150, at_least=False,
        ),
        Row(
            f"one client's orders during that cascade, p99 of {len(probed[0].busy.latencies):,}",
            duration(busy), f"idle: {duration(idle)}", median(ratios), "idle", 10,
            at_least=False,
        ),
        Row(
            f"longest GET /healthz during that cascade (asked every {duration(PING_SECONDS)})",
            duration(block), f"idle: {duration(quiet)}", block / quiet, "idle",
        ),
    ]  # fmt: skip


async def _worst_second(server: str, options: Options) -> list[Row]:
    """The liquidations of 10 October 2025's worst second, with an ADL for each; and half of it."""
    runs: dict[int, list[Crash]] = {options.worst // 2: [], options.worst: []}
    async with AsyncExitStack() as stack:
        templates = {}
        for size in runs:
            templates[size] = await stack.enter_async_context(servers.new_database(server))
            await crowd(templates[size], size, book=False, fund=False)
        for number in range(1, min(3, options.rounds) + 1):
            say(f"the worst second, {options.worst:,} liquidations: round {number}")
            for size, done in runs.items():
                done.append(await crash(server, templates[size]))
    half, whole = ([run.seconds for run in done] for done in runs.values())
    run = runs[options.worst][0]
    what = f"{run.liquidations:,} liquidations + {run.events:,} ADLs after one tick, durable"
    return [
        Row(what, duration(median(whole)), "", median(whole), "s", 3, at_least=False),
        Row(
            "the same, beside half as many", duration(median(whole)),
            f"half: {duration(median(half))}",
            median(b / a for a, b in zip(half, whole, strict=True)), "half", 2.2, at_least=False,
        ),
    ]  # fmt: skip


async def crowd(address: str, longs: int, *, book: bool, fund: bool) -> None:
    """Longs that one tick liquidates, with bids for half of them or none, and a fund or none."""
    commands = [*setting(fund=fund), *orders.accounts(1), *(bids(longs) if book else [])]
    await servers.prepare(address, commands)
    await populate(address, 2 * longs, margin=CROWDED, range_bp=0)

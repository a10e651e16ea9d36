"""Orders over HTTP, durable, all rules on, beside the floors F1, F2 and F3."""

from __future__ import annotations

import asyncio
import random
import re
from asyncio.subprocess import PIPE
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import cycle, islice
from statistics import median
from typing import Any

from app.engine.commands.accounts import Deposit, OpenAccount
from app.engine.commands.keys import NewKey
from app.runner.keys import digest_of
from app.store.embedded import packaged_binaries
from benchmarks import servers
from benchmarks.load import Load, drive, request
from benchmarks.options import Options
from benchmarks.population import setting
from benchmarks.table import Row, duration, per_second, say

MARK = 60_000
RICH = Decimal(100_000_000)
BATCH_CLIENTS = 2
BATCHES_MADE = 10
REQUESTS_MADE = 1_000


@dataclass(slots=True)
class Samples:
    """One list per thing measured, a value per round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    medians: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, load: Load) -> None:
        """Keep a run's rate and its median latency."""
        self.rates.setdefault(name, []).append(load.rate)
        self.medians.setdefault(name, []).append(load.quantile(0.5))

    def row(self, what: str, name: str, floor: str, goal: float) -> Row:
        """A row of rates."""
        ours, beside = self.rates[name], self.rates[floor]
        ratio = median(a / b for a, b in zip(ours, beside, strict=True))
        text = f"{floor}: {per_second(beside)}"
        return Row(what, per_second(ours), text, ratio, floor, goal)


def accounts(number: int) -> list[OpenAccount | Deposit]:
    """Traders with more money than they need."""
    commands: list[OpenAccount | Deposit] = []
    for index in range(number):
        name = f"trader-{index}"
        key = NewKey(f"key-{index}", name, "trader", digest_of(name), name)
        commands.append(OpenAccount(name, "one_way", key))
        commands.append(Deposit(name, "USDT", RICH))
    return commands


def trading(trader: int) -> Iterator[dict[str, Any]]:
    """The orders of one trader, for ever; the book keeps its size.

    Of ten, four rest on both sides, four take what rests, and the last two meet: the trader's own
    best bid is cancelled by the sell order that crosses it.
    """
    draw = random.Random(trader)

    def order(side: str, away: float, **more: str) -> dict[str, Any]:
        price = MARK + round(away if side == "sell" else -away, 1)
        return {
            "account_id": f"trader-{trader}", "symbol": "BTCUSDT", "side": side, "type": "limit",
            "quantity": "0.002", "price": str(price), **more,
        }  # fmt: skip

    while True:
        for side in ("buy", "sell", "buy", "sell"):
            yield order(side, draw.uniform(1, 50))
        for side in ("buy", "sell", "buy", "sell"):
            yield order(side, -500, time_in_force="ioc")
        yield order("buy", 0.5)
        yield order("sell", -0.5, time_in_force="ioc", self_trade_prevention="expire_maker")


def by_turns(traders: Iterable[int]) -> Iterator[dict[str, Any]]:
    """The orders of several traders, each in turn."""
    sources = [trading(trader) for trader in traders]
    return (next(source) for source in cycle(sources))


def requests(path: str, traders: Iterable[int]) -> Iterable[bytes]:
    """Single orders as requests, made in advance, so that the client is quick."""
    made = islice(by_turns(traders), REQUESTS_MADE)
    return cycle([request("POST", path, order, servers.ADMIN_KEY) for order in made])


def batches(size: int, traders: Iterable[int]) -> Iterable[bytes]:
    """Batches as requests."""
    source = by_turns(traders)
    bodies = [{"orders": list(islice(source, size))} for _ in range(BATCHES_MADE)]
    return cycle([request("POST", "/v1/orders/batch", b, servers.ADMIN_KEY) for b in bodies])


async def rows(server: str, options: Options) -> list[Row]:
    """Interleaved rounds of the floors and ours."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(servers.new_database(server))
        floor_database = await stack.enter_async_context(servers.new_database(server))
        await servers.prepare(database, [*setting(), *accounts(options.clients)])
        ours = await stack.enter_async_context(servers.service(database))
        floor = await stack.enter_async_context(servers.floors(floor_database))
        await pgbench(floor_database, "-i", "-q", "-s", str(options.clients))
        samples = Samples()
        for number in range(options.rounds + 1):
            say(f"orders: round {number} of {options.rounds}" if number else "orders: warming up")
            into = samples if number else Samples()
            await _round(ours, floor, floor_database, options, into)
    return _rows(samples, options)


async def _round(
    ours: str, floor: str, floor_database: str, options: Options, samples: Samples
) -> None:
    traders = range(options.clients)
    targets = {
        "F1": (floor, "/echo"), "ours": (ours, "/v1/orders"), "F2": (floor, "/insert"),
    }  # fmt: skip
    for name, (address, path) in targets.items():
        streams = [requests(path, [trader]) for trader in traders]
        samples.add(name, await _run(address, streams, options))
    tps = await pgbench(
        floor_database, "-n", "-M", "prepared", "-c", str(options.clients), "-j", "2",
        "-T", str(max(1, round(options.seconds))),
    )  # fmt: skip
    samples.rates.setdefault("F3", []).append(tps)
    for name, (address, path) in targets.items():
        samples.add(f"one {name}", await _run(address, [requests(path, traders)], options))
    streams = [batches(options.batch, traders[n::BATCH_CLIENTS]) for n in range(BATCH_CLIENTS)]
    load = await _run(ours, streams, options)
    samples.rates.setdefault("batches", []).append(options.batch * load.rate)


async def _run(address: str, streams: list[Iterable[bytes]], options: Options) -> Load:
    load = await drive(address, streams, seconds=options.seconds)
    if load.refused:
        raise RuntimeError(f"{len(load.refused)} refused: {load.refused[0].decode()}")
    return load


def _rows(samples: Samples, options: Options) -> list[Row]:
    what = f"POST /v1/orders, {options.clients} clients, durable, all rules"
    p50 = median(samples.medians["ours"])
    one, one_floor = samples.medians["one ours"], samples.medians["one F2"]
    ratio = median(a / b for a, b in zip(one, one_floor, strict=True))
    return [
        samples.row(f"{what}; p50 {duration(p50)}", "ours", "F1", 0.55),
        samples.row(what, "ours", "F2", 1.6),
        samples.row(what, "ours", "F3", 1.0),
        Row(
            "one client, p50", duration(median(one)), f"F2: {duration(median(one_floor))}",
            ratio, "F2", 1.3, at_least=False,
        ),
        samples.row(f"batches of {options.batch:,} orders", "batches", "F2", 5),
    ]  # fmt: skip


async def pgbench(address: str, *arguments: str) -> float:
    """Run pgbench's TPC-B; returns its transactions per second (0 when it only prepares)."""
    process = await asyncio.create_subprocess_exec(
        packaged_binaries() / "pgbench", *arguments, address, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(errors.decode())
    found = re.search(rb"tps = ([\d.]+)", output)
    return float(found[1]) if found else 0.0

"""What settles all positions of a contract at one time, over HTTP, durable; others are served."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from app.store.database import connect
from benchmarks import orders, servers
from benchmarks.cascades import PING_SECONDS, probe
from benchmarks.load import Load, drive, request
from benchmarks.options import Options
from benchmarks.population import populate, setting, spread
from benchmarks.table import Row, duration, say

READY_SECONDS = 5
"""In which a service should have started; where it has not, it gets twice as many."""
LOOK_SECONDS = 0.02
"""Between two looks at whether it is done."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A settlement of BTCUSDT: the statements that make it `due` at a time, which is written into
    the tables as positions are, and the count that is not zero when it is done and durable."""

    name: str
    due: tuple[str, ...]
    done: str


FUNDING = Kind(
    "funding",
    (
        "UPDATE contracts SET funding_interval_hours = 8 WHERE symbol = 'BTCUSDT'",
        """INSERT INTO funding (symbol, next_at, rate, settled_rate, mark_price, paid_account,
            paid_side, residue) VALUES ('BTCUSDT', '{due}', 0.0001, 0, 0, '', '', 0)""",
    ),
    "SELECT count(*) FROM funding_rates WHERE rate <> 0",
)
DELIVERY = Kind(
    "delivery",
    (
        "UPDATE contracts SET kind = 'delivery', delivery_at = '{due}' WHERE symbol = 'BTCUSDT'",
        """INSERT INTO deliveries (symbol, phase, samples, total, sampled_at, quantity, cost)
            VALUES ('BTCUSDT', 'ahead', 10, 600000, '{due}', 0, 0)""",
    ),
    "SELECT count(*) FROM settlements",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One settlement: its seconds, and other requests before it and meanwhile."""

    seconds: float
    idle: Load
    busy: Load
    idle_pings: Load
    pings: Load


async def rows(server: str, options: Options) -> list[Row]:
    """A funding of many positions, and a delivery."""
    async with servers.new_database(server) as template:
        await servers.prepare(template, [*setting(), *orders.accounts(1)])
        await populate(template, options.settled, margin=spread(20))
        found = [await _measured(server, template, kind, options) for kind in (FUNDING, DELIVERY)]
    return [row for rows in found for row in rows]


async def _measured(server: str, template: str, kind: Kind, options: Options) -> list[Row]:
    runs = []
    for number in range(1, min(3, options.rounds) + 1):
        say(f"{kind.name} of {options.settled:,} positions: round {number}")
        runs.append(await _settle(server, template, kind, options))
    seconds = median(run.seconds for run in runs)
    busy, idle = (
        median(load.quantile(0.99) for load in loads)
        for loads in ([run.busy for run in runs], [run.idle for run in runs])
    )
    longest, quiet = (
        max(max(load.latencies) for load in loads)
        for loads in ([run.pings for run in runs], [run.idle_pings for run in runs])
    )
    each = seconds / options.settled
    return [
        Row(
            f"a position's {kind.name} inside one of {options.settled:,}, durable",
            duration(each), f"all: {duration(seconds)}", each * 1e6, "µs",
        ),
        Row(
            f"one client's orders in another contract during that {kind.name}, p99",
            duration(busy), f"idle: {duration(idle)}", busy / idle, "idle",
        ),
        Row(
            f"longest GET /healthz during that {kind.name} (asked every {duration(PING_SECONDS)})",
            duration(longest), f"idle: {duration(quiet)}", longest / quiet, "idle",
        ),
    ]  # fmt: skip


async def _settle(server: str, template: str, kind: Kind, options: Options) -> Run:
    """Let it fall due in a fresh copy of the database at `template`, when the service is ready."""
    ready = READY_SECONDS
    while True:
        async with servers.new_database(server, template) as database:
            due = datetime.now(UTC) + timedelta(seconds=ready + options.seconds)
            statements = [statement.format(due=due.isoformat()) for statement in kind.due]
            await servers.execute(database, *statements)
            async with servers.service(database) as found:
                await _begun(found)
                idle, idle_pings = await probe(found, seconds=options.seconds)
                wait = (due - datetime.now(UTC)).total_seconds()
                if wait > 0:
                    await asyncio.sleep(wait)
                    settling = asyncio.create_task(_seconds(database, kind, due))
                    busy, pings = await probe(found, until=settling)
                    return Run(await settling, idle, busy, idle_pings, pings)
        ready *= 2


async def _begun(address: str) -> None:
    """The leader is through its first cascade."""
    metrics = request("GET", "/metrics", key=servers.ADMIN_KEY)
    while b"backstop_cascades_pending 0.0" not in (await drive(address, [[metrics]])).last:
        await asyncio.sleep(0.1)


async def _seconds(database: str, kind: Kind, due: datetime) -> float:
    connection = await connect(database)
    try:
        while not await connection.fetchval(kind.done):
            await asyncio.sleep(LOOK_SECONDS)
        return (datetime.now(UTC) - due).total_seconds()
    finally:
        await connection.close()

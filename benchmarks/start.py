"""Cold start: from the start of the process to the first moment that it takes orders."""

from __future__ import annotations

import asyncio
from io import BytesIO
from statistics import median
from time import perf_counter

from app.store import database
from benchmarks import servers
from benchmarks.load import drive, request
from benchmarks.options import Options
from benchmarks.population import populate, setting, spread
from benchmarks.table import Row, duration, say

PER_ACCOUNT = 5
ROUNDS = 3


async def rows(server: str, options: Options) -> list[Row]:
    """Starts on a running PostgreSQL, each beside a COPY of the positions out and in again."""
    starts, outs, ins = [], [], []
    async with servers.new_database(server) as address:
        say(f"start: writing {options.positions:,} positions")
        await servers.prepare(address, setting())
        await populate(address, options.positions, contracts=PER_ACCOUNT, margin=spread(20))
        for number in range(1, min(ROUNDS, options.rounds) + 1):
            say(f"start: round {number}")
            out, into = await _copy(address)
            starts.append(await _start(address))
            outs.append(out)
            ins.append(into)
    what = f"start with {options.positions:,} positions in {options.positions // 5:,} accounts"
    took = duration(median(starts))
    return [
        Row(
            what, took, f"COPY {name} the table: {duration(median(copies))}",
            median(a / b for a, b in zip(starts, copies, strict=True)), "COPY", 8,
            at_least=False,
        )
        for name, copies in (("into", ins), ("out of", outs))
    ]  # fmt: skip


async def _start(address: str) -> float:
    """Seconds from the start of the process to `GET /leaderz` answering 200."""
    started = perf_counter()
    async with servers.service(address) as found:
        while (await drive(found, [[request("GET", "/leaderz")]])).refused:
            await asyncio.sleep(0.01)
        return perf_counter() - started


async def _copy(address: str) -> tuple[float, float]:
    """Seconds of a bare COPY of the positions out of the table, and into one like it."""
    connection = await database.connect(address)
    try:
        await connection.execute("CREATE TABLE copied (LIKE positions INCLUDING ALL)")
        data = BytesIO()
        started = perf_counter()
        await connection.copy_from_table("positions", output=data)
        out = perf_counter() - started
        data.seek(0)
        started = perf_counter()
        await connection.copy_to_table("copied", source=data)
        into = perf_counter() - started
        await connection.execute("DROP TABLE copied")
    finally:
        await connection.close()
    return out, into

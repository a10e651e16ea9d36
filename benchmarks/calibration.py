"""A calibration of a whole exchange: time and memory, and reading its book from PostgreSQL.

Each run is a process of its own, `python -m benchmarks.calibration POSITIONS CONTRACTS SCENARIOS
STEPS HOURS`, whose memory is looked at while it runs, that of the processes it starts included.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from time import perf_counter
from typing import Any

import numpy as np
import psutil

from app.calibration.figures import Floats
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes
from app.calibration.inputs.snapshot import read_book
from app.calibration.paths import Scenarios
from app.calibration.runs.pool import Pool
from app.calibration.runs.run import calibrate
from app.calibration.runs.setup import prepare
from app.catalogue.stress import crashes
from app.jobs.parameters import Parameters
from app.store import database
from benchmarks import books, servers
from benchmarks.options import Options
from benchmarks.table import Row, duration, say

STEPS = 24
SMALL = (100, 20)
"""By how much a small exchange has fewer positions and contracts."""
LOOK_SECONDS = 0.1
SAMPLE = 3
"""Scenarios that are worked out position by position."""


async def rows(server: str, options: Options) -> list[Row]:
    """A large exchange along paths and in one step, a small one, and reading the large one."""
    large = options.positions, options.contracts
    small = large[0] // SMALL[0], max(10, large[1] // SMALL[1])
    paths = await _run(*large, options.scenarios, STEPS, options.past)
    step = await _run(*large, options.scenarios, 1, options.past)
    quick = await _run(*small, options.scenarios, STEPS, options.past)
    each = paths["seconds"] / options.scenarios
    beside = f"{duration(paths['naive'])} a scenario, position by position"
    many, few = (
        f"{positions:,} positions, {kinds} contracts" for positions, kinds in (large, small)
    )
    runs = f"{options.scenarios:,} scenarios x {STEPS}"
    return [
        _timed(f"calibration, {many}, {runs}", paths, 40),
        Row("its memory, all processes", f"{paths['memory']:.2f} GB", "", paths["memory"], "GB", 1,
            at_least=False),
        Row("a scenario of it", duration(each), beside, paths["naive"] / each, "x naive"),
        _timed(f"the same in one step, {options.scenarios:,} scenarios", step, 10),
        _timed(f"calibration, {few}, {runs}", quick, 1),
        await _read(server, *large),
    ]  # fmt: skip


def _timed(what: str, found: dict[str, float], goal: float) -> Row:
    seconds = found["seconds"]
    return Row(what, duration(seconds), "", seconds, "s", goal, at_least=False)


async def _read(server: str, positions: int, contracts: int) -> Row:
    """Beside a bare COPY of the positions."""
    async with servers.new_database(server) as address:
        await servers.prepare(address, [])
        say(f"calibration: writing {positions:,} positions")
        await books.write(address, books.book(positions, contracts))
        connection = await database.connect(address)
        try:
            started = perf_counter()
            await read_book(connection, "USDT")
            took = perf_counter() - started
            started = perf_counter()
            await connection.copy_from_table("positions", output=BytesIO())
            copied = perf_counter() - started
        finally:
            await connection.close()
    what = f"reading {positions:,} positions from PostgreSQL"
    beside = f"COPY out of the table: {duration(copied)}"
    return Row(what, duration(took), beside, took, "s", 8, at_least=False)


async def _run(*size: int) -> dict[str, float]:
    say(f"calibration: {', '.join(f'{one:,}' for one in size)}")
    command = (sys.executable, "-m", "benchmarks.calibration", *map(str, size))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, cwd=servers.ROOT)
    assert process.stdout is not None
    told = asyncio.create_task(process.stdout.read())
    most = 0.0
    while not told.done():
        most = max(most, _memory(process.pid))
        await asyncio.sleep(LOOK_SECONDS)
    if await process.wait():
        raise RuntimeError(f"a calibration ended with {process.returncode}")
    found: dict[str, float] = json.loads(await told)
    return {**found, "memory": most / 1e9}


def _memory(number: int) -> int:
    """Bytes of a process and all that it started; what they share, once."""
    total = 0
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(number)
        for one in (parent, *parent.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                told: Any = one.memory_full_info()
                total += getattr(told, "pss", told.rss)
    return total


def past(book: PositionBook, hours: int) -> Closes:
    """Hourly closes with a common factor, clustered volatility, fat tails and eight crashes."""
    random, contracts = np.random.default_rng(1), len(book.contracts)
    shocks = random.normal(0, 0.12, hours + 200)
    volatility = np.exp(np.convolve(shocks, 0.97 ** np.arange(201), "valid"))[:hours]
    volatility /= volatility.mean()
    common = random.standard_t(4, hours) * 0.0045 * volatility
    common[random.integers(0, hours, 8)] -= random.uniform(0.06, 0.16, 8)
    logs = np.zeros((hours + 1, contracts))
    for number in range(contracts):
        own = random.standard_t(4, hours) * random.uniform(0.004, 0.012) * volatility
        logs[1:, number] = np.cumsum(common * random.uniform(0.9, 1.7) + own)
    closes = np.exp(logs - logs[-1]) * [one.mark for one in book.contracts]
    begin = datetime(2024, 1, 1, tzinfo=UTC)
    times = tuple(begin + timedelta(hours=one) for one in range(hours + 1))
    return Closes(1, times, closes, np.zeros(contracts), "")


def naive(book: PositionBook, logs: Floats) -> float:
    """What one path costs without impact, position by position and step by step; (contracts,
    steps)."""
    values = book.values()
    rate, cum = book.brackets(values)
    isolated = ~np.isnan(book.wallet)
    scope = np.where(isolated, len(book.cross) + np.arange(len(values)), book.account)
    wallet = np.concatenate([book.cross, np.where(isolated, book.wallet, 0.0)])
    there, cost = np.ones(len(wallet), dtype=bool), 0.0
    for place in np.exp(logs).T:
        now = values * place[book.contract]
        equity = wallet + np.bincount(scope, now - book.cost, len(wallet))
        margin = np.bincount(scope, rate * np.abs(now) - cum, len(wallet))
        out = there & (equity < np.maximum(margin, 0.0))
        cost -= float(np.minimum(equity[out], 0.0).sum())
        there &= ~out
    return cost


def main() -> None:
    """Run and tell."""
    positions, contracts, scenarios, steps, hours = map(int, sys.argv[1:])
    book = books.book(positions, contracts)
    prices = past(book, hours)
    started = perf_counter()
    run = prepare(book, prices, Parameters(scenarios=scenarios), crashes())
    if steps < STEPS:
        drawn = np.random.default_rng(1).integers(0, hours, (scenarios, steps))
        run = run._replace(scenarios=Scenarios(run.scenarios.returns, drawn))
    with Pool() as pool:
        found = calibrate(run, pool)
    took = perf_counter() - started
    paths = run.scenarios.paths(np.arange(SAMPLE))
    logs = np.array([paths.logs(contract) for contract in range(contracts)])
    started = perf_counter()
    for number in range(SAMPLE):
        naive(book, logs[:, :, number])
    slow = (perf_counter() - started) / SAMPLE
    minimum = str(found[0].required_minimum)
    print(json.dumps({"seconds": took, "naive": slow, "minimum": minimum}))


if __name__ == "__main__":
    main()

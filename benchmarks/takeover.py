"""Takeover: from the death of the leader to the first acknowledged write on the warm standby."""

from __future__ import annotations

import asyncio
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from statistics import median
from time import perf_counter

from benchmarks import servers
from benchmarks.load import drive, request
from benchmarks.options import Options
from benchmarks.population import populate, setting, spread
from benchmarks.servers import ADMIN_KEY
from benchmarks.table import Row, duration, say

PER_ACCOUNT = 5
GOAL_SECONDS = 2.0
DEATHS = {"its service killed": signal.SIGKILL, "its host gone": signal.SIGSTOP}
"""A host that is gone ends no session, and neither does a process that is stopped."""

_amounts = count(1)


async def rows(server: str, options: Options) -> list[Row]:
    """Each death at no positions, a tenth of the most, and the most."""
    found = []
    for positions in (0, options.positions // 10, options.positions):
        async with servers.new_database(server) as address:
            say(f"takeover: writing {positions:,} positions")
            await servers.prepare(address, setting())
            if positions:
                await populate(address, positions, contracts=PER_ACCOUNT, margin=spread(20))
            for death, by in DEATHS.items():
                # With the most it takes long to make a standby warm.
                rounds = 1 if positions == options.positions else min(3, options.rounds)
                took = [await _takeover(address, by) for _ in range(rounds)]
                found.append(
                    Row(
                        f"takeover with {positions:,} positions, {death}", duration(median(took)),
                        "the rule's 2 s", median(took), "s", GOAL_SECONDS, at_least=False,
                    )
                )  # fmt: skip
    return found


async def _takeover(address: str, death: signal.Signals) -> float:
    """Seconds from the leader's death to the answer to a write."""
    async with _pair(address) as (leader, process, standby):
        assert await _pays(leader), "the leader takes writes"
        process.send_signal(death)
        died = perf_counter()
        try:
            while not await _pays(standby):
                await asyncio.sleep(0.005)
            return perf_counter() - died
        finally:
            if death == signal.SIGSTOP:
                process.kill()


@asynccontextmanager
async def _pair(address: str) -> AsyncIterator[tuple[str, Process, str]]:
    """A leader that is through its first cascade, and a warm standby."""
    async with servers.instance(address) as (leader, process):
        await _until(leader, "/leaderz", '"leader"')
        await _until(leader, "/metrics", "backstop_cascades_pending 0.0")
        async with servers.instance(address) as (standby, _):
            await _until(standby, "/readyz", "warm")
            yield leader, process, standby


async def _until(address: str, path: str, text: str) -> None:
    while text.encode() not in (await drive(address, [[request("GET", path, key=ADMIN_KEY)]])).last:
        await asyncio.sleep(0.1)


async def _pays(address: str) -> bool:
    """Whether a payment into the treasury was taken."""
    amount = str(next(_amounts))
    body = {"asset": "USDT", "amount": amount, "reference": amount}
    path = "/v1/treasury/contributions"
    paid = await drive(address, [[request("POST", path, body, ADMIN_KEY)]])
    return not paid.refused

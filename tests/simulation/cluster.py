"""Processes that lead one after the other, with the real `Term` and the real engine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any, cast

from app.engine.commands import Command, Limits
from app.engine.invariants import check_all
from app.runner.answers import Answer, AnswerKey
from app.runner.clock import SECOND, Clock
from app.runner.metrics import Metrics
from app.runner.submission import NotLeader
from app.runner.term import Term
from app.store.writer import StaleLeader
from tests.simulation.store import Network, SimulatedReader, SimulatedWriter, Store, no_news

EXPECTED = (ConnectionError, StaleLeader)
"""What may end a term; anything else is a bug."""


class Time:
    """Clocks that run on at every look; the system's is set back or forth now and then."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._steady = 0
        self._wall = 1_767_225_600 * SECOND

    def steady(self) -> int:
        self._steady += self._chance.randint(0, 1_000_000)
        return self._steady

    def wall(self) -> int:
        if self._chance.random() < 0.002:
            self._wall += self._chance.randint(-3600, 3600) * SECOND
        return self._steady + self._wall


class Cluster:
    """Terms over one store. Several may believe that they lead; at most one can write."""

    def __init__(self, network: Network, store: Store, queue_limit: int) -> None:
        self.network = network
        self.store = store
        self.terms = 0
        self.answered: list[Command] = []
        """Commands that clients have an answer to."""
        self._queue_limit = queue_limit
        self._time = Time(network.seed)
        self._serving: list[Term] = []
        self._runs: list[asyncio.Task[None]] = []

    async def submit(self, commands: Sequence[Command], key: AnswerKey | None) -> Answer:
        """Ask one of those that believe to lead, mostly the newest."""
        serving = [term for term in self._serving if term.serving]
        if not serving:
            raise NotLeader
        old = self.network.chance.random() < 0.2
        return await (serving[0] if old else serving[-1]).submit(commands, key)

    async def lead_for_ever(self) -> None:
        """One leader after the other: by faults, by order, or because the last one seemed dead."""
        while True:
            await self.network.pause(10)
            try:
                run = await self._take_over()
            except EXPECTED:
                continue
            await self._lead(run)

    async def _lead(self, run: asyncio.Task[None]) -> None:
        """A leader's time; returns when the next one may try."""
        network = self.network
        how = network.chance.choice(["by fault", "in order", "seemed dead", "lease lost"])
        faults, turns = network.faults.total(), network.chance.randint(50, 600)
        while (
            turns and not run.done() and (how != "lease lost" or faults == network.faults.total())
        ):
            turns -= 1
            await asyncio.sleep(0)
        if how == "seemed dead":
            return
        if how == "lease lost":  # the lock's connection is gone together with the writer's
            await network.pause(4)
            run.cancel()
        elif how == "in order":
            self._serving[-1].end()
        await asyncio.wait([run])

    async def finish(self) -> Term:
        """The last leader, after it has answered and written everything; raises unexpected ends."""
        self.network.fault_rate = 0.0
        run = await self._take_over()
        term = self._serving[-1]
        while term.engine.state.cascades:
            await asyncio.sleep(0)
        term.end()
        await run
        for old in self._runs:
            old.cancel()
        for ended in await asyncio.gather(*self._runs, return_exceptions=True):
            if ended and not isinstance(ended, (*EXPECTED, asyncio.CancelledError)):
                raise ended
        await self.network.settle()
        return term

    async def _take_over(self) -> asyncio.Task[None]:
        """A new leader from what is stored; raises what ended it before it served."""
        network, store = self.network, self.store
        epoch = store.raise_epoch()
        await network.pause(10)  # while it loads, nobody can write
        engine, _ = store.replay()
        store.check_rows(engine.state)
        check_all(engine.state)
        for cascade in engine.state.cascades.values():
            assert cascade.tick not in self.answered, "answered before its cascade was durable"
        self.terms += 1
        writer, reader = SimulatedWriter(network, store, epoch), SimulatedReader(network, store)
        term = Term(
            engine, cast("Any", writer), cast("Any", reader), Metrics(), self._queue_limit,
            Clock(self._time.wall, self._time.steady),
        )  # fmt: skip
        await term.recover(Limits())
        run = asyncio.create_task(term.run())
        run.add_done_callback(no_news)  # `finish` asks, unless another failure comes first
        self._serving.append(term)
        self._runs.append(run)
        return run

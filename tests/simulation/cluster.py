"""Processes that lead one after the other, with the real `Term` and the real engine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.engine.commands import Command
from app.engine.commands.leaders import Limits
from app.engine.engine import Engine
from app.engine.invariants import check_all
from app.runner.answers import Answer, AnswerKey
from app.runner.clock import SECOND, Clock
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.submission import By, NotLeader
from app.runner.term import Term
from app.store.writer import StaleLeader
from tests.simulation.store import BOUNDS, SOURCES, Disk, Network, SimulatedStore, no_news

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


@dataclass(frozen=True)
class Parts:
    """What a cluster is made of."""

    engine: type[Engine] = Engine
    term: type[Term] = Term
    store: type[SimulatedStore] = SimulatedStore
    disk: type[Disk] = Disk


async def at_once(function: Callable[..., object], *arguments: object) -> None:
    """Instead of a thread."""
    function(*arguments)


ADMIN = By("key", "why")
"""Who gives all commands that are no leader's own."""


class Cluster:
    """Terms over one disk. Several may believe that they lead; at most one can write."""

    def __init__(self, network: Network, parts: Parts) -> None:
        self.network = network
        self.disk = parts.disk()
        self.terms = 0
        self.answered: list[Command] = []
        """Commands that clients have an answer to."""
        self._parts = parts
        self._time = Time(network.seed)
        seconds = random.Random(network.seed)
        self._pace = Pace(
            queue_commands=30,
            remembered_results=20,
            seconds=lambda: seconds.random() / 20,
            aside=at_once,
        )
        self._serving: list[Term] = []
        self._runs: list[asyncio.Task[None]] = []

    async def submit(self, commands: Sequence[Command], key: AnswerKey | None) -> Answer:
        """Ask one of those that believe to lead, mostly the newest."""
        serving = [term for term in self._serving if term.serving]
        if not serving:
            raise NotLeader
        old = self.network.chance.random() < 0.2
        return await (serving[0] if old else serving[-1]).submit(commands, key, ADMIN)

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
        network, disk = self.network, self.disk
        epoch = disk.raise_epoch()
        await network.pause(10)  # while it loads, nobody can write
        engine, _ = disk.replay()
        disk.check_rows(engine.state)
        check_all(engine.state)
        for cascade in engine.state.cascades.values():
            assert cascade.tick not in self.answered, "answered before its cascade was durable"
        self.terms += 1
        term = self._parts.term(
            engine=self._parts.engine(engine.state, sources=SOURCES, bounds=BOUNDS),
            store=self._parts.store(network, disk, epoch),
            clock=Clock(self._time.wall, self._time.steady),
            metrics=Metrics(),
            pace=self._pace,
        )
        await term.recover(Limits())
        run = asyncio.create_task(term.run())
        run.add_done_callback(no_news)  # `finish` asks, unless another failure comes first
        self._serving.append(term)
        self._runs.append(run)
        return run

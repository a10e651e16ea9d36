"""A store in memory, behind a network that loses, delays and repeats nothing twice.

It stands in for PostgreSQL: `tests/store/contract.py` holds both to the same. What it is given are
the real row snapshots of `rows.collect`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.engine.bounds import Bounds
from app.engine.commands import Command
from app.engine.commands.keys import CreateKey
from app.engine.commands.leaders import ContinueCascade, Recover
from app.engine.commands.prices import ReportClock
from app.engine.engine import Engine
from app.engine.state import State
from app.store import answers, codec
from app.store.answers import Known
from app.store.growing import Growing, Grown, join
from app.store.rows import TableRow, Writes, collect
from app.store.tables import metadata
from app.store.writer import StaleLeader
from tests.simulation.due import key_every, replayed

FAULTS = ("before", "during", "after", "late")
"""When a commit fails: nothing sent; sent and lost; written, and the answer lost; sent, given up
by the leader, and arriving at some later time."""

SOURCES = (key_every(timedelta(milliseconds=10)),)
"""What is due in the simulation."""
BOUNDS = Bounds(finds=2, liquidations=1)
"""Its cascades have many parts."""

LEADERS = (Recover, ContinueCascade, ReportClock, CreateKey)
"""Commands that nobody sends."""

Name = tuple[str, str]
"""A command's kind and body: the simulation sends no two commands that are equal."""


class Network:
    """Chance, and the time that everything takes: turns of the event loop instead of seconds."""

    def __init__(self, seed: int, fault_rate: float) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.fault_rate = fault_rate
        self.faults: Counter[str] = Counter()
        self._deliveries: dict[asyncio.Task[None], None] = {}

    async def pause(self, most: int) -> None:
        """Let others run for a random while."""
        for _ in range(self.chance.randint(0, most)):
            await asyncio.sleep(0)

    def fault(self) -> str | None:
        """The fault that befalls a commit, mostly none."""
        if self.chance.random() >= self.fault_rate:
            return None
        fault = self.chance.choice(FAULTS)
        self.faults[fault] += 1
        return fault

    def deliver(self, arrive: Callable[[], None], most: int) -> asyncio.Task[None]:
        """Let something arrive after a while, whether its sender still waits or not."""

        async def travel() -> None:
            await self.pause(most)
            arrive()

        delivery = asyncio.create_task(travel())
        self._deliveries[delivery] = None
        delivery.add_done_callback(self._arrived)
        return delivery

    def _arrived(self, delivery: asyncio.Task[None]) -> None:
        del self._deliveries[delivery]
        no_news(delivery)  # its sender may have given up

    async def settle(self) -> None:
        """Wait until nothing is on its way."""
        while self._deliveries:
            await asyncio.sleep(0)


def no_news(task: asyncio.Task[Any]) -> None:
    """Nobody may be asking any more how this task ended."""
    if not task.cancelled():
        task.exception()


def add(grown: defaultdict[str, Grown[Growing]], batch: Writes) -> None:
    """What a batch adds to rows that grow."""
    for name, rows in batch.merges.items():
        join(grown[name], rows)


class Disk:
    """What is durable: the epoch, the log, answers, the rows of the state and those that grow."""

    def __init__(self) -> None:
        self.epoch = 0
        self.log: list[tuple[Command, datetime]] = []
        self.written: Counter[Name] = Counter()
        self.rows: defaultdict[str, dict[TableRow, Mapping[str, Any]]] = defaultdict(dict)
        self.grown: defaultdict[str, Grown[Growing]] = defaultdict(dict)
        self.refused = 0
        """Commits of leaders that were replaced."""

    def raise_epoch(self) -> int:
        """A new leader; from here on no older one can write."""
        self.epoch += 1
        return self.epoch

    def write(self, epoch: int, batch: Writes) -> None:
        """A batch, whole or not at all; raises `StaleLeader`."""
        if epoch != self.epoch:
            self.refused += 1
            raise StaleLeader
        self._check(batch)
        for _, time, kind, body in batch.commands:
            self.log.append((codec.decode_command(kind, body), time))
            self.written[kind, body] += 1
        for name, rows in batch.upserts.items():
            for key, row in _keyed(name, rows):
                self.rows[name][key] = row
        add(self.grown, batch)
        for name, keys in batch.deletes.items():
            for key in keys:
                self.rows[name].pop(key, None)
        for name, rows in batch.appends.items():
            self.rows[name].update(_keyed(name, rows))

    def _check(self, batch: Writes) -> None:
        """Before anything is written: what would break the log or a key."""
        for number, (sequence, *_) in enumerate(batch.commands, start=len(self.log) + 1):
            assert sequence == number, "the log has no gaps"
        for name, rows in batch.appends.items():
            for key, _ in _keyed(name, rows):
                assert key not in self.rows[name], f"{name} has {key} twice"

    def replay(self) -> tuple[Engine, dict[Name, object]]:
        """The log from its beginning: a fresh engine, and the result of each command.

        It has the rows that grew batch by batch, leader by leader.
        """
        engine = Engine(State(), sources=SOURCES, bounds=BOUNDS)
        results, grown = {}, defaultdict[str, Grown[Growing]](dict)
        for outcome in replayed(engine, self.log):
            results[codec.encode_command(outcome.command)] = outcome.result
            add(grown, collect([outcome], (), engine.state.counters))
        assert grown == self.grown
        return engine, results

    def check_acts(self) -> None:
        """Each command that is no leader's own is an act, once, and nothing else is."""
        acts = {row["sequence"]: row["kind"] for row in self.rows["admin_acts"].values()}
        assert acts == {
            sequence: type(command).__name__
            for sequence, (command, _) in enumerate(self.log, start=1)
            if not isinstance(command, LEADERS)
        }

    def check_rows(self, state: State) -> None:
        """The rows are those of this state."""
        balances = {
            row["key"]: row["balance"] for row in self.rows["wallets"].values() if row["balance"]
        }
        assert balances == {
            wallet.key: wallet.balance for wallet in state.wallets.values() if wallet.balance
        }
        positions = {
            (row["account_id"], row["symbol"], row["side"]): (row["quantity"], row["cost"])
            for row in self.rows["positions"].values()
        }
        assert positions == {
            (p.account_id, p.symbol, p.side): (p.quantity, p.cost)
            for market in state.markets.values()
            for p in market.positions.values()
        }
        orders = {
            row["order_id"]: row["filled_quantity"]
            for row in self.rows["orders"].values()
            if row["status"] in ("new", "partially_filled")
        }
        assert orders == {order.order_id: order.filled_quantity for order in state.orders.values()}


def _keyed(name: str, rows: Iterable[TableRow]) -> Iterator[tuple[TableRow, Mapping[str, Any]]]:
    table = metadata.tables[name]
    for values in rows:
        row = dict(zip(table.columns.keys(), values, strict=True))
        yield tuple(row[column.name] for column in table.primary_key.columns), row


class SimulatedStore:
    """A leader's way to the disk: a `Store` whose every message takes time and may be lost."""

    def __init__(self, network: Network, disk: Disk, epoch: int) -> None:
        self._network = network
        self._disk = disk
        self._epoch = epoch

    async def commit(self, batch: Writes) -> None:
        """See `Store`."""
        if batch.empty:
            return
        network, fault = self._network, self._network.fault()
        await network.pause(3)
        if fault == "before":
            raise ConnectionError("nothing was sent")
        if fault == "during":
            await network.pause(20)
            raise ConnectionError("what was sent was lost")
        delivery = network.deliver(
            lambda: self._disk.write(self._epoch, batch), 200 if fault == "late" else 20
        )
        if fault == "late":
            raise ConnectionError("no answer in time")
        await asyncio.shield(delivery)
        await network.pause(5)
        if fault == "after":
            raise ConnectionError("the answer was lost")

    async def look_up(
        self, names: Collection[answers.AnswerName]
    ) -> Mapping[answers.AnswerName, Known]:
        """See `Store`."""
        await self._network.pause(5)
        if self._network.chance.random() < self._network.fault_rate / 10:
            raise ConnectionError("the query was lost")
        rows = self._disk.rows["answers"]
        return {name: answers.known(rows[name]) for name in names if name in rows}

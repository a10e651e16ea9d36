"""Commands due at an engine time: before any later one, once, by whoever leads then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import count, pairwise

import pytest

from app.engine.commands import Due
from app.engine.commands.keys import CreateKey, NewKey, RevokeKey
from app.engine.commands.leaders import Limits, Recover
from app.engine.engine import Engine, Source
from app.engine.numbers import EPOCH
from app.engine.state import State
from app.runner.clock import SECOND, Clock
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.submission import NotLeader
from app.runner.term import Term
from tests.runner.conftest import until
from tests.simulation.due import BEGIN, key_every, replayed
from tests.simulation.store import Disk, Network, SimulatedStore

MINUTE = timedelta(minutes=1)
START = (BEGIN - EPOCH) // timedelta(microseconds=1) * 1000


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now

    def move(self, minutes: float) -> None:
        """So much time passes."""
        self.now += round(minutes * 60 * SECOND)


@asynccontextmanager
async def leader(
    disk: Disk, clock: Clock, *sources: Source, pace: Pace | None = None
) -> AsyncIterator[Term]:
    """A term from what is on the disk, with what is due for these."""
    engine = Engine(State(), sources=sources)
    list(replayed(engine, disk.log))
    store = SimulatedStore(Network(0, fault_rate=0), disk, disk.raise_epoch())
    term = Term(
        engine=engine, store=store, clock=clock, metrics=Metrics(), pace=pace or Pace()
    )  # fmt: skip
    await term.recover(Limits())
    run = asyncio.create_task(term.run())
    try:
        yield term
    finally:
        term.end()
        await run


def key(name: str) -> CreateKey:
    return CreateKey(NewKey(name, name, "admin", name))


def log(disk: Disk) -> list[tuple[str, timedelta]]:
    """The names of the keys that were made, and how long after the beginning."""
    return [
        (command.key.key_id, time - BEGIN)
        for command, time in disk.log
        if isinstance(command, CreateKey)
    ]


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def disk() -> Disk:
    return Disk()


async def test_what_is_due_comes_before_what_is_sent_later(disk: Disk, hand: Hand) -> None:
    """Also when both are found at once: with the time of the first command after it was due."""
    async with leader(disk, Clock(hand, hand), key_every(MINUTE)) as term:
        await term.submit([key("a")], None)
        hand.move(0.5)
        await term.submit([key("b")], None)
        hand.move(0.75)
        await term.submit([key("c"), key("d")], None)
        await term.submit([key("e")], None)
    late = 1.25 * MINUTE
    assert log(disk) == [
        ("due-0", 0 * MINUTE), ("a", 0 * MINUTE), ("b", MINUTE / 2),
        ("due-1", late), ("c", late), ("d", late), ("e", late),
    ]  # fmt: skip


async def test_between_two_commands_of_a_submission_too(disk: Disk, hand: Hand) -> None:
    """Each has its own time, and nothing is due by then."""

    def running() -> int:
        hand.move(0.1)
        return hand.now

    commands = [key(f"key-{number}") for number in range(50)]
    async with leader(disk, Clock(hand, running), key_every(MINUTE)) as term:
        await term.submit(commands, None)
    list(replayed(Engine(State(), sources=[key_every(MINUTE)]), disk.log))
    names = [name for name, _ in log(disk)]
    assert [name for name in names if not name.startswith("due")] == [
        command.key.key_id for command in commands
    ]
    begin, end = names.index("key-0"), names.index("key-49")
    assert sum(name.startswith("due") for name in names[begin:end]) > 3


async def test_a_new_leader_does_what_was_due_meanwhile(disk: Disk, hand: Hand) -> None:
    """From the state alone, and after `Recover`, which is always the first."""
    source = key_every(MINUTE)
    async with leader(disk, Clock(hand, hand), source) as term:
        await term.submit([key("a")], None)
    hand.move(7)
    async with leader(disk, Clock(hand, hand), source) as term:
        await term.submit([key("b")], None)
    assert [name for name, _ in log(disk)] == ["due-0", "a", "due-1", "b"]
    recovered = [number for number, (command, _) in enumerate(disk.log)
                 if isinstance(command, Recover)]  # fmt: skip
    assert recovered == [0, 3]


async def test_nobody_needs_to_ask_for_it(disk: Disk) -> None:
    """The loop awakes when something is due."""
    async with leader(disk, Clock(), key_every(timedelta(milliseconds=50))):
        await until(lambda: len(log(disk)) >= 4)
    times = [time for _, time in log(disk)]
    assert all(b - a >= timedelta(milliseconds=50) for a, b in pairwise(times))


async def test_much_that_is_due_at_once_leaves_others_their_turn(disk: Disk, hand: Hand) -> None:
    """A thousand, and yet a thousand turns of the event loop."""
    seconds = count()
    turns = 0

    def crowd(state: State) -> Due | None:
        left = len(state.keys) < 1000
        return Due(BEGIN, key(f"due-{len(state.keys):03}")) if left else None

    pace = Pace(seconds=lambda: float(next(seconds)))
    async with leader(disk, Clock(hand, hand), crowd, pace=pace):
        while len(disk.log) <= 1000:
            await asyncio.sleep(0)
            turns += 1
    assert len(log(disk)) == 1000
    assert turns >= 1000


def refused(state: State) -> Due:
    return Due(BEGIN, RevokeKey("nobody's"))


def never_done(state: State) -> Due | None:
    """It is accepted, and due again as if nothing had happened."""
    return Due(BEGIN, Recover())


@pytest.mark.parametrize("source", [refused, never_done])
async def test_what_would_be_due_for_ever_ends_the_term(
    disk: Disk, hand: Hand, source: Source
) -> None:
    """Rather than the whole service's time."""

    async def lead() -> None:
        async with leader(disk, Clock(hand, hand), source) as term:
            with suppress(NotLeader):
                await term.submit([key("a")], None)

    with pytest.raises(AssertionError):
        await lead()
    assert [type(command) for command, _ in disk.log] == [Recover]

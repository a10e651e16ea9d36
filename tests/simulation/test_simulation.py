"""Clients, leaders and a store that fails at every moment: each request has exactly one effect.

The runner and the engine are the real ones, time is counted in turns of the event loop, and all
chance comes from one seed: a failure is repeated with `--simulation-seed`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, cast

import pytest

from app.engine.commands import Due
from app.engine.engine import Engine
from app.engine.invariants import check_all, state_hash
from app.engine.rejections import Rejection
from app.engine.results import Ticked
from app.runner import flush
from app.runner.answers import Answer
from app.runner.term import Term
from app.store import codec
from app.store.rows import Writes
from tests.simulation.clients import Clients, Request
from tests.simulation.cluster import Cluster, Parts
from tests.simulation.store import Disk, Network, SimulatedStore

LONGEST_TURNS = 200_000


class LoopOfTurns(asyncio.SelectorEventLoop):
    """Its time is how often it was asked for: something is always ready to run."""

    _asked = 0

    def time(self) -> float:
        self._asked += 1
        return self._asked / 10_000


@dataclass
class Story:
    """What happened in one simulation."""

    seed: int
    requests: list[Request]
    faults: Counter[str]
    kinds: Counter[str]
    terms: int
    refused_commits: int
    state_hash: str


async def simulate(seed: int, parts: Parts) -> Story:
    """One run to its end, with all that must hold then."""
    network = Network(seed, fault_rate=0.08)
    cluster = Cluster(network, parts)
    disk = cluster.disk
    leading = asyncio.create_task(cluster.lead_for_ever())
    clients = Clients(cluster)
    working = asyncio.create_task(clients.run(clients=6, requests=12))
    for _ in range(LONGEST_TURNS):
        if working.done() or leading.done():
            break
        await asyncio.sleep(0)
    else:
        raise AssertionError("a client waits for ever")
    for task in (leading, working):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    last = await cluster.finish()
    check_all(last.engine.state)
    engine, results = disk.replay()
    disk.check_rows(engine.state)
    disk.check_acts()
    assert state_hash(engine.state) == state_hash(last.engine.state)
    for request in clients.requests:
        check(request, disk, results)
    kinds = Counter(kind for kind, _ in disk.written.elements())
    return Story(
        seed, clients.requests, network.faults, kinds, cluster.terms, disk.refused,
        state_hash(engine.state),
    )  # fmt: skip


def check(request: Request, disk: Disk, replayed: dict[tuple[str, str], object]) -> None:
    """Every command of an answered request took effect once, a refused one never."""
    for index, command in enumerate(request.commands):
        name = codec.encode_command(command)
        times = disk.written[name]
        if request.results is None:
            assert times <= 1, f"written {times} times: {command}"
            continue
        result = request.results[index]
        wanted = 0 if isinstance(result, Rejection) else 1
        assert times == wanted, f"answered {result}, but written {times} times: {command}"
        if wanted and not isinstance(result, Ticked):
            assert result == replayed[name], f"answered {result}, replayed {replayed[name]}"


def run(seed: int, parts: Parts = Parts()) -> Story:  # noqa: B008 - it is frozen
    """One simulation, reproducible from its seed."""
    try:
        with asyncio.Runner(loop_factory=LoopOfTurns) as runner:
            return runner.run(simulate(seed, parts))
    except BaseException as error:
        error.add_note(f"repeat with: pytest tests/simulation --simulation-seed {seed}")
        raise


def test_each_request_has_one_effect(seed: int) -> None:
    story = run(seed)
    answered = sum(request.results is not None for request in story.requests)
    assert 2 * answered > len(story.requests)
    assert story.kinds["PlaceOrder"] > 10
    assert story.kinds["CreateKey"] > 10
    assert story.terms > 1


def test_a_seed_gives_the_same_story_again() -> None:
    assert run(7) == run(7)


# The simulation is worth what it finds: each of these mistakes, made on purpose, must show.


class AnswersTooEarly(Term):
    """A submission is answered before its flush has ended."""

    async def _flush_when_free(self) -> None:
        for submission in self._flush.next.finished:
            submission.answer(Answer(submission.results, replayed=False))
        await super()._flush_when_free()


class ForgetsAnswers(SimulatedStore):
    """Answers are not stored with their effects."""

    async def commit(self, batch: Writes) -> None:
        batch.appends.pop("answers", None)
        batch.upserts.pop("answers", None)
        await super().commit(batch)


class ForgetsTicksOfACascade(Term):
    """The answer to a tick is stored only at the end of its cascade."""

    async def _flush_when_free(self) -> None:
        self._flush.next.split.clear()
        await super()._flush_when_free()


class GoesOnAfterALostCommit(SimulatedStore):
    """A commit that failed is taken for done."""

    async def commit(self, batch: Writes) -> None:
        with suppress(ConnectionError):
            await super().commit(batch)


class LetsOldLeadersWrite(Disk):
    """The epoch is not checked."""

    def write(self, epoch: int, batch: Writes) -> None:
        super().write(self.epoch, batch)


class IsDueLate(Engine):
    """What is due is applied some time later, not before the first command after its time."""

    def due(self, *refused: Any) -> Due | None:
        due = super().due(*refused)
        return due and due._replace(time=due.time + timedelta(milliseconds=10))


class TakesRowsLate(Term):
    """The rows of a batch are those of the moment it is sent: newer commands are in them."""

    def _rows(self, batch: flush.Batch) -> Writes:
        return cast("Writes", partial(super()._rows, batch))


class SendsRowsLate(SimulatedStore):
    """Asks for them when they are sent."""

    async def commit(self, batch: Writes) -> None:
        await asyncio.sleep(0)
        await super().commit(cast("Callable[[], Writes]", batch)())


@pytest.mark.parametrize(
    "mistaken",
    [
        Parts(term=AnswersTooEarly),
        Parts(store=ForgetsAnswers),
        Parts(term=ForgetsTicksOfACascade),
        Parts(store=GoesOnAfterALostCommit),
        Parts(disk=LetsOldLeadersWrite),
        Parts(engine=IsDueLate),
        Parts(term=TakesRowsLate, store=SendsRowsLate),
    ],
    ids=[
        "answers too early", "forgets answers", "forgets ticks of a cascade",
        "goes on after a lost commit", "lets old leaders write", "is due late",
        "takes rows too late",
    ],
)  # fmt: skip
def test_a_mistake_is_found(mistaken: Parts) -> None:
    with pytest.raises(AssertionError) as found:
        list(map(partial(run, parts=mistaken), range(100)))
    assert "--simulation-seed" in found.value.__notes__[0]

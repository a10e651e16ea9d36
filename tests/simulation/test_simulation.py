"""Clients, leaders and a store that fails at every moment: each request has exactly one effect.

The runner and the engine are the real ones, time is counted in turns of the event loop, and all
chance comes from one seed: a failure is repeated with `--simulation-seed`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pytest

from app.engine.events import Ticked
from app.engine.invariants import check_all, state_hash
from app.engine.rejections import Rejection
from app.runner.answers import Answer
from app.runner.submission import Submission
from app.runner.term import Term
from app.store import codec
from app.store.rows import Batch, collect
from tests.simulation.clients import Clients, Request
from tests.simulation.cluster import Cluster
from tests.simulation.store import Network, SimulatedWriter, Store

LONGEST_TURNS = 200_000


@pytest.fixture(autouse=True)
def simulated(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """No real time and no threads, and cascades of many steps; call it with a seed."""
    monkeypatch.setattr("app.engine.cascade.FINDS_PER_STEP", 2)
    monkeypatch.setattr("app.engine.cascade.LIQUIDATIONS_PER_STEP", 1)
    monkeypatch.setattr("app.runner.answers.REMEMBERED_RESULTS", 20)

    async def at_once(function: Callable[..., object], *arguments: object) -> object:
        return function(*arguments)

    monkeypatch.setattr("asyncio.to_thread", at_once)

    def seeded(seed: int) -> None:
        chance = random.Random(seed)
        monkeypatch.setattr("app.runner.term.perf_counter", lambda: chance.random() / 20)

    return seeded


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


async def simulate(seed: int) -> Story:
    """One run to its end, with all that must hold then."""
    network, store = Network(seed, fault_rate=0.08), Store()
    cluster = Cluster(network, store, queue_limit=30)
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
    engine, results = store.replay()
    store.check_rows(engine.state)
    assert state_hash(engine.state) == state_hash(last.engine.state)
    for request in clients.requests:
        check(request, store, results)
    kinds = Counter(kind for kind, _ in store.written.elements())
    return Story(
        seed, clients.requests, network.faults, kinds, cluster.terms, store.refused,
        state_hash(engine.state),
    )  # fmt: skip


def check(request: Request, store: Store, replayed: dict[tuple[str, str], object]) -> None:
    """Every command of an answered request took effect once, a refused one never."""
    for index, command in enumerate(request.commands):
        name = codec.encode_command(command)
        times = store.written[name]
        if request.results is None:
            assert times <= 1, f"written {times} times: {command}"
            continue
        result = request.results[index]
        wanted = 0 if isinstance(result, Rejection) else 1
        assert times == wanted, f"answered {result}, but written {times} times: {command}"
        if wanted and not isinstance(result, Ticked):
            assert result == replayed[name], f"answered {result}, replayed {replayed[name]}"


def run(seed: int, simulated: Callable[[int], None]) -> Story:
    """One simulation, reproducible from its seed."""
    simulated(seed)
    try:
        return asyncio.run(simulate(seed))
    except BaseException as error:
        error.add_note(f"repeat with: pytest tests/simulation --simulation-seed {seed}")
        raise


def test_each_request_has_one_effect(seed: int, simulated: Callable[[int], None]) -> None:
    story = run(seed, simulated)
    answered = sum(request.results is not None for request in story.requests)
    assert 2 * answered > len(story.requests)
    assert story.kinds["PlaceOrder"] > 10
    assert story.terms > 1


def test_a_seed_gives_the_same_story_again(simulated: Callable[[int], None]) -> None:
    assert run(7, simulated) == run(7, simulated)


# The simulation is worth what it finds: each of these mistakes, made on purpose, must show.


def answers_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A submission is answered when it is applied."""
    finish = Term._finish

    def early(term: Term, submission: Submission) -> None:
        submission.answer(Answer(submission.results, replayed=False))
        finish(term, submission)

    monkeypatch.setattr(Term, "_finish", early)


def forgets_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers are not stored with their effects."""
    monkeypatch.setattr(Term, "_keep", lambda *_, **__: None)


def forgets_ticks_of_a_cascade(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to a tick is stored only at the end of its cascade."""
    monkeypatch.setattr(Term, "_store_parts", lambda _: None)


def goes_on_after_a_lost_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that failed is taken for done."""
    commit = SimulatedWriter.commit

    async def careless(writer: SimulatedWriter, batch: Batch) -> None:
        with suppress(ConnectionError):
            await commit(writer, batch)

    monkeypatch.setattr(SimulatedWriter, "commit", careless)


def lets_old_leaders_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """The epoch is not checked."""
    write = Store.write
    monkeypatch.setattr(Store, "write", lambda store, _, batch: write(store, store.epoch, batch))


def takes_rows_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a batch are those of the moment it is sent: newer commands are in them."""
    commit = SimulatedWriter.commit
    monkeypatch.setattr("app.runner.term.collect", lambda *given: partial(collect, *given))

    async def late(writer: SimulatedWriter, batch: Callable[[], Batch]) -> None:
        await asyncio.sleep(0)
        await commit(writer, batch())

    monkeypatch.setattr(SimulatedWriter, "commit", late)


@pytest.mark.parametrize(
    "make",
    [
        answers_too_early,
        forgets_answers,
        forgets_ticks_of_a_cascade,
        goes_on_after_a_lost_commit,
        lets_old_leaders_write,
        takes_rows_too_late,
    ],
)
def test_a_mistake_is_found(
    make: Callable[[pytest.MonkeyPatch], None],
    simulated: Callable[[int], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make(monkeypatch)
    with pytest.raises(AssertionError) as found:
        list(map(partial(run, simulated=simulated), range(100)))
    assert "--simulation-seed" in found.value.__notes__[0]

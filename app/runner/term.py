"""One term of leadership: queue, batch, apply, commit, answer.

The loop takes whole submissions from the queue, applies their commands and, whenever no flush is
under way, hands all that was applied since to the writer as one transaction. Applying the next
batch overlaps the flush; there is no other wait. A submission is answered after the flush that
holds its last effect; a submission without a cascade is never split over two flushes.

Any exception ends the term: all that wait get `NotLeader` and its memory is not used again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from time import perf_counter

import asyncpg

from app.engine.cascade import ticked
from app.engine.commands import Command, ContinueCascade, Limits, PlaceOrder, Recover, Tick
from app.engine.engine import Engine
from app.engine.events import Ticked
from app.engine.invariants import check_money
from app.engine.outcome import Outcome
from app.engine.rejections import Rejection
from app.runner import answers
from app.runner.answers import Answer, AnswerConflict, AnswerExpired, AnswerKey, Known
from app.runner.clock import Clock
from app.runner.flush import Flush
from app.runner.metrics import Metrics
from app.runner.submission import Batch, Busy, NotLeader, Place, Submission
from app.store.rows import StoredAnswer, collect
from app.store.writer import Writer

TURN_COMMANDS = 256
"""Commands taken from the queue per turn (or one larger submission)."""
TURN_SECONDS = 0.002
"""Applying gives way to the rest of the event loop at least this often."""
LOOP_TURNS = 4
"""Turns of the event loop after a step of a cascade: to read, commit and answer takes one each."""
BATCH_RECORDS = 300
"""A batch this large waits for the flush before it: whoever comes next waits for both."""


class Term:
    """The memory of one leadership and the loop that serves it."""

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        reader: asyncpg.Connection,
        metrics: Metrics,
        queue_limit: int,
        clock: Clock,
    ) -> None:
        self.engine = engine
        self._reader = reader
        self._metrics = metrics
        self._queue_limit = queue_limit
        self._clock = clock
        self._queue: deque[Submission] = deque()
        self._waiting = 0
        self._under_way: dict[tuple[str, str], tuple[str, Submission]] = {}
        """Digest and submission of each key that is not answered yet."""
        self._open: dict[Submission, None] = {}
        """All submissions that are not answered yet."""
        self._memory = answers.Memory()
        self._stored: dict[tuple[str, str], Known] = {}
        """This turn's answers from the table."""
        self._batch = Batch(1)
        self._durable = 0
        self._cascades: dict[str, Place | None] = {}
        """Settlement assets whose cascade goes on, with the tick to answer at its end."""
        self._held: dict[str, deque[Place]] = {}
        """Ticks of those assets, in order."""
        self._wake = asyncio.Event()
        self._flush = Flush(writer, metrics, self._wake.set)
        self._ending = False
        self._yielded = perf_counter()

    # The callers' side

    async def submit(self, commands: Sequence[Command], key: AnswerKey | None) -> Answer:
        """See `Runner.submit`."""
        if self._ending:
            raise NotLeader
        if key and (first := self._under_way.get(key.name)):
            digest, first_submission = first
            self._check_same(key, digest)
            answer = await first_submission.wait()
            return Answer(answer.results, replayed=True)
        if key and (known := self._memory.get(key.name)):
            self._check_same(key, known.digest)
            return Answer(known.results, replayed=True)
        if self._waiting >= self._queue_limit:
            self._metrics.busy += 1
            raise Busy
        submission = Submission(commands, key)
        if key:
            self._under_way[key.name] = key.digest, submission
        self._open[submission] = None
        self._queue.append(submission)
        self._waiting += len(commands)
        self._wake.set()
        return await submission.wait()

    def _check_same(self, key: AnswerKey, digest: str) -> None:
        if digest != key.digest:
            raise AnswerConflict
        self._metrics.replayed += 1

    @property
    def serving(self) -> bool:
        """Whether commands are still taken."""
        return not self._ending

    def end(self) -> None:
        """Take no more submissions; `run` returns when those taken are applied and durable."""
        self._ending = True
        self._wake.set()

    # The loop

    async def recover(self, limits: Limits) -> None:
        """The first command of every leader, durable before anything else is served.

        The laws of money are checked with it; who is at risk, it looks at itself, in steps. Both
        look at everything there is: in a thread, so that the lease is watched meanwhile.
        """
        self._clock.begin(self.engine.state.time)
        await asyncio.to_thread(self._apply, Recover(limits))
        await asyncio.to_thread(check_money, self.engine.state)
        await self._flush_when_free()
        await self._flush.wait()

    async def run(self) -> None:
        """Serve until `end`, or raise what went wrong; all that then still wait get NotLeader."""
        try:
            while not (self._ending and self._idle()):
                await self._turn()
        finally:
            self._ending = True
            # First of all, for what is awaited here can be canceled once more.
            for submission in self._open:
                submission.refuse(NotLeader())
            await self._flush.cancel()

    def _idle(self) -> bool:
        return not (self._queue or self._batch or self._flush.under_way)

    async def _turn(self) -> None:
        if self._flush.ended:
            await self._flush_when_free()
        if told := self._clock.report():
            self._apply(told)
        taken = self._take()
        await self._look_up(taken)
        self._yielded = perf_counter()
        for submission in taken:
            await self._serve(submission)
            if self._flush.ended:
                await self._flush_when_free()
        if not self._ending:
            await self._go_on()
        await self._flush_when_free()
        self._metrics.queue_length = self._waiting
        self._metrics.cascades_pending = len(self._cascades)
        if self._queue or ((self._cascades or self._held) and not self._ending):
            for _ in range(LOOP_TURNS if self._cascades else 1):
                await asyncio.sleep(0)
        elif not (self._ending and self._idle()):
            await self._wake.wait()
            self._wake.clear()

    def _take(self) -> list[Submission]:
        taken: list[Submission] = []
        commands = 0
        while self._queue and commands < TURN_COMMANDS:
            submission = self._queue.popleft()
            commands += len(submission.commands)
            taken.append(submission)
        return taken

    async def _give_way(self) -> None:
        """Let the rest of the event loop run when applying has taken long enough."""
        if perf_counter() - self._yielded > TURN_SECONDS:
            await asyncio.sleep(0)
            self._answer(self._flush.take())
            self._yielded = perf_counter()

    async def _look_up(self, taken: Sequence[Submission]) -> None:
        """Fetch the answers in the table that these submissions may repeat: one query, or none."""
        self._memory.trim(self._durable)
        names = dict.fromkeys(name for submission in taken for name in submission.names())
        unknown = [name for name in names if self._memory.get(name) is None]
        self._stored = await answers.look_up(self._reader, unknown) if unknown else {}

    def _known(self, key: AnswerKey) -> Known | None:
        return self._memory.get(key.name) or self._stored.get(key.name)

    # Applying

    async def _serve(self, submission: Submission) -> None:
        key = submission.key
        if key and (known := self._stored.get(key.name)):
            readable = len(known.results) == len(submission.commands)
            if known.digest != key.digest or not readable or self._is_finished(known):
                self._answer_again(submission, key, known)
                return
            submission.results = list(known.results)
            submission.stored = True
        if not submission.commands:
            self._finish(submission)
        for index, command in enumerate(submission.commands):
            place = submission, index
            if isinstance(command, PlaceOrder):
                self._place_order(place, command)
            elif not (isinstance(command, Tick) and self._hold_back(place, command)):
                self._run(place, command)
            await self._give_way()

    def _answer_again(self, submission: Submission, key: AnswerKey, known: Known) -> None:
        self._waiting -= submission.missing
        self._close(submission)
        try:
            self._check_same(key, known.digest)
        except AnswerConflict as conflict:
            submission.refuse(conflict)
            return
        if len(known.results) == len(submission.commands):
            submission.answer(Answer(known.results, replayed=True))
        else:
            submission.refuse(AnswerExpired())

    def _is_finished(self, known: Known) -> bool:
        """Whether all of an answer is durable: a leader may have been lost during a cascade."""
        return None not in known.results and not (
            self._cascades and any(isinstance(result, Ticked) for result in known.results)
        )

    def _place_order(self, place: Place, order: PlaceOrder) -> None:
        key = answers.order_key(order)
        known = self._known(key) if key else None
        if key is None or known is None:
            result = self._run(place, order)
            if key and not isinstance(result, Rejection):
                self._store(key, [result])
        elif key.digest == known.digest:
            self._metrics.replayed += 1
            self._give(place, known.results[0] if known.results else answers.order_expired(order))
        else:
            self._give(place, answers.order_conflict(order))

    def _run(self, place: Place, command: Command) -> object:
        """Apply a command of a submission; its result is given, or left to the cascade's end.

        What a leader before has applied of it is not applied again.
        """
        submission, index = place
        if submission.results[index] is not None:
            self._give(place, submission.results[index])
            return submission.results[index]
        outcome = self._apply(command)
        if submission.key and isinstance(command, Tick):
            self._batch.split[submission] = None
        if outcome.pending is not None and outcome.result is None:
            self._cascades[outcome.pending] = place
        else:
            self._give(place, outcome.result)
        return outcome.result

    def _apply(self, command: Command) -> Outcome:
        metrics = self._metrics
        started = perf_counter()
        outcome = self.engine.apply(command, self._clock.now())
        metrics.apply_seconds += perf_counter() - started
        metrics.commands[type(command).__name__] += 1
        if isinstance(outcome.result, Rejection):
            metrics.rejected[outcome.result.code] += 1
            return outcome
        self._batch.outcomes.append(outcome)
        self._batch.records += 1 + len(outcome.records)
        if outcome.pending is not None:
            for asset in self.engine.state.cascades:
                self._cascades.setdefault(asset, None)
        return outcome

    # Cascades

    def _hold_back(self, place: Place, tick: Tick) -> bool:
        """Whether the tick must wait: for its asset's cascade, or behind others that do (MRK-2)."""
        market = self.engine.state.markets.get(tick.symbol)
        if market is None:
            return False
        asset = market.contract.settlement_asset
        if asset not in self._cascades and asset not in self._held:
            return False
        self._held.setdefault(asset, deque()).append(place)
        return True

    async def _go_on(self) -> None:
        """One step of each cascade, then the ticks that waited for those that are finished."""
        for asset in list(self._cascades):
            outcome = self._apply(ContinueCascade(asset))
            if outcome.pending != asset:
                place = self._cascades.pop(asset)
                if place:
                    self._give(place, outcome.result)
            await self._give_way()
        for asset, held in list(self._held.items()):
            for _ in range(min(len(held), TURN_COMMANDS)):
                if asset in self._cascades:
                    break
                submission, index = held.popleft()
                self._run((submission, index), submission.commands[index])
                await self._give_way()
            if not held:
                del self._held[asset]

    # Answering

    def _give(self, place: Place, result: object) -> None:
        submission, index = place
        submission.results[index] = result
        submission.missing -= 1
        self._waiting -= 1
        if submission.missing == 0:
            self._finish(submission)

    def _finish(self, submission: Submission) -> None:
        """All results are known: the flush that makes the last of them durable answers."""
        key, results = submission.key, submission.results
        refused = len(results) == 1 and isinstance(results[0], Rejection)
        if key and not refused:
            self._store(key, results, replaces=submission.stored)
        self._batch.finished.append(submission)

    def _store(self, key: AnswerKey, results: list[object], *, replaces: bool = False) -> None:
        self._keep(key, results, replaces=replaces)
        self._memory.put(key.name, Known(key.digest, results), self._batch.number)

    def _keep(self, key: AnswerKey, results: list[object], *, replaces: bool) -> None:
        now = self._clock.now()
        answer = StoredAnswer(key.scope, key.key, key.digest, results, now, replaces)
        self._batch.answers.append(answer)

    def _store_parts(self) -> None:
        """Store with their effects the ticks of requests that this batch does not finish.

        So the next leader will not apply them again. A tick whose cascade goes on counts with the
        accounts found so far: `Recover` will take it up together with others.
        """
        state = self.engine.state
        for submission in self._batch.split:
            if submission.key and submission.missing:
                results = list(submission.results)
                for asset, place in self._cascades.items():
                    if place and place[0] is submission:
                        results[place[1]] = ticked(state, state.cascades[asset])
                self._keep(submission.key, results, replaces=submission.stored)
                submission.stored = True

    def _close(self, submission: Submission) -> None:
        if submission.key:
            del self._under_way[submission.key.name]
        del self._open[submission]

    # Flushing

    async def _flush_when_free(self) -> None:
        """Begin a flush unless one is under way; raise what ended the last one.

        What that has made durable is answered afterwards: so PostgreSQL has work meanwhile.
        """
        flush = self._flush
        if flush.ended or self._batch.records > BATCH_RECORDS:
            await flush.wait()
        if flush.under_way:
            return
        durable = flush.take()
        if self._batch:
            self._store_parts()
            batch, self._batch = self._batch, Batch(self._batch.number + 1)
            # A snapshot: taken before the next command is applied.
            rows = collect(batch.outcomes, batch.answers, self.engine.state.counters)
            flush.begin(batch, rows)
        self._answer(durable)

    def _answer(self, durable: Batch | None) -> None:
        if durable:
            self._durable = durable.number
            for submission in durable.finished:
                self._close(submission)
                submission.answer(Answer(submission.results, replayed=False))

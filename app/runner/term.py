"""One term of leadership: the loop, and the parts that it moves.

    submit ─► Intake ─► Serving ─► Applier ─► engine
                ▲          │          │
                │          │          ▼
                │          │        Flush ─► Store: one transaction for all that was applied since
                │          ▼
                │        Memory, Agenda
                └── answered after the flush that holds its last effect

The life of a submission:

    queued        `Intake`: unless its key is under way (then it waits for that answer), or was
                  answered lately (`Memory`), or too many commands wait already (`Busy`)
    taken         `Term._turn`: some submissions at once; one look-up in the store for all of them
    served        `Serving`: answered again, or its commands are applied one by one (`Applier`). A
                  tick of an asset whose cascade goes on is held back until that is over (`Agenda`)
    finished      all results are known: it is in the next batch, its answer with it if it has a key
    durable       `Flush`: the batch is committed, the next one is being filled meanwhile
    answered      all who wait for it

The loop takes whole submissions from the queue, applies their commands and, whenever no flush is
under way, hands all that was applied since to the store as one transaction. Applying the next
batch overlaps the flush; there is no other wait. A submission is answered after the flush that
holds its last effect; a submission without a cascade is never split over two flushes.

Any exception ends the term: all that wait get `NotLeader` and its memory is not used again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from app.engine.commands import Command
from app.engine.commands.leaders import Incident, Limits, Recover
from app.engine.engine import Engine
from app.runner.agenda import Agenda
from app.runner.answers import Answer, AnswerKey
from app.runner.applier import Applier
from app.runner.clock import Clock
from app.runner.flush import Batch, Flush
from app.runner.intake import Intake
from app.runner.memory import Memory
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.serving import Serving
from app.runner.submission import By
from app.store.rows import Writes, collect
from app.store.store import Store

LONGEST_REST = 60.0
"""Seconds after which engine time is asked again: the event loop's may be a thousandth off."""


class Term:
    """The memory of one leadership and the loop that serves it."""

    def __init__(
        self, *, engine: Engine, store: Store, clock: Clock, metrics: Metrics, pace: Pace
    ) -> None:
        self.engine = engine
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._pace = pace
        self._wake = asyncio.Event()
        self._durable = 0
        self._left_alone = engine.state.incidents
        self._agenda = Agenda(engine.state)
        self._memory = Memory(pace.remembered_results)
        self._intake = Intake(self._memory, metrics=metrics, pace=pace, wake=self._wake.set)
        self._flush = Flush(store, metrics=metrics, pace=pace, on_end=self._wake.set)
        self._applier = Applier(
            engine,
            self._agenda,
            self._flush,
            clock=clock,
            metrics=metrics,
            pace=pace,
            meanwhile=self._answer_durable,
        )
        self._serving = Serving(
            self._intake,
            self._memory,
            self._agenda,
            self._applier,
            self._flush,
            clock=clock,
            metrics=metrics,
            pace=pace,
        )

    @property
    def serving(self) -> bool:
        """Whether commands are still taken."""
        return not self._intake.closed

    async def submit(
        self, commands: Sequence[Command], key: AnswerKey | None, by: By | None = None
    ) -> Answer:
        """See `Runner.submit`."""
        return await self._intake.submit(commands, key, by)

    def end(self) -> None:
        """Take no more submissions; `run` returns when those taken are applied and durable."""
        self._intake.closed = True
        self._wake.set()

    async def recover(self, limits: Limits, incidents: tuple[Incident, ...] = ()) -> None:
        """The first command of every leader, durable before anything else is served.

        Who is at risk, it looks at itself, in steps; but it goes through everything there is:
        aside, so that the lease is watched meanwhile.
        """
        self._clock.begin(self.engine.state.time)
        recover = Recover(limits, incidents)
        await self._pace.aside(self._applier.apply, recover, self._clock.now())
        await self._make_durable()
        self._left_alone = self.engine.state.incidents

    async def run(self) -> None:
        """Serve until `end`, or raise what went wrong; all that then still wait get NotLeader."""
        try:
            while not (self._intake.closed and self._idle()):
                await self._turn()
        finally:
            # First of all, for what is awaited here can be canceled once more.
            self._intake.refuse_all()
            await self._flush.cancel()

    def _idle(self) -> bool:
        return not (self._intake.queued or self._flush.next or self._flush.under_way)

    async def _turn(self) -> None:
        if self._flush.ended:
            await self._flush_when_free()
        self._memory.trim(self._durable)
        taken = self._intake.take()
        await self._memory.look_up(taken, self._store)
        self._applier.begin_turn()
        now = await self._applier.next_time()
        if told := self._clock.report():
            self._applier.apply(told, now)
        for submission in taken:
            await self._serving.serve(submission)
            if self._flush.ended:
                await self._flush_when_free()
        if self._left_alone is not self.engine.state.incidents:
            await self._make_durable()  # where what is released fails again, it stays released
            self._left_alone = self.engine.state.incidents
        if not self._intake.closed:
            await self._serving.go_on()
        await self._flush_when_free()
        cascades = len(self._agenda.cascades)
        self._metrics.queue_length = self._intake.missing
        self._metrics.cascades_pending = cascades
        if self._intake.queued or (self._agenda and not self._intake.closed):
            for _ in range(self._pace.loop_turns if cascades else 1):
                await asyncio.sleep(0)
        elif not (self._intake.closed and self._idle()):
            await self._rest()

    async def _rest(self) -> None:
        """Until there is something to do: a submission, the end of a flush, a due command."""
        due = None if self._intake.closed else self._applier.due()
        if due is None:
            await self._wake.wait()
        else:
            seconds = (due.time - self._clock.now()).total_seconds()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(seconds, LONGEST_REST)):
                    await self._wake.wait()
        self._wake.clear()

    async def _make_durable(self) -> None:
        while self._flush.next or self._flush.under_way:
            await self._flush_when_free()
            await self._flush.wait()
        self._answer_durable()  # now, for what comes next may end the term

    async def _flush_when_free(self) -> None:
        """Begin a flush unless one is under way; raise what ended the last one.

        What that has made durable is answered afterwards: so PostgreSQL has work meanwhile.
        """
        flush = self._flush
        if flush.ended or flush.full:
            await flush.wait()
        if flush.under_way:
            return
        durable = flush.take()
        if flush.next:
            self._serving.store_parts()
            flush.begin(self._rows(flush.next))
        self._answer(durable)

    def _rows(self, batch: Batch) -> Writes:
        """What a batch changed, as it is now: to be taken before the next command is applied."""
        counters = self.engine.state.counters
        return collect(batch.outcomes, batch.answers, counters, batch.acts)

    def _answer_durable(self) -> None:
        self._answer(self._flush.take())

    def _answer(self, durable: Batch | None) -> None:
        if durable:
            self._durable = durable.number
            for submission in durable.finished:
                self._intake.answer(submission, Answer(submission.results, replayed=False))

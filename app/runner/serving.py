"""What becomes of a submission: its commands applied, their results collected and kept."""

from __future__ import annotations

from datetime import datetime

from app.engine.cascades.cascade import ticked
from app.engine.commands import Command
from app.engine.commands.leaders import ContinueCascade
from app.engine.commands.prices import Price
from app.engine.rejections import Rejection
from app.engine.results import Ticked
from app.runner.agenda import Agenda
from app.runner.answers import (
    Answer,
    AnswerConflict,
    AnswerExpired,
    AnswerKey,
    NamedOrder,
    order_conflict,
    order_expired,
    order_key,
)
from app.runner.applier import Applier
from app.runner.clock import Clock
from app.runner.flush import Flush
from app.runner.intake import Intake
from app.runner.memory import Memory
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.submission import Submission, Submitted
from app.store.answers import Known
from app.store.tables.log import AdminAct, StoredAnswer


class Serving:
    """Takes submissions from the intake through the engine into the next batch."""

    def __init__(
        self,
        intake: Intake,
        memory: Memory,
        agenda: Agenda,
        applier: Applier,
        flush: Flush,
        *,
        clock: Clock,
        metrics: Metrics,
        pace: Pace,
    ) -> None:
        self._intake = intake
        self._memory = memory
        self._agenda = agenda
        self._applier = applier
        self._flush = flush
        self._clock = clock
        self._metrics = metrics
        self._pace = pace

    async def serve(self, submission: Submission) -> None:
        """Answer it again, or apply its commands; ticks that must wait are held back."""
        key = submission.key
        if key and (known := self._memory.stored(key.name)):
            readable = len(known.results) == len(submission.commands)
            if known.digest != key.digest or not readable or self._is_finished(known):
                self._answer_again(submission, key, known)
                return
            submission.results = list(known.results)
            submission.stored = True
        if not submission.commands:
            self._finish(submission)
        for index, command in enumerate(submission.commands):
            submitted = submission, index
            now = await self._applier.next_time()
            if isinstance(command, NamedOrder):
                self._place_order(submitted, command, now)
            elif not (isinstance(command, Price) and self._agenda.hold_back(submitted, command)):
                self._run(submitted, command, now)

    async def go_on(self) -> None:
        """One step of each cascade, then the ticks that waited for those that are finished."""
        for asset in self._agenda.cascades:
            now = await self._applier.next_time()
            outcome = self._applier.apply(ContinueCascade(asset), now)
            if asset not in outcome.pending and (submitted := self._agenda.end(asset)):
                self._give(submitted, outcome.result)
        for asset in self._agenda.held:
            for _ in range(self._pace.turn_commands):
                now = await self._applier.next_time()
                held = self._agenda.next_tick(asset)
                if held is None:
                    break
                submission, index = held
                self._run(held, submission.commands[index], now)

    # Answers given before

    def _answer_again(self, submission: Submission, key: AnswerKey, known: Known) -> None:
        self._intake.missing -= submission.missing
        try:
            self._intake.check_same(key, known.digest)
        except AnswerConflict as conflict:
            self._intake.refuse(submission, conflict)
            return
        if len(known.results) == len(submission.commands):
            self._intake.answer(submission, Answer(known.results, replayed=True))
        else:
            self._intake.refuse(submission, AnswerExpired())

    def _is_finished(self, known: Known) -> bool:
        """Whether all of an answer is durable: a leader may have been lost during a cascade."""
        return None not in known.results and not (
            self._agenda.cascades and any(isinstance(result, Ticked) for result in known.results)
        )

    # Applying

    def _place_order(self, submitted: Submitted, order: NamedOrder, now: datetime) -> None:
        key = order_key(order)
        known = self._memory.get(key.name) or self._memory.stored(key.name) if key else None
        if key is None or known is None:
            result = self._run(submitted, order, now)
            if key and not isinstance(result, Rejection):
                self._store(key, [result])
        elif key.digest == known.digest:
            self._metrics.replayed += 1
            self._give(submitted, known.results[0] if known.results else order_expired(order))
        else:
            self._give(submitted, order_conflict(order))

    def _run(self, submitted: Submitted, command: Command, now: datetime) -> object:
        """Apply a command of a submission; its result is given, or left to the cascade's end.

        What a leader before has applied of it is not applied again.
        """
        submission, index = submitted
        if submission.results[index] is not None:
            self._give(submitted, submission.results[index])
            return submission.results[index]
        outcome = self._applier.apply(command, now)
        if (by := submission.by) and outcome.accepted:
            kind = type(command).__name__
            act = AdminAct(outcome.sequence, now, by.key_id, kind, by.reference)
            self._flush.next.acts.append(act)
        if isinstance(command, Price):
            if submission.key:
                self._flush.next.split[submission] = None
            if outcome.result is None:
                self._agenda.answer_at_end(submitted, command)
                return None
        self._give(submitted, outcome.result)
        return outcome.result

    # Results

    def _give(self, submitted: Submitted, result: object) -> None:
        submission, index = submitted
        submission.results[index] = result
        submission.missing -= 1
        self._intake.missing -= 1
        if submission.missing == 0:
            self._finish(submission)

    def _finish(self, submission: Submission) -> None:
        """All results are known: the flush that makes the last of them durable answers."""
        key, results = submission.key, submission.results
        refused = len(results) == 1 and isinstance(results[0], Rejection)
        if key and not refused:
            self._store(key, results, replaces=submission.stored)
        self._flush.next.finished.append(submission)

    def _store(self, key: AnswerKey, results: list[object], *, replaces: bool = False) -> None:
        self._keep(key, results, replaces=replaces)
        self._memory.put(key.name, Known(key.digest, results), self._flush.next.number)

    def _keep(self, key: AnswerKey, results: list[object], *, replaces: bool) -> None:
        now = self._clock.now()
        answer = StoredAnswer(key.scope, key.key, key.digest, results, time=now, replaces=replaces)
        self._flush.next.answers.append(answer)

    def store_parts(self) -> None:
        """Store with their effects the ticks of requests that the next batch does not finish.

        So the next leader will not apply them again. A tick whose cascade goes on counts with the
        accounts found so far: `Recover` will take it up together with others.
        """
        state = self._applier.engine.state
        for submission in self._flush.next.split:
            if submission.key and submission.missing:
                results = list(submission.results)
                for index, asset in self._agenda.ticks_of(submission):
                    results[index] = ticked(state, state.cascades[asset])
                self._keep(submission.key, results, replaces=submission.stored)
                submission.stored = True

"""Commands into the engine, one after the other, each at its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from app.engine.commands import Command, Due
from app.engine.engine import Engine
from app.engine.outcome import Outcome
from app.engine.rejections import Rejection
from app.runner import incidents
from app.runner.agenda import Agenda
from app.runner.clock import Clock
from app.runner.flush import Flush
from app.runner.metrics import Metrics
from app.runner.pace import Pace


class Applier:
    """The engine's only caller; what comes of a command goes into the next batch."""

    def __init__(
        self,
        engine: Engine,
        agenda: Agenda,
        flush: Flush,
        *,
        clock: Clock,
        metrics: Metrics,
        pace: Pace,
        meanwhile: Callable[[], None],
    ) -> None:
        self.engine = engine
        self._agenda = agenda
        self._flush = flush
        self._clock = clock
        self._metrics = metrics
        self._pace = pace
        self._meanwhile = meanwhile
        self._yielded = pace.seconds()

    def begin_turn(self) -> None:
        """Nothing was applied for a while: the others had their turn."""
        self._yielded = self._pace.seconds()

    async def next_time(self) -> datetime:
        """The time of the next command, which must be applied at once: nothing else is due by then.

        What is, is applied first. Lets the rest of the event loop run where that has taken long.
        """
        while True:
            if self._pace.seconds() - self._yielded > self._pace.turn_seconds:
                await asyncio.sleep(0)
                self._meanwhile()
                self._yielded = self._pace.seconds()
            now = self._clock.now()
            due = self.due()
            if due is None or due.time > now:
                return now
            outcome = self.apply(due.command, now)
            assert outcome.accepted, outcome
            assert self.due() != due, f"it would be due for ever: {due}"

    def due(self) -> Due | None:
        """What is due first, but for what has failed and is not released (REC-2)."""
        return self.engine.due(lambda command: self._refusal(command) is not None)

    def _refusal(self, command: Command) -> Rejection | None:
        state = self.engine.state
        return incidents.refusal(state, command) if state.incidents else None

    def apply(self, command: Command, now: datetime) -> Outcome:
        """Apply a command; a refused one leaves nothing but a count. What it raises is a bug.

        One that has raised something before is refused until that is released (REC-2).
        """
        metrics, seconds, state = self._metrics, self._pace.seconds, self.engine.state
        if refusal := self._refusal(command):
            metrics.rejected[refusal.code] += 1
            return Outcome(state.counters.command, now, command, refusal)
        started = seconds()
        outcome = self.engine.apply(command, now)
        metrics.apply_seconds += seconds() - started
        metrics.commands[type(command).__name__] += 1
        if isinstance(outcome.result, Rejection):
            metrics.rejected[outcome.result.code] += 1
            return outcome
        self._flush.next.add(outcome)
        self._agenda.note(outcome)
        return outcome

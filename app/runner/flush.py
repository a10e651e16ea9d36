"""Batching: what was applied since the last flush began, and the one commit in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.engine.outcome import Outcome
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.submission import Submission
from app.store.rows import Writes
from app.store.store import Store
from app.store.tables.log import AdminAct, StoredAnswer


@dataclass(slots=True)
class Batch:
    """What one flush makes durable, and whom it answers."""

    number: int
    outcomes: list[Outcome] = field(default_factory=list)
    answers: list[StoredAnswer] = field(default_factory=list)
    acts: list[AdminAct] = field(default_factory=list)
    finished: list[Submission] = field(default_factory=list)
    split: dict[Submission, None] = field(default_factory=dict)
    """Submissions with a key of which ticks were applied: their cascades may outlast the batch."""
    records: int = 0

    def __bool__(self) -> bool:
        return bool(self.outcomes or self.answers or self.finished)

    def add(self, outcome: Outcome) -> None:
        """A command was applied and not refused."""
        self.outcomes.append(outcome)
        self.records += 1 + len(outcome.records)


class Flush:
    """Commits one batch after the other; `on_end` is called when one is finished or has failed."""

    def __init__(
        self, store: Store, *, metrics: Metrics, pace: Pace, on_end: Callable[[], None]
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._pace = pace
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._batch: Batch | None = None
        self.next = Batch(1)
        """What will be flushed next: here goes all that is applied."""

    @property
    def under_way(self) -> bool:
        """Whether a commit was begun and not yet waited for."""
        return self._task is not None

    @property
    def ended(self) -> bool:
        """Whether that commit need only be waited for."""
        return self._task is not None and self._task.done()

    @property
    def full(self) -> bool:
        """Whether the next batch is so large that it must wait for the commit under way."""
        return self.next.records > self._pace.batch_records

    def begin(self, rows: Writes) -> None:
        """Commit the next batch, of which these are the rows.

        The one before must be waited for and taken.
        """
        assert self._task is None
        assert self._batch is None
        batch, self.next = self.next, Batch(self.next.number + 1)
        self._batch = batch
        self._task = asyncio.create_task(self._commit(batch, rows))
        self._task.add_done_callback(lambda _: self._on_end())

    async def wait(self) -> None:
        """Wait for the commit, if there is one; raises what went wrong."""
        if self._task:
            await self._task
            self._task = None

    def take(self) -> Batch | None:
        """The batch that is durable by now, to be answered: only once."""
        if self._task and (not self._task.done() or self._task.exception()):
            return None
        batch, self._batch = self._batch, None
        return batch

    async def cancel(self) -> None:
        """Give up: it is not known whether the commit happens."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _commit(self, batch: Batch, rows: Writes) -> None:
        if batch.outcomes or batch.answers:
            started = self._pace.seconds()
            await self._store.commit(rows)
            self._metrics.flush_seconds += self._pace.seconds() - started
            self._metrics.batches += 1
            self._metrics.batch_commands += len(batch.outcomes)

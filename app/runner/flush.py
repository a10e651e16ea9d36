"""The one commit that may be in flight, and what it makes durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

from app.runner.metrics import Metrics
from app.runner.submission import Batch
from app.store.rows import Batch as Rows
from app.store.writer import Writer


class Flush:
    """Commits one batch after the other; `on_end` is called when one is finished or has failed."""

    def __init__(self, writer: Writer, metrics: Metrics, on_end: Callable[[], None]) -> None:
        self._writer = writer
        self._metrics = metrics
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._batch: Batch | None = None

    @property
    def under_way(self) -> bool:
        """Whether a commit was begun and not yet waited for."""
        return self._task is not None

    @property
    def ended(self) -> bool:
        """Whether that commit need only be waited for."""
        return self._task is not None and self._task.done()

    def begin(self, batch: Batch, rows: Rows) -> None:
        """Commit a batch; the one before must be waited for and taken."""
        assert self._task is None
        assert self._batch is None
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

    async def _commit(self, batch: Batch, rows: Rows) -> None:
        if batch.outcomes or batch.answers:
            started = perf_counter()
            await self._writer.commit(rows)
            self._metrics.flush_seconds += perf_counter() - started
            self._metrics.batches += 1
            self._metrics.batch_commands += len(batch.outcomes)

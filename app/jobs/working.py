"""How a worker does its job: what it is told, what it says meanwhile, and how it ends.

    python -m MODULE < {"address": ..., "job_id": ..., "dask_scheduler": ...}

    (one line; standard input stays open)

The module calls `main` with what it can do, by kind. It ends with the service, which holds the
other end of its standard input: however that ended. What was found is stored in one transaction
with the job's end, so there is all of it or nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, NoReturn

import asyncpg

from app.jobs import board
from app.jobs.board import Job, JobFailure, JobGone
from app.store import database
from app.store.tables import JobKind

log = logging.getLogger("backstop.worker")

TELL_SECONDS = 0.5


class JobFailed(Exception):
    """It cannot be done, and why: a stable code, and for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.failure = JobFailure(code, detail)


StoreFound = Callable[[asyncpg.Connection], Awaitable[None]]
"""Stores what was found, within the transaction of the job's end."""


class Found(NamedTuple):
    """What a job gave: what is said of it in its row, and what else is stored."""

    result: Mapping[str, Any]
    store: StoreFound | None = None


class Task:
    """A job in a worker's hands."""

    def __init__(
        self, job: Job, connection: asyncpg.Connection, dask_scheduler: str | None = None
    ) -> None:
        self.job = job
        self.dask_scheduler = dask_scheduler
        """Where a cluster is that shares the work out; None: this machine does it."""
        self.connection = connection
        """For reading, and nobody else's."""
        self.told = ("begin", 0.0)

    def tell(self, stage: str, progress: float) -> None:
        """How far it is, from 0 to 1; at once, from any thread. It is written now and then."""
        self.told = (stage, progress)

    def gone(self) -> NoReturn:
        """The job has another end already, and the process with it."""
        os._exit(0)


MakeTask = Callable[[Job, asyncpg.Connection], Task]

DoJob = Callable[[Task], Awaitable[Found]]
"""Does a job; raises `JobFailed` where it cannot be done."""


def main(works: Mapping[JobKind, DoJob]) -> None:
    """Do the job that standard input names; the exit status is 0 wherever its row tells its end."""
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    order = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_service, daemon=True).start()
    made = partial(Task, dask_scheduler=order["dask_scheduler"])
    asyncio.run(carry_out(order["address"], order["job_id"], works, made))


def _end_with_the_service() -> None:
    sys.stdin.buffer.read()
    with suppress(ProcessLookupError):
        os.killpg(os.getpid(), signal.SIGKILL)  # and all that it started
    os._exit(1)  # started by hand, it leads no group


async def carry_out(
    address: str, job_id: int, works: Mapping[JobKind, DoJob], made: MakeTask = Task
) -> None:
    """Do a running job to its end, and tell of it meanwhile."""
    connection, telling = await database.connect(address), await database.connect(address)
    with suppress(JobGone):
        job = await board.read(connection, job_id)
        task = made(job, connection)
        told = asyncio.create_task(_tell_now_and_then(telling, task))
        try:
            await settle(task, works[job.kind])
        finally:
            told.cancel()
            telling.terminate()
            connection.terminate()


async def settle(task: Task, work: DoJob) -> None:
    """Do a job to its end, whichever that is; raises `JobGone` where it has another one already."""
    connection, job_id = task.connection, task.job.job_id
    try:
        found = await work(task)
        async with connection.transaction():
            if found.store:
                await found.store(connection)
            await board.finish(connection, job_id, found.result)
    except JobFailed as error:
        await board.fail(connection, job_id, error.failure)
    except MemoryError:
        await board.fail(connection, job_id, JobFailure("out_of_memory", "the machine has no more"))
    except (JobGone, *database.UNREACHABLE):
        raise
    except Exception:
        log.exception("job %d failed", job_id)
        failure = JobFailure("internal_error", "an unexpected error; it was logged")
        await board.fail(connection, job_id, failure)


async def _tell_now_and_then(connection: asyncpg.Connection, task: Task) -> None:
    """Where the job is gone, so is the process: it may be deep in its figures."""
    before = None
    while True:
        if task.told != before:
            before = task.told
            try:
                await board.tell(connection, task.job.job_id, *before)
            except JobGone:
                task.gone()
        await asyncio.sleep(TELL_SECONDS)

"""Takes queued jobs and has workers do them, beside the service and for as long as it runs.

There is one in each instance, whether it leads or stands by: a standby's cores are as good. Jobs
stay in the table when the supervisor cannot reach it, and workers go on; it looks again until it
can. A worker is a process that does one job and stores what came of it itself, so what is done here
is to start it, to kill it when its job is not running any more, and to tell of one that died.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Self

import asyncpg

from app.jobs import board
from app.jobs.board import WORKER_DIED, JobFailure
from app.store import database
from app.store.database import UNREACHABLE

log = logging.getLogger("backstop.jobs")

WORKER = "app.calibration.worker"
MOST_WORKERS = 2
NICE = 10
"""By so much the service goes first."""
LOOK_SECONDS = 1.0
"""How soon it is seen what other instances, or the command line, have changed."""
PAUSE_SECONDS = 2.0
CLEANING_SECONDS = 3600.0
FAREWELL_SECONDS = 2.0
CANNOT_WATCH = (
    *UNREACHABLE,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TooManyConnectionsError,
)
"""How it shows that there is nothing to watch in just now."""
NUMBER_OF_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""A worker shares its work out itself, in parts whose sums do not hang on how many do them."""


class Worker:
    """A process that does a job, the leader of a group of its own: what it starts ends with it."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.ended = asyncio.create_task(self._wait())
        """Its exit status, once it and all that it started have ended."""

    @classmethod
    async def start(cls, module: str, order: Mapping[str, Any]) -> Self:
        """The address holds a password, so it is told over standard input, which then stays open:

        its end tells the worker that the service is no more.
        """
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            stdin=PIPE,
            stdout=DEVNULL,
            cwd=Path(__file__).parents[2],
            env={**os.environ, **dict.fromkeys(NUMBER_OF_THREADS, "1")},
            start_new_session=True,
        )
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, process.pid, NICE)
        assert process.stdin is not None
        process.stdin.write(json.dumps(order).encode() + b"\n")
        return cls(process)

    async def _wait(self) -> int:
        status = await self._process.wait()
        self.kill()
        return status

    def kill(self) -> None:
        """End it and all that it started; none of them has anything to put in order."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


class Supervisor:
    """One instance's, from `start` to `stop`."""

    def __init__(
        self, address: str, module: str = WORKER, *, dask_scheduler: str | None = None
    ) -> None:
        self._address = address
        self._dask_scheduler = dask_scheduler
        self._module = module
        self._owner: int | None = None
        self._workers: dict[int, Worker] = {}
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._clean_at = monotonic()

    def wake(self) -> None:
        """Something was asked for or canceled: look at once."""
        self._awake.set()

    def start(self) -> None:
        """Begin, in the background: the service waits for nothing of it."""
        self._task = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Kill all workers, and say so where the database is there."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        for worker in self._workers.values():
            worker.kill()
        await asyncio.gather(*(worker.ended for worker in self._workers.values()))
        with suppress(TimeoutError, *CANNOT_WATCH):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._say_goodbye()

    async def _say_goodbye(self) -> None:
        connection = await database.connect(self._address)
        try:
            await board.interrupt(connection, self._owner)
        finally:
            connection.terminate()

    async def _supervise(self) -> None:
        while True:
            try:
                connection = await database.connect(self._address)
                try:
                    await self._watch(connection)
                finally:
                    connection.terminate()
            except CANNOT_WATCH as error:
                log.warning("jobs wait, PostgreSQL is out of reach: %r", error)
            except Exception:
                log.exception("jobs wait after a fault")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _watch(self, connection: asyncpg.Connection) -> None:
        """Look again and again; raises what ends the session."""
        before, self._owner = self._owner, await board.own(connection)
        if before is not None:
            await board.hand_over(connection, before, self._owner)
        while True:
            self._awake.clear()
            await self._look(connection, self._owner)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._awake.wait()

    async def _look(self, connection: asyncpg.Connection, owner: int) -> None:
        await self._bury_the_dead(connection)
        wanted = await board.running(connection, owner)
        for job_id in self._workers.keys() - wanted:
            self._workers[job_id].kill()  # its end awakes us
        await board.interrupt(connection)
        while len(self._workers) < MOST_WORKERS:
            taken = await board.take(connection, owner)
            if taken is None:
                break
            await self._start(connection, taken)
        if monotonic() >= self._clean_at:
            self._clean_at = monotonic() + CLEANING_SECONDS
            await board.forget(connection)

    async def _start(self, connection: asyncpg.Connection, job_id: int) -> None:
        try:
            order = {
                "address": self._address,
                "job_id": job_id,
                "dask_scheduler": self._dask_scheduler,
            }
            worker = await Worker.start(self._module, order)
        except OSError as error:
            await board.fail(connection, job_id, JobFailure(WORKER_DIED, f"did not start: {error}"))
            return
        self._workers[job_id] = worker
        worker.ended.add_done_callback(lambda _: self.wake())

    async def _bury_the_dead(self, connection: asyncpg.Connection) -> None:
        """A worker that did its job has said so: one whose job is still running has not."""
        for job_id, worker in list(self._workers.items()):
            if worker.ended.done():
                detail = f"its process ended with status {worker.ended.result()}"
                await board.fail(connection, job_id, JobFailure(WORKER_DIED, detail))
                del self._workers[job_id]

"""Jobs as real processes do them: their ends, cancels, deaths of every party, two instances."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from app.jobs import board
from app.jobs.board import NewJob
from app.jobs.supervisor import MOST_WORKERS, Supervisor
from app.runner.answers import AnswerKey
from app.store import database
from app.store.tables import JobKind

MODULE = "tests.jobs.worker"
PATIENCE = 60.0
SERVICE = """
import asyncio, sys
from app.jobs.supervisor import Supervisor

async def serve():
    Supervisor(sys.argv[1], "tests.jobs.worker").start()
    await asyncio.Event().wait()

asyncio.run(serve())
"""
"""An instance of which only the supervisor is there."""


@pytest.fixture
async def supervisor(address: str) -> AsyncIterator[Supervisor]:
    """An instance's."""
    async with supervising(address) as found:
        yield found


@asynccontextmanager
async def supervising(address: str) -> AsyncIterator[Supervisor]:
    found = Supervisor(address, MODULE)
    found.start()
    try:
        yield found
    finally:
        await found.stop()


async def ask(connection: asyncpg.Connection, do: str, asset: str | None = None) -> int:
    """A job."""
    kind: JobKind = "calibration" if asset else "stress_test"
    return await board.request(connection, NewJob(kind, {"do": do}, asset, "k-1"))


async def job(connection: asyncpg.Connection, job_id: int) -> dict[str, Any]:
    row = await connection.fetchrow("SELECT * FROM jobs WHERE job_id = $1", job_id)
    assert row is not None
    return {**row, "error": json.loads(row["error"] or "null")}


async def until(connection: asyncpg.Connection, job_id: int, *statuses: str) -> dict[str, Any]:
    """The job, once it has one of these statuses."""
    async with asyncio.timeout(PATIENCE):
        while (found := await job(connection, job_id))["status"] not in statuses:
            await asyncio.sleep(0.02)
    return found


async def computing(connection: asyncpg.Connection, job_id: int) -> list[psutil.Process]:
    """The worker and what it has started, once it is deep in its figures."""
    async with asyncio.timeout(PATIENCE):
        while not (told := re.findall(r"\d+", (await job(connection, job_id))["stage"] or "")):
            await asyncio.sleep(0.02)
    return [psutil.Process(int(number)) for number in told]


async def gone(processes: list[psutil.Process]) -> None:
    """All of them are, soon."""
    async with asyncio.timeout(PATIENCE):
        while any(map(alive, processes)):
            await asyncio.sleep(0.02)


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def stored(connection: asyncpg.Connection) -> int:
    count: int = await connection.fetchval("SELECT count(*) FROM calibration_inputs")
    return count


async def test_a_job_is_done(supervisor: Supervisor, connection: asyncpg.Connection) -> None:
    """Nobody needs to awake the supervisor; what was found is stored with the end."""
    job_id = await ask(connection, "find")
    found = await until(connection, job_id, "done")
    assert (found["progress"], found["error"]) == (1, None)
    assert json.loads(found["result"]) == {"answer": 42}
    assert found["created_at"] <= found["started_at"] <= found["finished_at"]
    assert await stored(connection) == 1


@pytest.mark.parametrize(("do", "code"), [
    ("fail", "no_mark"),
    ("err", "internal_error"),
    ("exhaust", "out_of_memory"),
    ("die", "worker_died"),
    ("die storing", "worker_died"),
])  # fmt: skip
async def test_a_job_fails_with_a_code(
    supervisor: Supervisor, connection: asyncpg.Connection, do: str, code: str
) -> None:
    """Nothing of it is stored, and the next is done."""
    found = await until(connection, await ask(connection, do, "USDT"), "failed")
    assert found["error"]["code"] == code
    assert found["result"] is None
    assert await stored(connection) == 0
    await until(connection, await ask(connection, "find", "USDT"), "done")


async def test_what_comes_too_late_is_not_stored(
    supervisor: Supervisor, connection: asyncpg.Connection
) -> None:
    """It was canceled in the last moment: that stays so."""
    job_id = await ask(connection, "store too late")
    await until(connection, job_id, "canceled")
    await until(connection, await ask(connection, "find"), "done")
    assert (await job(connection, job_id))["result"] is None
    assert await stored(connection) == 1


async def test_a_canceled_job_ends_with_all_it_started(
    supervisor: Supervisor, connection: asyncpg.Connection
) -> None:
    """A queued one is not begun."""
    job_id = await ask(connection, "compute")
    processes = await computing(connection, job_id)
    assert psutil.Process(processes[1].pid).nice() == 10
    assert await board.cancel(connection, job_id) == "canceled"
    await gone(processes)
    assert (await job(connection, job_id))["status"] == "canceled"
    assert await board.cancel(connection, job_id) == "canceled"


async def test_a_killed_worker(supervisor: Supervisor, connection: asyncpg.Connection) -> None:
    """Signal 9, as of an operator or for want of memory."""
    job_id = await ask(connection, "compute")
    processes = await computing(connection, job_id)
    processes[1].kill()
    found = await until(connection, job_id, "failed")
    assert found["error"] == {"code": "worker_died", "detail": "its process ended with status -9"}
    await gone(processes)


async def test_the_address_is_in_no_argument(
    supervisor: Supervisor, connection: asyncpg.Connection
) -> None:
    """It holds a password, and everybody on the machine sees arguments."""
    processes = await computing(connection, await ask(connection, "compute"))
    assert processes[1].cmdline() == [sys.executable, "-m", MODULE]
    assert not any("postgresql" in value for value in processes[1].environ().values())


async def test_so_many_at_once(supervisor: Supervisor, connection: asyncpg.Connection) -> None:
    """The others wait, and go on when one ends."""
    jobs = [await ask(connection, "compute") for _ in range(MOST_WORKERS + 1)]
    for job_id in jobs[:MOST_WORKERS]:
        await computing(connection, job_id)
    assert (await job(connection, jobs[-1]))["status"] == "queued"
    await board.cancel(connection, jobs[0])
    await computing(connection, jobs[-1])


async def test_an_instance_that_stops_says_so(address: str, connection: asyncpg.Connection) -> None:
    """Its jobs are interrupted, and no process of theirs is left."""
    async with supervising(address):
        job_id = await ask(connection, "compute")
        processes = await computing(connection, job_id)
    assert not any(map(alive, processes))
    found = await job(connection, job_id)
    assert (found["status"], found["error"]["code"]) == ("interrupted", "service_ended")


async def killed_with_a_job(
    address: str, connection: asyncpg.Connection, number: signal.Signals
) -> tuple[int, list[psutil.Process]]:
    """An instance is killed while its worker computes."""
    command = [sys.executable, "-c", SERVICE, address]
    with subprocess.Popen(command, cwd=Path.cwd()) as service:
        job_id = await ask(connection, "compute", "USDT")
        processes = await computing(connection, job_id)
        service.send_signal(number)
    return job_id, processes


async def test_a_killed_instance_takes_its_workers_along(
    address: str, connection: asyncpg.Connection
) -> None:
    """The next that looks says that it was interrupted, and the asset is free again."""
    job_id, processes = await killed_with_a_job(address, connection, signal.SIGKILL)
    await gone(processes)
    assert (await job(connection, job_id))["status"] == "running"
    async with supervising(address):
        found = await until(connection, job_id, "interrupted")
        assert found["error"]["code"] == "service_ended"
        await until(connection, await ask(connection, "find", "USDT"), "done")


async def test_two_instances(address: str, connection: asyncpg.Connection) -> None:
    """Neither takes the other's jobs for dead, and each ends what was canceled at the other."""
    async with supervising(address) as first:
        job_id = await ask(connection, "compute", "USDT")
        processes = await computing(connection, job_id)
        async with supervising(address) as second:
            await until(connection, await ask(connection, "find"), "done")
            assert second._owner != first._owner
            assert (await job(connection, job_id))["status"] == "running"
        assert (await job(connection, job_id))["status"] == "running"
        assert all(map(alive, processes))


async def test_a_lost_session_is_not_a_lost_instance(
    supervisor: Supervisor, connection: asyncpg.Connection
) -> None:
    """The supervisor comes back to its workers."""
    job_id = await ask(connection, "compute")
    processes = await computing(connection, job_id)
    before = (await job(connection, job_id))["owner"]
    await connection.execute("""
        SELECT pg_terminate_backend(pid) FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 2
    """)
    async with asyncio.timeout(PATIENCE):
        while (found := await job(connection, job_id))["owner"] == before:
            await asyncio.sleep(0.02)
    assert found["status"] == "running"
    assert all(map(alive, processes))
    await board.cancel(connection, job_id)
    await gone(processes)


async def test_progress_is_told_and_never_goes_back(connection: asyncpg.Connection) -> None:
    """What comes after the end is not told at all."""
    job_id = await ask(connection, "find")
    assert await board.take(connection, 1) == job_id
    await board.tell(connection, job_id, "bound", 0.5)
    await board.tell(connection, job_id, "refine", 0.25)
    found = await job(connection, job_id)
    assert (found["stage"], found["progress"]) == ("refine", 0.5)
    await board.cancel(connection, job_id)
    with pytest.raises(board.JobGone):
        await board.tell(connection, job_id, "stress", 0.75)
    with pytest.raises(board.JobGone):
        await board.read(connection, job_id)
    await board.fail(connection, job_id, board.SERVICE_ENDED)
    assert (await job(connection, job_id))["status"] == "canceled"


async def test_old_jobs_are_forgotten(connection: asyncpg.Connection) -> None:
    """After 90 days; those that are not at their end never."""
    old, queued = await ask(connection, "find"), await ask(connection, "find")
    await board.cancel(connection, old)
    await board.forget(connection)
    assert await job(connection, old)
    age = "UPDATE jobs SET created_at = created_at - interval '91 days',"
    await connection.execute(f"{age} finished_at = finished_at - interval '91 days'")
    await board.forget(connection)
    rows = await connection.fetch("SELECT job_id FROM jobs")
    assert [row["job_id"] for row in rows] == [queued]


async def test_one_of_an_asset(connection: asyncpg.Connection) -> None:
    """Queued or running; asked for, or begun by hand."""
    first = await ask(connection, "find", "USDT")
    with pytest.raises(board.JobRunning):
        await ask(connection, "find", "USDT")
    await ask(connection, "find", "BTC")
    await board.take(connection, 1)
    with pytest.raises(board.JobRunning):
        await ask(connection, "find", "USDT")
    with pytest.raises(board.JobRunning):
        await board.begin(connection, NewJob("calibration", {}, "USDT", "cli"), 1)
    await board.cancel(connection, first)
    assert await board.begin(connection, NewJob("calibration", {}, "USDT", "cli"), 1)


async def test_a_queue_has_an_end(connection: asyncpg.Connection) -> None:
    for _ in range(board.MOST_QUEUED):
        await ask(connection, "find")
    with pytest.raises(board.TooManyJobs):
        await ask(connection, "find")


async def test_the_same_request_twice_at_once(address: str) -> None:
    """Whoever comes second has the first one's job."""
    key = AnswerKey("request/k-1", "again", "digest")
    wanted = NewJob("calibration", {"do": "find"}, "USDT", "k-1")
    connections = [await database.connect(address) for _ in range(4)]
    jobs = await asyncio.gather(*(board.request(one, wanted, key) for one in connections))
    assert len({*jobs}) == 1
    for one in connections:
        await one.close()

"""A worker that does what its job's request says: the real one's start and end, other work."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time

import asyncpg

from app.jobs.working import Found, JobFailed, Task, main

FOREVER = (sys.executable, "-c", "import time; time.sleep(600)")


async def work(task: Task) -> Found:
    """Whatever is asked."""
    request = task.job.request
    match request["do"]:
        case "find":
            task.tell("look", 0.5)
            return Found({"answer": 42}, store)
        case "fail":
            raise JobFailed("no_mark", "no mark price for X")
        case "err":
            raise ZeroDivisionError
        case "exhaust":
            raise MemoryError
        case "die":
            os._exit(7)
        case "die storing":
            return Found({"answer": 42}, store_and_die)
        case "store too late":
            await task.connection.execute(
                "UPDATE jobs SET status = 'canceled', finished_at = now() WHERE job_id = $1",
                task.job.job_id,
            )
            return Found({"answer": 42}, store)
    assert request["do"] == "compute"
    child = subprocess.Popen(FOREVER)
    task.tell(f"child {child.pid} of {os.getpid()}", 0.25)
    await asyncio.to_thread(time.sleep, 600)
    raise AssertionError


async def store(connection: asyncpg.Connection) -> None:
    """Something beside the job's row."""
    await connection.execute("INSERT INTO calibration_inputs VALUES (1, '\\x01')")


async def store_and_die(connection: asyncpg.Connection) -> None:
    """In the middle of it."""
    await store(connection)
    os._exit(9)


if __name__ == "__main__":
    main({"stress_test": work, "calibration": work})

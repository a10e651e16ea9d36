"""A what-if by the real engine, as a job (CAL-15)."""

from __future__ import annotations

import asyncio

from app.calibration.whatif import engine
from app.jobs.library import read_library
from app.jobs.stress import InvalidStressTest, crash_of, read_test
from app.jobs.working import Found, JobFailed, Task
from app.store import incidents
from app.store.loader import load_state

LOADED = 0.2
"""Which share of the job is done when the state is there."""


async def stress_test(task: Task) -> Found:
    """Loads the whole state, as committed, and shocks it; nothing but the answer is stored."""
    test = read_test(task.job.request)
    task.tell("load", 0.0)
    known = await incidents.load(task.connection)
    library = await read_library(task.connection)
    state = await load_state(task.connection)

    def tell(share: float) -> None:
        task.tell("liquidate", LOADED + (1 - LOADED) * share)

    tell(0.0)
    try:
        crash = crash_of(test, library)
        answer = await asyncio.to_thread(engine.run, state, test, crash, known, tell)
    except InvalidStressTest as error:
        raise JobFailed(error.code, error.detail) from error
    return Found(answer)

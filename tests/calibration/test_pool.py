"""A run in several processes: the same bits, and nobody is left (CAL-11)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from app.calibration.runs.pool import Pool, ProcessEnded
from app.calibration.runs.run import calibrate
from app.calibration.runs.search import Search, Tasks
from tests.calibration.test_runs import FEW, book, run
from tests.calibration.test_search import FUNDS, model, scenarios
from tests.service import ROOT, until


@pytest.fixture(scope="module")
def tasks() -> Tasks:
    return Tasks(model(), scenarios(), FUNDS)


@pytest.fixture(scope="module")
def alone(tasks: Tasks) -> bytes:
    return figures(Search(tasks))


def figures(search: Search) -> bytes:
    """Bounds and losses, to the bit."""
    largest = [search.largest(fund, 20) for fund in range(FUNDS)]
    return b"".join(one.tobytes() for one in (search.bounds, search.losses, *largest))


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_any_number_of_processes_gives_the_same_bits(
    tasks: Tasks, alone: bytes, processes: int
) -> None:
    with Pool(processes) as pool:
        assert figures(Search(tasks, pool)) == alone
        assert len(_ours()) == processes
    assert not _ours()


def _ours() -> list[psutil.Process]:
    """The processes of pools: of this one's children, those that multiprocessing has spawned."""
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]


def test_another_object_takes_the_place_of_the_last(tasks: Tasks) -> None:
    other = Tasks(model(impact=0), scenarios(), FUNDS)
    some = [np.arange(30)]
    with Pool(2) as pool:
        for one in (tasks, other, tasks):
            (found,) = pool(one.exact_part, some)
            assert (found == one.exact_part(some[0])).all()


def test_a_process_that_dies_is_no_wrong_figure(tasks: Tasks) -> None:
    with Pool(2) as pool:
        (_,) = pool(tasks.exact_part, [np.arange(5)])
        for one in _ours():
            one.kill()
        with pytest.raises(ProcessEnded):
            pool(tasks.exact_part, [np.arange(200)] * 50)
        assert not _ours()
        (found,) = pool(tasks.exact_part, [np.arange(5)])  # others take their place
        assert (found == tasks.exact_part(np.arange(5))).all()


def test_what_a_task_raises_is_raised(tasks: Tasks) -> None:
    with Pool(2) as pool, pytest.raises(IndexError):
        pool(tasks.exact_part, [np.array([10**9])])


PARENT = """
import sys, time
import numpy as np
from app.calibration.runs.pool import Pool, ProcessEnded
from app.calibration.runs.search import Tasks
from tests.calibration.test_runs import FEW, book, run
from tests.calibration.test_search import FUNDS, model, scenarios

if __name__ == "__main__":
    tasks = Tasks(model(), scenarios(), FUNDS)
    with Pool(2) as pool:
        list(pool(tasks.exact_part, [np.arange(5)] * 4))
        print("ready", flush=True)
        list(pool(tasks.exact_part, [np.arange(500)] * 10_000))
"""


def test_processes_end_with_a_parent_that_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        family = psutil.Process(parent.pid).children(recursive=True)
        assert len(family) >= 2
        os.kill(parent.pid, signal.SIGKILL)
    until(lambda: not any(_runs(one) for one in family))


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_a_whole_run_in_processes() -> None:
    made = run(book((1000.0, 1000.0), 40), FEW)
    with Pool(2) as pool:
        for one, other in zip(calibrate(made), calibrate(made, pool), strict=True):
            assert one.required_minimum == other.required_minimum
            assert one.sensitivity == other.sensitivity
            assert one.simulated.largest.tobytes() == other.simulated.largest.tobytes()
            assert one.sources.by_contract.tobytes() == other.sources.by_contract.tobytes()

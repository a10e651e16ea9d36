"""A run on a Dask cluster, of as many workers as one likes: the same bits (CAL-11)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.calibration.runs import cluster
from app.calibration.runs.cluster import Cluster
from app.calibration.runs.search import Search, Tasks
from app.calibration.tasks import calibrating
from app.jobs.working import JobFailed
from tests.calibration.test_pool import figures
from tests.calibration.test_search import FUNDS, model, scenarios
from tests.service import ROOT

SCHEDULER = """
import asyncio, sys
from distributed import LocalCluster

async def main() -> None:
    workers, = map(int, sys.argv[1:])
    async with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, asynchronous=True,
        dashboard_address=None, host="127.0.0.1",
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        await asyncio.to_thread(sys.stdin.read)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture(params=[1, 2, 3])
def scheduler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A local cluster in a process group of its own, which ends with the test."""
    program = tmp_path / "scheduler.py"
    program.write_text(SCHEDULER)
    with subprocess.Popen(
        [sys.executable, str(program), str(request.param)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_job_without_its_cluster_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    with pytest.raises(JobFailed, match="no Dask scheduler at tcp:") as found:
        calibrating.shared_out("tcp://127.0.0.1:9")
    assert found.value.failure.code == "cluster_unreachable"


def test_any_number_of_workers_gives_the_same_bits(scheduler: str) -> None:
    tasks, other = (Tasks(model(impact=one), scenarios(), FUNDS) for one in (1, 0))
    with Cluster(scheduler) as each:
        for one in (tasks, other):
            assert figures(Search(one, each)) == figures(Search(one))

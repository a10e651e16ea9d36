"""Every row of the benchmarks runs; how quick anything is, no test says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.__main__ import FAMILIES
from tests.service import ROOT


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_of_rows_runs(family: str) -> None:
    # A process of its own, as `make bench`: the peer's library does not load into every process.
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--only", family],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    rows = [line.split("|")[1:-1] for line in run.stdout.splitlines() if line.startswith("| ")]
    heading, _, *figures = rows
    assert figures
    for row in figures:
        assert len(row) == len(heading)
        assert row[0].strip()
        assert row[1].strip()

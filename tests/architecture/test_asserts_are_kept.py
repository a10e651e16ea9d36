"""No way in runs without asserts: the laws of money are made of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMAND = str(Path(sys.executable).with_name("backstop"))
"""The installed `backstop` command."""


def run(*command: str, level: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """A command's end, with `PYTHONOPTIMIZE` set to `level`."""
    environment = os.environ | {"PYTHONOPTIMIZE": level}
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("level", ["1", "2"])
@pytest.mark.parametrize("entry", [
    [COMMAND], [sys.executable, "-m", "app.cli"], [sys.executable, "-m", "benchmarks"],
], ids=["backstop", "app.cli", "benchmarks"])  # fmt: skip
def test_no_entry_point_starts_without_asserts(entry: list[str], level: str) -> None:
    """Exit code 2 and a sentence, whatever was asked; without the switch it does what was asked."""
    refused = run(*entry, "--help", level=level)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("backstop: python -O")
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert run(*entry, "--help").returncode == 0


def test_the_switch_of_the_interpreter_counts_as_well() -> None:
    """`python -O -m app.cli serve`: nothing is served."""
    refused = run(sys.executable, "-O", "-m", "app.cli", "serve")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("backstop: python -O")

"""Places for an embedded server's data, and which of its tests there are."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import reachable_directory

# An ordinary user has no other user to become: those tests would have nothing to look at.
collect_ignore = [] if os.geteuid() == 0 else ["test_embedded_under_root.py"]


@pytest.fixture
def closed() -> Iterator[Path]:
    """A data directory in a place that is closed to everybody else."""
    with tempfile.TemporaryDirectory(prefix="closed-", dir="/tmp") as parent:
        directory = Path(parent) / "data"
        yield directory
        home = directory / "postgres"
        if home.is_symlink():
            shutil.rmtree(home.readlink(), ignore_errors=True)


@pytest.fixture
def data() -> Iterator[Path]:
    """A data directory that everybody can reach."""
    with reachable_directory() as parent:
        yield parent / "data"

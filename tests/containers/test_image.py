"""What the image would contain, installed as the Dockerfile does it, without the base image."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import new_database
from tests.containers.test_agreement import commands, instruction
from tests.service import ROOT, Service


def installed(directory: Path) -> Path:
    """Install what the Dockerfile copies, with its own command, into a directory."""
    build, target = directory / "build", directory / "installed"
    build.mkdir()
    for line in instruction("COPY"):
        for source in line.split()[:-1] if not line.startswith("--from") else []:
            copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
            copy(ROOT / source, build / source)
    (command,) = (line for line in commands() if line.endswith(" ."))
    _, *arguments = shlex.split(command)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(
        [*pip, "--no-index", "--target", target],
        cwd=build, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return target


def test_what_is_installed_serves_without_the_checkout(server: str, tmp_path: Path) -> None:
    target = installed(tmp_path)
    assert (target / "app" / "cli.py").exists()
    with new_database(server) as database:
        # Nothing but the installed files is on the path before the locked packages.
        service = Service(
            tmp_path / "data", DATABASE_URL=database, PYTHONPATH=str(target), PYTHONSAFEPATH="1"
        )
        try:
            assert service.request("GET", "/leaderz").is_success
            assert service.request("GET", "/v1/contracts").json()["items"]
            assert service.request("GET", "/docs").is_success
        finally:
            service.close()
    assert not (tmp_path / "data").exists(), "with DATABASE_URL nothing is kept here"

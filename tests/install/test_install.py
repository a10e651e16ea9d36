"""`make` installs what the locks say, whatever surrounds it: in a small checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import reachable_directory
from tests.install.world import World
from tests.service import ROOT

PINNED = {"backstop": "0", "cover": "1", "tiny-backend": "1", "tool": "1"}

# Each of these would spoil or mislead an installation. The index is named in the file alone.
CONFIGURATION = """
[global]
index-url = {index}
quiet = 3
python = /nowhere/python
log = /nowhere/log
require-virtualenv = true
require-hashes = true
user = true
[install]
target = {elsewhere}
constraint = {elsewhere}/constraints.txt
no-binary = :all:
dry-run = true
"""
VARIABLES = {
    "LANG": "C", "LC_ALL": "C",
    "PIP_CONSTRAINT": "{elsewhere}/constraints.txt", "PIP_INDEX_URL": "", "PIP_NO_BINARY": ":all:",
    "PIP_PREFIX": "{elsewhere}", "PIP_PYTHON": "/nowhere/python", "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_USER": "1",
    "PYTHONHOME": "/nowhere", "PYTHONINSPECT": "1", "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "{elsewhere}", "PYTHONSAFEPATH": "1", "PYTHONWARNINGS": "error",
    "VIRTUAL_ENV": "/nowhere",
}  # fmt: skip


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """A small checkout in which two makes at once have installed everything."""
    with reachable_directory() as directory:
        world, elsewhere = World(directory), directory / "elsewhere"
        (elsewhere / "pip").mkdir(parents=True)
        (elsewhere / "pip" / "__init__.py").write_text("raise SystemExit('wrong pip')", "utf-8")
        (elsewhere / "constraints.txt").write_text("cover==2", "utf-8")
        text = CONFIGURATION.format(index=world.index.as_uri(), elsewhere=elsewhere)
        (world.home / ".config" / "pip").mkdir(parents=True)
        (world.home / ".config" / "pip" / "pip.conf").write_text(text, "utf-8")
        settings = {name: value.format(elsewhere=elsewhere) for name, value in VARIABLES.items()}
        before = os.umask(0o077)
        try:
            makes = [world.start("-j8", ".venv/.dev", **settings) for _ in range(2)]
            told = [make.communicate() for make in makes]
        finally:
            os.umask(before)
        assert [make.returncode for make in makes] == [0, 0], told
        output = "".join(output for output, _ in told)
        assert output.count("Installing") == 2, "each stage once, by whichever came first"
        yield world


def test_newer_releases_and_foreign_settings_change_nothing(world: World) -> None:
    """An old pip resolved an extra beside its pin, found the newer release and stopped."""
    assert world.installed() == PINNED
    elsewhere = world.directory / "elsewhere"
    assert sorted(path.name for path in elsewhere.iterdir()) == ["constraints.txt", "pip"]


def test_it_installs_only_when_a_lock_changed(world: World) -> None:
    assert world.make(".venv/.dev") == (0, "make: '.venv/.dev' is up to date.\n", "")
    # Another time of a file is not another content.
    (world.checkout / "requirements.lock").touch()
    assert world.make(".venv/.dev") == (0, "", "")


def test_make_notices_an_environment_that_does_not_work(world: World) -> None:
    """One that was moved, or whose Python went away with an upgrade of the system."""
    moved = World(world.directory / "moved")
    shutil.copytree(world.venv, moved.venv, symlinks=True)
    stamp = moved.venv / ".runtime"
    stamp.touch()
    assert "deploy/install.py" in moved.make("-n", ".venv/.runtime")[1]
    stamp.write_text(stamp.read_text("utf-8").replace(str(world.venv), str(moved.venv)), "utf-8")
    assert "deploy/install.py" not in moved.make("-n", ".venv/.runtime")[1]
    lose_python(moved)
    assert "deploy/install.py" in moved.make("-n", ".venv/.runtime")[1]


def lose_python(world: World) -> None:
    """What an upgrade of the system does to an environment."""
    python = world.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python")


def test_a_lock_that_does_not_fit_together_is_refused(world: World) -> None:
    # The tools of before do not go with a newer service: that is no fault of its lock.
    world.lock("requirements.lock", {"tiny-backend": "2"})
    assert world.make(".venv/.runtime")[0] == 0
    assert world.installed() == {**PINNED, "tiny-backend": "2"}

    world.lock("requirements-dev.lock", {"tiny-backend": "2", "cover": "1", "tool": "2"})
    code, output, errors = world.make(".venv/.dev")
    assert code == 2
    assert "requirements-dev.lock does not fit together" in errors
    assert "tool 2 has requirement cover[toml]>=2" in errors
    assert "Traceback" not in output + errors
    assert not (world.venv / ".dev").exists()

    # What was left half done is made again from the beginning, whatever became of its Python.
    world.lock("requirements-dev.lock", {"tiny-backend": "2", "cover": "2", "tool": "2"})
    (world.venv / "half").touch()
    lose_python(world)
    assert world.make(".venv/.dev")[0] == 0
    assert not (world.venv / "half").exists()
    assert world.installed() == {"backstop": "0", "cover": "2", "tiny-backend": "2", "tool": "2"}


# Imports first: a user who may write nothing here may not read this Python's library either.
AS_ANOTHER_USER = """
import os, sys
sys.path.insert(0, "deploy")
import install
if os.geteuid() == 0:
    os.seteuid(65534)
sys.exit(install.main(".venv", "runtime"))
"""


def test_a_checkout_of_another_user_is_explained(reachable: Path) -> None:
    checkout = World(reachable).checkout
    checkout.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", AS_ANOTHER_USER],
        cwd=checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    checkout.chmod(0o755)
    assert done.returncode == 1
    assert f"{checkout} belongs to {checkout.owner()}." in done.stderr
    assert "copy of your own" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_name_no_place(name: str) -> None:
    """Names, versions, hashes: where packages come from is the user's configuration."""
    text = (ROOT / name).read_text("utf-8")
    assert "==" in text
    for place in ("//", "index-url", "find-links"):
        assert place not in text

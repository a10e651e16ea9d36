"""A checkout in small, and an index of small packages: `make` installs in seconds."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from tests.service import ROOT

BACKEND = """
import pathlib, zipfile

def build_editable(directory, config_settings=None, metadata_directory=None):
    name, info = "backstop-0-py3-none-any.whl", "backstop-0.dist-info/"
    with zipfile.ZipFile(pathlib.Path(directory, name), "w") as wheel:
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: backstop\\nVersion: 0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""
"""Builds Backstop as setuptools does for the real one; it is installed from the lock too."""

PYPROJECT = """
[build-system]
requires = ["tiny-backend"]
build-backend = "tiny_backend"

[project]
name = "backstop"
version = "0"
"""


class World:
    """A directory with a checkout, an index and a home.

    The index offers releases 1 and 2 of each package. `cover` is asked for with an extra by `tool`
    alone and is pinned without it, as coverage is by pytest-cov and our lock.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.checkout = directory / "it's a checkout"
        self.index = directory / "index"
        self.home = directory / "home"
        self.venv = self.checkout / ".venv"
        self._hashes: dict[tuple[str, str], str] = {}
        for release in ("1", "2"):
            self._publish("tiny-backend", release, source=BACKEND)
            self._publish("cover", release, "Provides-Extra: toml")
            self._publish(
                "tool", release,
                f"Requires-Dist: cover[toml]>={release}", f"Requires-Dist: tiny-backend<={release}",
            )  # fmt: skip
        self.home.mkdir()
        (self.checkout / "deploy").mkdir(parents=True)
        for name in ("Makefile", "deploy/install.py"):
            shutil.copy(ROOT / name, self.checkout / name)
        (self.checkout / "pyproject.toml").write_text(PYPROJECT, "utf-8")
        self.lock("requirements.lock", {"tiny-backend": "1"})
        self.lock("requirements-dev.lock", {"tiny-backend": "1", "cover": "1", "tool": "1"})

    def _publish(self, name: str, release: str, *headers: str, source: str = "") -> None:
        module = name.replace("-", "_")
        info, page = f"{module}-{release}.dist-info", self.index / name / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        path = page.with_name(f"{module}-{release}-py3-none-any.whl")
        metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {release}", *headers, ""]
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr(f"{module}.py", source)
            wheel.writestr(f"{info}/METADATA", "\n".join(metadata))
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", f"{module}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
        with page.open("a", encoding="utf-8") as file:
            file.write(f'<a href="{path.name}">{path.name}</a>\n')
        self._hashes[name, release] = hashlib.sha256(path.read_bytes()).hexdigest()

    def lock(self, name: str, pins: Mapping[str, str]) -> None:
        """Write a lock file."""
        lines = [
            f"{package}=={release} \\\n    --hash=sha256:{self._hashes[package, release]}\n"
            for package, release in pins.items()
        ]
        (self.checkout / name).write_text("".join(lines), "utf-8")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start make in the checkout, with the index as the only one."""
        given = {"HOME": str(self.home), "PIP_INDEX_URL": self.index.as_uri()}
        return subprocess.Popen(
            ["make", "--no-print-directory", *arguments],
            cwd=self.checkout,
            env={"PATH": os.environ["PATH"], **given, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def make(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        """Run make in the checkout: exit code, output, errors."""
        process = self.start(*arguments, **variables)
        output, errors = process.communicate()
        return process.returncode, output, errors

    def installed(self) -> dict[str, str]:
        """What is in the environment, but for pip and what came with it."""
        asked = (
            "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
        )
        done = subprocess.run(
            [self.venv / "bin" / "python", "-I", "-c", asked],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found = dict(line.split() for line in done.stdout.splitlines())
        return {name: found[name] for name in sorted(found) if name not in ("pip", "setuptools")}

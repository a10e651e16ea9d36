"""The files that make and run the containers, checked by the tools that read them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service import ROOT

TOOLS = Path(sys.executable).parent
CHECKS: dict[str, list[str | Path]] = {
    "hadolint": [TOOLS / "hadolint", "Dockerfile"],
    "compose-spec": [
        *(TOOLS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
        "docker-compose.yml",
    ],
}
if haproxy := shutil.which("haproxy"):
    CHECKS["haproxy"] = [haproxy, "-c", "-f", "deploy/haproxy.cfg"]


@pytest.mark.parametrize("name", CHECKS)
def test_a_file_is_valid(name: str) -> None:
    done = subprocess.run(CHECKS[name], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

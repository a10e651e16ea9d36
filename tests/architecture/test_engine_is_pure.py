"""The engine is a pure core: standard library only, no floats, clock, chance or I/O (NUM-1)."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = sorted((ROOT / "app" / "engine").glob("**/*.py"))
IMPURE = {"asyncio", "io", "logging", "os", "pathlib", "random", "secrets", "socket", "subprocess",
          "threading", "time", "uuid"}  # fmt: skip
CLOCKS = {"now", "today", "utcnow"}
"""Methods of datetime and date that read a clock."""

modules = pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules a source imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module


def parsed(path: Path) -> ast.Module:
    """The syntax tree of a source."""
    return ast.parse(path.read_text("utf-8"), str(path))


@modules
def test_imports_only_itself_and_the_pure_standard_library(path: Path) -> None:
    """No third party, nothing of the layers above, nothing that touches the world."""
    for name in imported(parsed(path)):
        top = name.split(".")[0]
        own = name == "app.engine" or name.startswith("app.engine.")
        assert own or top in sys.stdlib_module_names, f"{name} is neither the engine's nor standard"
        assert top not in IMPURE, f"{name} is not pure"


@modules
def test_has_no_floats(path: Path) -> None:
    """NUM-1: neither float literals nor float()."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant):
            assert not isinstance(node.value, float), f"line {node.lineno}: {node.value}"
        if isinstance(node, ast.Name):
            assert node.id != "float", f"line {node.lineno}: float"


@modules
def test_reads_no_clock(path: Path) -> None:
    """Time comes with each command."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            clock = isinstance(owner, ast.Name) and owner.id in ("datetime", "date")
            assert not (clock and node.func.attr in CLOCKS), f"line {node.lineno}"


def test_there_is_an_engine() -> None:
    """The tests above look at something."""
    assert len(ENGINE) > 10

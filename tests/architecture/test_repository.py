"""What holds for the whole repository: files stay readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400
LONGEST_FUNCTION = 50
SOURCES = sorted(
    path for folder in ("app", "benchmarks", "deploy", "migrations", "tests")
    for path in (ROOT / folder).glob("**/*.py")
)  # fmt: skip


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_not_too_long(path: Path) -> None:
    """A file beyond this holds a second concept."""
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_are_not_too_long(path: Path) -> None:
    """A function fits on a screen."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            assert lines <= LONGEST_FUNCTION, f"{node.name} has {lines} lines"

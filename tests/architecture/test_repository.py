"""What holds for the whole repository: rules are cited by tests, files stay readable."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400
LONGEST_FUNCTION = 50
SOURCES = sorted(
    path for folder in ("app", "benchmarks", "deploy", "migrations", "tests")
    for path in (ROOT / folder).glob("**/*.py")
)  # fmt: skip
RULE = re.compile(r"\b[A-Z]{3}-\d+\b")


def rules() -> list[str]:
    """The rules that are built: those the engine's README says the code of, in its first column."""
    table = (ROOT / "app" / "engine" / "README.md").read_text("utf-8").splitlines()
    named: list[str] = []
    for line in table:
        cell = line.split("|")[1] if line.startswith("| ") else ""
        for family, first, last in re.findall(r"\b([A-Z]{3})-(\d+)(?:\.\.(\d+))?\b", cell):
            named += [f"{family}-{n}" for n in range(int(first), int(last or first) + 1)]
    return named


def citations() -> set[str]:
    """Every rule that a test cites: in its name, its docstring or a scenario's heading.

    A module that speaks of a rule, or a helper that does, is no test of it.
    """
    found: set[str] = set()
    for path in (ROOT / "tests").glob("**/*.txt"):
        headings = [line for line in path.read_text("utf-8").splitlines() if line[:3] == "== "]
        found.update(RULE.findall("\n".join(headings)))
    for path in (ROOT / "tests").glob("**/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                named = node.name.removeprefix("test_").upper().replace("_", "-")
                found.update(RULE.findall(f"{named}\n{ast.get_docstring(node) or ''}"))
    return found


BUILT, CITED = rules(), citations()


def test_the_rules_are_found() -> None:
    """The table is read: its ranges, its lists, every family."""
    assert {"CON-3", "NUM-3", "FND-13", "HIS-1"} <= set(BUILT)
    assert {rule[:3] for rule in BUILT} == {"NUM", "CON", "ORD", "MRK", "LIQ", "FND", "ADL", "HIS"}
    assert len(BUILT) == len(set(BUILT)), "a rule stands in the table twice"


@pytest.mark.parametrize("rule", BUILT)
def test_every_rule_is_cited_by_a_test(rule: str) -> None:
    """A rule without a test is a promise without a check."""
    assert rule in CITED


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

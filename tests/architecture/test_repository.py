"""What holds for the whole repository: rules are cited by tests, files stay readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400
SOURCES = sorted(
    path for folder in ("app", "benchmarks", "migrations", "tests")
    for path in (ROOT / folder).glob("**/*.py")
)  # fmt: skip
RULES = {
    "NUM": (1, 2, 3, 4),
    "CON": (1, 2, 3, 4, 5),
    "ORD": (1, 2, 3, 4, 5, 6, 7, 8, 9),
    "MRK": (1, 2, 4),
    "LIQ": (1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    "FND": (1, 2, 4, 6, 7, 9, 10, 11, 13),
    "ADL": (1, 2, 3, 4),
    "HIS": (1, 2, 4),
}
"""The rules that are built; each must be cited by a test."""


def citations() -> set[str]:
    """Every rule that a test or a scenario names, other than this list."""
    found: set[str] = set()
    for path in (ROOT / "tests").glob("**/*"):
        if path.suffix in (".py", ".txt") and path != Path(__file__):
            found.update(re.findall(r"\b[A-Z]{3}-\d+\b", path.read_text("utf-8")))
    return found


CITED = citations()


@pytest.mark.parametrize("rule", [f"{family}-{n}" for family, ns in RULES.items() for n in ns])
def test_every_rule_is_cited_by_a_test(rule: str) -> None:
    """A rule without a test is a promise without a check."""
    assert rule in CITED


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_not_too_long(path: Path) -> None:
    """A file beyond this holds a second concept."""
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= LONGEST, f"{lines} lines"

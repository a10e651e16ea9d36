"""The rules' page against the repository: what is built is tested, what is cited is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("app", "benchmarks", "deploy", "migrations", "tests")
SUFFIXES = {"", ".cfg", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}
TEXTS = sorted(
    path
    for path in [
        *ROOT.glob("*.md"), *(ROOT / ".ci").glob("*"), ROOT / "Makefile", ROOT / "Dockerfile",
        ROOT / "pyproject.toml", ROOT / "docker-compose.yml", ROOT / ".pre-commit-config.yaml",
        *(path for folder in FOLDERS for path in (ROOT / folder).glob("**/*")),
    ]
    if path.suffix in SUFFIXES and path.is_file() and path != Path(__file__)
)  # fmt: skip
RULE = re.compile(r"\b[A-Z]{3}-[1-9]\d*\b")
RANGE = re.compile(r"\b([A-Z]{3})-(\d+)\.\.(\d+)\b")
NOT_RULES = {"SHA-256", "UTF-8"}
SECTION = re.compile(r"^### ([A-Z]{3}-\d+) (.+)$")
STATUS = re.compile(r"^Status: (built|partly|planned)([.;].*?)\s+Source:\s+(.+)\.$", re.DOTALL)
PAGE = re.compile(r"[\w./-]*\w\.md\b")
UNNAMED = re.compile(r"\b(?:DESIGN|REVIEW|CALIBRATION)\b|\bissue \d")
NOT_THE_ENGINES = {"CAL", "SIG", "REC"}
"""Families whose rules need not stand in the table of the engine's README."""


class Rule(NamedTuple):
    """A rule's section: its title, whether it is `built`, `partly` or `planned`, and the rest."""

    title: str
    status: str
    note: str
    source: str
    text: str


def rules() -> dict[str, Rule]:
    """What RULES.md says, by rule; a section without status and source is no rule."""
    found: dict[str, Rule] = {}
    page = re.sub(r"^## .*$", "", (ROOT / "RULES.md").read_text("utf-8"), flags=re.MULTILINE)
    for section in re.split(r"^(?=### )", page, flags=re.MULTILINE)[1:]:
        heading, _, rest = section.partition("\n")
        text, _, last = rest.strip().rpartition("\n\n")
        title, ends = SECTION.match(heading), STATUS.match(last)
        assert title, heading
        assert ends, f"{heading}: no status and source, but {last!r}"
        assert title[1] not in found, f"{title[1]} stands there twice"
        found[title[1]] = Rule(title[2], ends[1], ends[2], ends[3], text)
    return found


def named(text: str) -> list[str]:
    """The rules that a text names, ranges (`CON-1..4`) in full."""
    found = [rule for rule in RULE.findall(text) if rule not in NOT_RULES]
    for family, first, last in RANGE.findall(text):
        found += [f"{family}-{number}" for number in range(int(first) + 1, int(last) + 1)]
    return found


def tabled() -> list[str]:
    """The rules that the engine's README says the code of, in its table's first column."""
    lines = (ROOT / "app" / "engine" / "README.md").read_text("utf-8").splitlines()
    return [
        rule for line in lines if line.startswith("| ") for rule in named(line.split("|")[1])
    ]  # fmt: skip


def citations() -> set[str]:
    """Every rule that a test cites: in its name, its docstring or a scenario's heading.

    A module that speaks of a rule, or a helper that does, is no test of it.
    """
    found: set[str] = set()
    for path in (ROOT / "tests").glob("**/*.txt"):
        headings = [line for line in path.read_text("utf-8").splitlines() if line[:3] == "== "]
        found.update(named("\n".join(headings)))
    for path in (ROOT / "tests").glob("**/test_*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if node.name.startswith("test_"):
                name = node.name.removeprefix("test_").upper().replace("_", "-")
                found.update(named(f"{name}\n{ast.get_docstring(node) or ''}"))
    return found


RULES, CITED = rules(), citations()
BUILT = [name for name, rule in RULES.items() if rule.status != "planned"]


def test_the_page_is_read() -> None:
    """Every family is there, in full and in order: numbers are for ever, none is left out."""
    families = list(dict.fromkeys(name[:3] for name in RULES))
    assert families == [
        "NUM", "CON", "ORD", "MRK", "TRG", "LIQ", "FND", "ADL", "FPY", "DLV", "CAL", "HIS", "SIG",
        "REC",
    ]  # fmt: skip
    for family in families:
        numbers = [int(name[4:]) for name in RULES if name[:3] == family]
        assert numbers == list(range(1, len(numbers) + 1)), family


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_it_is(name: str) -> None:
    """It has a statement and a source; one that is built in part says what is missing."""
    rule = RULES[name]
    assert rule.text, name
    assert rule.source, name
    assert (rule.status == "partly") == rule.note.startswith("; missing: "), rule.note
    assert rule.status == "partly" or rule.note == ".", rule.note


@pytest.mark.parametrize("name", BUILT)
def test_every_rule_is_cited_by_a_test(name: str) -> None:
    """A rule without a test is a promise without a check."""
    assert name in CITED


def test_the_engine_says_where_its_rules_are() -> None:
    """What is built stands in the engine's table once, what isn't does not."""
    table = tabled()
    assert len(table) == len(set(table)), "a rule stands in the table twice"
    assert set(table) <= set(BUILT)
    assert {name for name in BUILT if name[:3] not in NOT_THE_ENGINES} <= set(table)


def faults(path: Path, text: str) -> list[str]:
    """What a text cites and the repository does not have: rules, pages, papers without a page."""
    pages = {page for page in PAGE.findall(text) if "://" not in page}
    missing = [p for p in pages if not (path.parent / p).exists() and not (ROOT / p).exists()]
    return [*sorted(set(named(text)) - RULES.keys()), *sorted(missing), *UNNAMED.findall(text)]


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_cited_is_there(path: Path) -> None:
    """Who reads a citation must be able to follow it with nothing but the repository."""
    assert faults(path, path.read_text("utf-8")) == []


def test_a_citation_that_leads_nowhere_is_found() -> None:
    """The check above can fail: by a rule, a range, a page, a paper that are not there."""
    for text, fault in {
        "as NUM-99 says": "NUM-99", "REC-4..6": "REC-6", "RCE-4": "RCE-4", "see API.md": "API.md",
        "docs/DESIGN.md": "docs/DESIGN.md", "goals of DESIGN": "DESIGN", "(issue 2)": "issue 2",
    }.items():  # fmt: skip
        assert fault in faults(ROOT / "app" / "main.py", text), text
    good = "NUM-5 and CON-1..4 of RULES.md, ADL-002 elsewhere, SHA-256"
    assert faults(ROOT / "app" / "main.py", good) == []

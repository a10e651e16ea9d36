"""The codes that are answered are the ones that are listed, and published as they are listed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.api.faults import Fault, all_codes, table
from app.engine.rejections import Code

ROOT = Path(__file__).parents[2]
LISTS = {"app/engine/rejections.py": "Code", "app/api/faults.py": "Fault"}
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
    for path in sorted((ROOT / "app").glob("**/*.py"))
}


def named(tree: ast.AST, kind: str) -> set[str]:
    """The members of a list that a source names."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == kind
    }


@pytest.mark.parametrize("listed", [Code, Fault])
def test_what_is_listed_is_answered(listed: type[Code | Fault]) -> None:
    """A code that nothing names any more goes."""
    used = set[str]().union(*(named(tree, listed.__name__) for tree in SOURCES.values()))
    assert {code.name for code in listed} <= used


@pytest.mark.parametrize("path", [path for path in SOURCES if path not in LISTS])
def test_what_is_answered_is_listed(path: str) -> None:
    """A refusal is made of a listed code (`Rejected`, `Rejection.of`, `Problem`: typed so), not of
    a bare string."""
    for node in ast.walk(SOURCES[path]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "Rejection", f"line {node.lineno}: Rejection.of takes a Code"


def test_the_lists_do_not_overlap() -> None:
    names = [code.name for code in all_codes()]
    assert len(names) == len(set(names))


def test_the_readme_has_the_list() -> None:
    """As `faults.table` writes it."""
    assert f"\n\n{table()}\n\n" in (ROOT / "README.md").read_text("utf-8")

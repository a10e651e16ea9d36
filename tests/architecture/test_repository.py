"""What holds for the whole repository: files stay readable."""

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


FOLDED = "# fmt: " + "skip"


def is_table(node: ast.stmt) -> bool:
    """Whether it names a table of literals, as a module has them at its top."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
        return False
    table: ast.expr = node.value
    match table:
        case ast.Call(func=ast.Name("frozenset"), args=[inner]):
            table = inner
        case ast.Subscript(value=ast.Name("Literal"), slice=inner):
            table = inner
    parts = ast.walk(table)
    kinds = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Constant, ast.Name, ast.expr_context)
    return all(isinstance(part, kinds) for part in parts)


def folded(source: str) -> list[int]:
    """The lines that ruff is told to leave alone, but for those that end a table of literals."""
    tables = {node.end_lineno for node in ast.parse(source).body if is_table(node)}
    lines = enumerate(source.splitlines(), start=1)
    return [n for n, line in lines if FOLDED in line and n not in tables]


def test_only_tables_are_laid_out_by_hand() -> None:
    """A call that looks better folded has too many values without a name, or is two."""
    found = [
        f"{path.relative_to(ROOT)}:{n}"
        for path in SOURCES
        if path.is_relative_to(ROOT / "app")
        for n in folded(path.read_text("utf-8"))
    ]
    assert found == []


def test_tables_are_told_from_calls() -> None:
    lines = [
        f"A = (1, 'b', 'c')  {FOLDED}",
        f"B = Literal[A, 'd']  {FOLDED}",
        f"C = call(1, 2)  {FOLDED}",
        f"call(1, 2)  {FOLDED}",
        f"E = (1, call(2))  {FOLDED}",
    ]
    assert folded("\n".join(lines)) == [3, 4, 5]


def declared(tree: ast.Module) -> set[str]:
    """The public classes and aliases of types at a module's top, but not its type variables."""
    names = set()
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=[ast.Name(name)], value=value):
                if not (isinstance(value, ast.Call) and ast.unparse(value.func) == "TypeVar"):
                    names.add(name)
    return {name for name in names if re.fullmatch(r"[A-Z][A-Za-z0-9]*_?", name) and len(name) > 1}


def test_no_two_types_have_one_name() -> None:
    """One word, one thing: no import says `as` to tell two of ours apart."""
    where: dict[str, list[str]] = {}
    for path in SOURCES:
        if path.is_relative_to(ROOT / "app"):
            for name in declared(ast.parse(path.read_text("utf-8"))):
                where.setdefault(name, []).append(str(path.relative_to(ROOT)))
    twice = {name: paths for name, paths in where.items() if len(paths) > 1 and not name.isupper()}
    assert twice == {}

"""The engine imports the standard library and itself, nothing else.

The import contracts name what the engine must not import; this closes the list for what they
cannot name, a package that nobody has thought of yet.
"""

import ast
import sys
from pathlib import Path

import pytest

ENGINE = Path(__file__).parents[2] / "app" / "engine"


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module if node.module and not node.level else "app.engine")
    return names


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=path.stem) for path in sorted(ENGINE.rglob("*.py"))]
)
def test_an_engine_module_imports_nothing_foreign(path: Path) -> None:
    foreign = {
        name
        for name in imported(path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name.split(".")[:2] != ["app", "engine"]
    }
    assert not foreign

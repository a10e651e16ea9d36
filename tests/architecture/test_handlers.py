"""What handlers declare is what their code does: every command, and every refusal it can end in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from app.engine.commands import Command, CommandOf
from app.engine.commands.orders import PlaceOrder
from app.engine.engine import Engine
from app.engine.rejections import Code

ENGINE = Path(__file__).parents[2] / "app" / "engine"
PACKAGES = {
    "app.engine",
    *(f"app.engine.{path.parent.name}" for path in ENGINE.glob("*/__init__.py")),
}
Place = tuple[str, str]
"""A module of the engine and what it defines."""


def dotted(path: Path) -> str:
    """The name that a module is imported by."""
    return ".".join(("app", "engine", *path.relative_to(ENGINE).with_suffix("").parts))


class Module:
    """What an engine's module defines, and what its names stand for."""

    def __init__(self, path: Path) -> None:
        tree = ast.parse(path.read_text("utf-8"))
        kinds = (ast.FunctionDef, ast.ClassDef)
        self.defined = {node.name: node for node in tree.body if isinstance(node, kinds)}
        self.modules: dict[str, str] = {}
        self.names: dict[str, Place] = {name: (dotted(path), name) for name in self.defined}
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom):
                continue
            module, names = node.module or "", [alias.name for alias in node.names]
            if module in PACKAGES:
                self.modules.update({name: f"{module}.{name}" for name in names})
            self.names.update({name: (module, name) for name in names})

    def named_in(self, name: str) -> Iterator[tuple[Place | None, str]]:
        """What a definition's body names: places of the engine, and codes."""
        for node in (n for part in self.defined[name].body for n in ast.walk(part)):
            if isinstance(node, ast.Name) and node.id in self.names:
                yield self.names[node.id], ""
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id == "Code":
                    yield None, node.attr
                elif node.value.id in self.modules:
                    yield (self.modules[node.value.id], node.attr), ""


MODULES = {
    dotted(path): Module(path) for path in ENGINE.rglob("*.py") if path.parent.name != "commands"
}


def refusals_from(start: Place) -> set[str]:
    """The codes that a definition or whatever it comes to names."""
    codes, seen, left = set[str](), {start}, [start]
    while left:
        module, name = left.pop()
        if module not in MODULES or name not in MODULES[module].defined:  # words and commands
            continue
        for place, code in MODULES[module].named_in(name):
            if place is None:
                codes.add(code)
            elif place not in seen:
                seen.add(place)
                left.append(place)
    return codes


@pytest.mark.parametrize("kind", Engine.handlers, ids=lambda kind: str(kind.__name__))
def test_a_handler_declares_what_it_refuses(kind: type[Command]) -> None:
    """Neither more nor less than its code can come to (ORD-7)."""
    handler = Engine.handlers[kind]
    declared = [code.name for code in handler.refusals]
    assert len(declared) == len(set(declared))
    assert set(declared) == refusals_from((handler.run.__module__, handler.run.__name__))


def test_every_command_has_a_handler() -> None:
    """A dataclass that is a command, and nothing else."""
    files = (ENGINE / "commands").glob("*.py")
    modules = [import_module(f"app.engine.commands.{file.stem}") for file in files]
    kinds = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, CommandOf) and kind is not CommandOf
    }
    assert set(Engine.handlers) == kinds


def test_orders_are_listed_first_as_they_are_asked() -> None:
    """The list reads like the questions that an order is asked."""
    asked = Engine.handlers[PlaceOrder].refusals
    assert list(Code)[: len(asked)] == list(asked)

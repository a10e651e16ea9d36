"""Records, what is kept and what readers are told are made by the names of their fields: two that
stand side by side cannot change places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import get_args, get_type_hints

from app.engine.commands.orders import PlaceOrder
from app.engine.events import Deleveraged
from app.engine.figures.margin import PositionSummary, WalletSummary
from app.engine.handlers.preview import Preview
from app.engine.outcome import Kept, Record
from app.engine.results import Fill, OrderReceipt
from app.store.tables.log import CommandRow, StoredAnswer

APP = Path(__file__).parents[2] / "app"
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *get_args(Record), *get_args(Kept), Deleveraged, Fill, OrderReceipt, CommandRow,
        StoredAnswer, PlaceOrder, Preview, PositionSummary, WalletSummary,
    )
}  # fmt: skip
MOST = 4
"""What tells one from another, a name and a side perhaps, may stand in its place."""
MOST_OF_ANY = 6
"""Of what is no record."""


def misplaced(tree: ast.AST) -> Iterator[ast.Call]:
    """Where one is made with a decimal, or with many values, that only their places tell apart.

    `Order(*row)` may: the store asks for a row in the order of the fields.
    """
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name not in KINDS or all(isinstance(value, ast.Starred) for value in node.args):
            continue
        hints = list(get_type_hints(KINDS[name]).values())[: len(node.args)]
        if len(node.args) > MOST or Decimal in hints or Decimal | None in hints:
            yield node


def test_fields_are_named() -> None:
    found = [
        f"{path.relative_to(APP)}:{call.lineno}"
        for path in sorted(APP.rglob("*.py"))
        for call in misplaced(ast.parse(path.read_text()))
    ]
    assert found == []


def test_no_value_is_the_seventh() -> None:
    """PLR0917 asks the same of functions; the constructors that a class is given, it cannot see."""
    trees = {path: ast.parse(path.read_text()) for path in sorted(APP.rglob("*.py"))}
    ours = {
        node.name
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    found = [
        f"{path.relative_to(APP)}:{node.lineno}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) in ours
        and len(node.args) > MOST_OF_ANY
    ]
    assert found == []


def test_places_are_found() -> None:
    """The rule itself bites, and lets pass what may."""
    lines = [
        "e.Trade(1, now, 'S', price)",
        "Alert(1, now, kind, fund, asset, detail)",
        "Mark('S', price)",
        "Order(*row)",
        "Fill(1, price=p)",
        "other(1, 2, 3, 4, 5)",
        "Position(account_id, symbol, side, scope, cost=c)",
    ]
    assert [call.lineno for call in misplaced(ast.parse("\n".join(lines)))] == [1, 2, 3]

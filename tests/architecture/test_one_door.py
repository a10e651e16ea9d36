"""Kept state is written through a `Step` alone: who else writes into the state is named here.

Types are not known to a syntax tree, names are. So every store into something named like a field of
the state counts, but for objects that are certainly no part of the state: an object's own `self`,
variables annotated with a class of another file or made of one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGINE = ROOT / "app" / "engine"
DOOR = {
    "engine/ledger.py", "engine/memory.py", "engine/register.py", "engine/step.py",
    "store/holds.py", "store/interest.py", "store/loader.py", "store/memory.py", "store/prices.py",
    "store/rowsource.py", "store/untriggered.py", "store/verdicts.py",
}  # fmt: skip
"""A `Step`, the parts of it that move money and remember it, and what makes a state from rows."""

DERIVED: dict[str, tuple[str, set[str]]] = {
    "engine/cascades/cascade.py": (
        "what is under way or waits for a tick: a start begins it again (`Recover`)",
        {
            "cascades", "held", "unswept", "unchecked", "unarmed", "changed", "finding",
            "waiting", "queue", "next_round", "case", "awaits",
        },
    ),
    "engine/liquidation/looking.py": (
        "who waits in a cascade, or for a tick",
        {"cascades", "held", "found", "unarmed", "waiting", "queue", "next_round"},
    ),
    "engine/liquidation/sinking.py": ("whose inventory a cascade has to close", {"sunk"}),
    "engine/cascades/payments.py": (
        "what a cascade has to settle: a start begins it again (`Recover`)", {"funded", "unpaid"},
    ),
    "engine/trading/firing.py": ("which fired orders wait for their turn", {"to_place"}),
    "engine/cascades/placing.py": (
        "which fired orders wait for their turn, and which contracts' marks fire more",
        {"to_place", "watched"},
    ),
    "engine/cascades/groups.py": ("which contracts' marks fire more", {"watched"}),
    "engine/figures/watching.py": (
        "which orders wait for which price, sorted", {"watches", "followed", "waiting"},
    ),
    "engine/cascades/closings.py": (
        "what a cascade has to close: a start begins it again (`Recover`)",
        {"delivered", "uncanceled", "unclosed"},
    ),
    "engine/handlers/funding.py": ("when which funding is due, sorted", {"schedule"}),
    "engine/handlers/delivery.py": ("when which delivery is due, sorted", {"deliveries"}),
    "engine/handlers/offload.py": ("when what is offloaded, sorted", {"offloads"}),
    "engine/handlers/calibrations.py": ("who is reminded of a review when", {"reminders"}),
    "engine/handlers/warnings.py": ("when funds are looked at next", {"watch_at"}),
    "engine/trading/breakers.py": ("what was paid in a cascade's events", {"paid"}),
    "engine/engine.py": ("bounds are the release's, not the state's", {"bounds"}),
    "engine/trading/deficits.py": ("which contracts made what a cascade's scopes owe", {"causes"}),
    "engine/trading/funds.py": ("which funds fell below a minimum within a cascade", {"short"}),
    "engine/liquidation/waterfall.py": (
        "where a case of the cascade has come to", {"stage", "todo", "canceled"},
    ),
    "engine/liquidation/deleveraging.py": ("what a case of the cascade waits for", {"awaits"}),
    "engine/liquidation/work.py": ("whose events; what was bankrupt", {"events", "lost"}),
    "engine/figures/orderbook.py": (
        "the book is its open orders, sorted; what a position's are worth is their sum",
        {"prices", "levels", "bid_value", "ask_value", "bid_quantity", "ask_quantity"},
    ),
    "engine/figures/ranking.py": (
        "ADL queues are made from positions and marks",
        {
            "rankings", "ranked", "unranked", "blocks", "places", "shown", "rooms", "large",
            "made_at", "pinned", "version", "entries", "room", "size",
        },
    ),
    "engine/figures/exposure.py": (
        "figures of a position at its mark, worked out once",
        {"value", "margin", "valued", "free", "weighed"},
    ),
    "engine/figures/margin.py": (
        "what open incidents leave alone: each leader says it anew (`Recover`)",
        {"incidents", "aside", "careful", "stalled"},
    ),
    "engine/figures/triggers.py": (
        "trigger prices follow from positions and marks",
        {"base", "armed", "trigger_version", "number", "longs", "shorts", "watched"},
    ),
}  # fmt: skip
"""What may be written past the door, by file: why, and which fields. None of it is a row's."""

STORED = {
    "Account", "ApiKey", "ContractSettings", "Counters", "Delivery", "Fund", "Funding", "Inventory",
    "Mark", "FundMemory", "MidSample", "Minute", "Order", "SourcePrice", "TriggeredOrder", "Group",
    "HeldProfit", "Payout", "Verdict", "Wallet",
}  # fmt: skip
"""Classes of which every field is kept."""
KEPT = {
    "Market": {
        "contract", "clearing", "mark", "positions", "long_count", "quantity_total", "cost_total",
        "open_interest", "funding", "last_price", "agreed_price", "sources", "mids", "silent_at",
        "delivery",
    },
    "Position": {
        "account_id", "symbol", "side", "scope", "quantity", "cost", "wallet", "orders",
        "reducing",
    },
    "Trail": {"trail_id", "symbol", "side", "trigger_by", "best", "orders"},
    "State": {
        "limits", "counters", "markets", "funds", "accounts", "wallets", "orders", "keys",
        "key_ids", "countdowns", "silences", "owners", "payouts", "profits",
        "untriggered", "untriggered_of", "trails", "groups", "grouped", "verdicts",
        "time", "ahead",
    },
}  # fmt: skip
"""What is kept in those that hold something derived as well."""

NONE = frozenset[str]()
MUTATORS = {
    "add", "append", "clear", "difference_update", "discard", "extend", "insert",
    "intersection_update", "move_to_end", "pop", "popitem", "remove", "reverse", "setdefault",
    "sort", "symmetric_difference_update", "update", "__delitem__", "__setitem__",
}  # fmt: skip
FUNCTIONS = {
    "heapify", "heappop", "heappush", "heappushpop", "heapreplace", "insort", "insort_left",
    "insort_right",
}  # fmt: skip
"""Functions of the standard library that change their first argument."""


def declared() -> dict[str, dict[str, bool]]:
    """The classes of the state with their fields: whether each is a container."""
    return {
        node.name: {
            line.target.id: ast.unparse(line.annotation).startswith(("dict[", "list[", "set["))
            for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
        }
        for name in ("marks.py", "markets.py", "memory.py", "queues.py", "state.py", "traders.py")
        for node in ast.parse((ENGINE / name).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef)
    }


CLASSES = declared()
FIELDS: dict[str, bool] = {}
for own in CLASSES.values():
    for name, container in own.items():
        FIELDS[name] = FIELDS.get(name, False) or container


class Writes(ast.NodeVisitor):
    """The fields of the state that a source writes, with their lines."""

    def __init__(self) -> None:
        self.found: list[tuple[str, int]] = []
        self.strangers: set[str] = set()
        """Variables of the function that are certainly not of the state."""
        self.aliases: dict[str, frozenset[str]] = {}
        """Variables of the function that may be containers of the state, and of which fields."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """A function has names of its own, and sees those around it."""
        before = self.strangers, self.aliases
        self.strangers, self.aliases = set(self.strangers), dict(self.aliases)
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        for argument in arguments:
            self._annotated(argument.arg, argument.annotation)
        for inner in ast.walk(node):
            self._named(inner)
        self.generic_visit(node)
        self.strangers, self.aliases = before

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """What a class of another file than `state.py` keeps in `self` is its own."""
        before, self.strangers = self.strangers, self.strangers | {"self"}
        self.generic_visit(node)
        self.strangers = before

    def _annotated(self, name: str, annotation: ast.expr | None) -> None:
        if isinstance(annotation, ast.Name) and annotation.id not in CLASSES:
            self.strangers.add(name)

    def _named(self, node: ast.AST) -> None:
        """Which name an assignment, a loop or a walrus gives to a container of the state."""
        for target, value in _given(node):
            if isinstance(target, ast.Name):
                before = self.aliases.get(target.id, NONE)
                self.aliases[target.id] = before | self._containers(value)
                if _makes_a_stranger(value):
                    self.strangers.add(target.id)

    def _containers(self, node: ast.expr) -> frozenset[str]:
        """The fields whose container an expression may be, or be a part of."""
        match node:
            case ast.Name():
                return self.aliases.get(node.id, NONE)
            case ast.Attribute():
                known = FIELDS.get(node.attr, False) and not self._foreign(node.value)
                return frozenset({node.attr}) if known else NONE
            case ast.Subscript():
                return self._containers(node.value)
            case ast.Call(func=ast.Attribute(value=called, attr=("get" | "items" | "values"))):
                return self._containers(called)  # book.levels.get(price)
            case ast.Call(func=ast.Attribute(value=called, attr="setdefault")):
                return self._containers(called)
            case ast.IfExp():
                return self._containers(node.body) | self._containers(node.orelse)
            case ast.BoolOp():
                return NONE.union(*map(self._containers, node.values))
            case ast.Tuple() | ast.List():
                return NONE.union(*map(self._containers, node.elts))
        return NONE

    def _foreign(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.strangers

    def _store(self, target: ast.expr) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self._store(part)
        elif isinstance(target, ast.Starred):
            self._store(target.value)
        elif isinstance(target, ast.Attribute):
            if target.attr in FIELDS and not self._foreign(target.value):
                self.found.append((target.attr, target.lineno))
        elif isinstance(target, ast.Subscript):
            self._changed(target.value)

    def _changed(self, container: ast.expr) -> None:
        self.found += [(field, container.lineno) for field in self._containers(container)]

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._store(target)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._store(node.target)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._store(node.target)
        if isinstance(node.target, ast.Name):
            self._changed(node.target)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._store(target)
        self.generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self._store(node.target)
        self.generic_visit(node)

    def visit_withitem(self, node: ast.withitem) -> None:
        if node.optional_vars is not None:
            self._store(node.optional_vars)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if isinstance(called, ast.Attribute) and name in MUTATORS:
            self._changed(called.value)
        elif name in FUNCTIONS:
            self._changed(node.args[0])
        elif name in ("setattr", "delattr", "__setattr__", "__delattr__"):
            self.found.append((name, node.lineno))
        self.generic_visit(node)


def _given(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a statement gives to which target: `a, b = c, d` gives two things."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    yield from zip(target.elts, value.elts, strict=False)
                else:
                    yield target, value
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.NamedExpr(target=target, value=value):
            yield target, value
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            yield from ((part, value) for part in ast.walk(target) if isinstance(part, ast.Name))


def _makes_a_stranger(value: ast.expr) -> bool:
    """Whether it is a new object of a class that is not the state's."""
    made = value.func if isinstance(value, ast.Call) else None
    return isinstance(made, ast.Name) and made.id[:1].isupper() and made.id not in CLASSES


def written(source: str) -> list[tuple[str, int]]:
    """The fields of the state that a source writes."""
    visitor = Writes()
    visitor.visit(ast.parse(source))
    return visitor.found


def named(path: Path) -> str:
    """A source's name, from `app` on."""
    return path.relative_to(ROOT / "app").as_posix()


SOURCES = [path for path in sorted((ROOT / "app").glob("**/*.py")) if named(path) not in DOOR]


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_kept_state_is_written_by_steps_alone(path: Path) -> None:
    """Whoever else writes into the state writes what is derived, and is named above."""
    _, allowed = DERIVED.get(named(path), ("", set[str]()))
    found = written(path.read_text("utf-8"))
    past = [f"{field} (line {line})" for field, line in found if field not in allowed]
    assert not past, f"written past the door: {past}"
    assert {field for field, _ in found} == allowed, "what is not written needs no permission"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_orders_rest_through_the_door(path: Path) -> None:
    """The book is derived, but it says who trades: what is kept and what rests go together."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute):
            rests = ast.unparse(node) in ("orderbook.insert", "orderbook.remove")
            assert not rests, f"line {node.lineno}"


def test_what_is_derived_has_names_of_its_own() -> None:
    """No permission above covers a field that is kept, of whichever class."""
    kept = set[str]().union(*KEPT.values(), *(CLASSES[name] for name in STORED))
    for path, (_, allowed) in DERIVED.items():
        assert allowed <= set(FIELDS), path
        assert not allowed & kept, path
    for name, fields in KEPT.items():
        assert fields <= set(CLASSES[name]), name


@pytest.mark.parametrize("line", [
    "order.status = 'expired'",
    "order.status, order.reason = 'expired', reason",
    "state.counters.order += 1",
    "state.markets[symbol] = market",
    "del state.orders[1]",
    "state.wallets.pop(key)",
    "fund.wallets.append(wallet)",
    "fund.required_minimum |= {'USDT': 1}",
    "wallets = fund.wallets; wallets.append(wallet)",
    "wallets, more = fund.wallets, 1; wallets += [wallet]",
    "for resting in account.positions.values(): resting.orders.clear()",
    "if (held := account.positions): held.clear()",
    "levels = market.bids.levels; levels[price][number] = order",
    "for level in market.bids.levels.values(): level.popitem()",
    "for market.mark in marks: pass",
    "with marks as market.mark: pass",
    "heappush(cascade.queue, entry)",
    "bisect.insort(book.prices, price)",
    "setattr(counters, kind, 1)",
    "object.__setattr__(order, 'status', 'new')",
    "step.state.accounts['alice'].open_orders: int = 1",
    "position = Position(); position.quantity = 1",
    "for heap, key in ((triggers.longs, 1), (triggers.shorts, 2)): heappop(heap)",
    "book = market.bids.levels if buy else market.asks.levels; book.clear()",
])  # fmt: skip
def test_a_write_past_the_door_is_found(line: str) -> None:
    """However it is written down."""
    assert written(f"def handler(step: Step, order: Order, fund: Fund) -> None:\n    {line}\n")


@pytest.mark.parametrize("line", [
    "record.filled_quantity += 1",
    "status = order.status",
    "found = dict(state.orders); found.clear()",
    "found = sorted(market.positions); found.pop()",
    "step.set_mark(market, mark)",
    "work.records[position] = record",
    "mark: Mark",
    "batch = Batch(); batch.time = now",
])  # fmt: skip
def test_what_changes_no_state_is_not_taken_for_a_write(line: str) -> None:
    """Records while they are made, copies, reads."""
    assert not written(f"def handler(step: Step, record: Liquidation) -> None:\n    {line}\n")


def test_what_an_object_has_of_its_own_is_not_the_state() -> None:
    """`self` of a class elsewhere is no part of the state; what it holds may be."""
    inside = "class Case:\n    def change(self, position: Position) -> None:\n        "
    assert not written(f"{inside}self.quantity = 1")
    assert written(f"{inside}position.quantity = 1")
    assert written(f"{inside}self.account.positions.clear()")

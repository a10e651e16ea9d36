"""Which function does what a command asks; with `handles` it says so, and all else follows from it.

The engine dispatches by it, the store knows from it which commands and results there are, the API
which refusals to document, the invariants which money may move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, get_args, get_type_hints

from app.engine.commands import Command, CommandOf
from app.engine.events import LedgerKind
from app.engine.rejections import Code
from app.engine.step import Step

R = TypeVar("R")
C = TypeVar("C", bound=Command)


class Drives(NamedTuple):
    """Instead of a result: the settlement asset whose cascade does a part now. Its end answers."""

    asset: str


class Handler(NamedTuple):
    """What does a command, what that can result in, and what it can be refused for."""

    run: Callable[[Step, Any], object]
    results: tuple[type, ...]
    refusals: tuple[Code, ...]
    """In the order in which they are asked."""
    moves: frozenset[LedgerKind] | None
    """Of a trader's command: the only ways in which it may move money (NUM-5)."""


HANDLERS: dict[type[Command], Handler] = {}
"""By command; complete as soon as `engine` is imported."""


def handles(
    kind: type[CommandOf[R]], *refusals: Code, moves: frozenset[LedgerKind] | None = None
) -> Callable[[Callable[[Step, C], R | Drives]], Callable[[Step, C], R | Drives]]:
    """Make a function the handler of a command, whose result it returns.

    `refusals` are all that it can be refused for, in the order in which they are asked. What a
    trader does has `moves`: it moves nobody else's money, so it liquidates nobody either.
    """

    def register(function: Callable[[Step, C], R | Drives]) -> Callable[[Step, C], R | Drives]:
        hints = get_type_hints(function)
        assert hints["command"] is kind, (function, kind)
        assert kind not in HANDLERS, kind
        results = tuple(one for one in get_args(hints["return"]) if one is not Drives)
        HANDLERS[kind] = Handler(function, results or (hints["return"],), refusals, moves)
        return function

    return register

"""The engine's front door: `Engine.apply(command, now)` gives an `Outcome`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import localcontext
from operator import attrgetter
from typing import ClassVar, TypeVar

from app.engine import invariants
from app.engine.bounds import Bounds
from app.engine.cascades import cascade
from app.engine.commands import Command, CommandOf, Due
from app.engine.handlers import (
    accounts,  # noqa: F401 - its handlers, as of those below
    backing,  # noqa: F401
    calibrations,
    countdown,
    delivery,
    funding,
    funds,  # noqa: F401
    grouping,  # noqa: F401
    listing,  # noqa: F401
    offload,
    orders,  # noqa: F401
    prices,  # noqa: F401
    rebalances,  # noqa: F401
    recovery,  # noqa: F401
    silence,
    triggered,  # noqa: F401
    warnings,
)
from app.engine.handling import HANDLERS, Drives
from app.engine.numbers import EXACT
from app.engine.outcome import Failure, OutcomeOf
from app.engine.rejections import Rejected, Rejection
from app.engine.scopes import Scope
from app.engine.state import State
from app.engine.step import Step

R = TypeVar("R")

Source = Callable[[State], Due | None]
"""Says which of its commands is due first, from the state alone: so every leader and every replay
agrees. It is asked before each command and must know at once. To apply its command must move it on;
one that has to wait (for a cascade of its asset, say) is not due until then."""

SOURCES: tuple[Source, ...] = (
    countdown.due,
    funding.due,
    delivery.due,
    silence.due,
    offload.due,
    warnings.due,
    calibrations.due,
)
"""Of commands that are due at an engine time: a new one is named here."""


class Engine:
    """The state and the one way to change it. Deterministic; knows no clock and no I/O."""

    rules_version: ClassVar = 2
    """Of the rules by which a log gives a state (REC-1); each command in the log names its own.

    Raise it by one, once in a release, with any change after which some log would give another
    state, record, identifier or answer than before, or none: a rule, a rounding, an order of
    doing things, the bounds of a command's work (`Bounds`), a field of what
    `invariants.state_hash` looks at. What is only quicker, or refused where nothing is logged, does
    not raise it. `tests/golden` fails where that was forgotten, as far as its log goes. 0 are
    releases before there were versions.
    """

    bounds: ClassVar = Bounds()
    """How much a command does at most: this version's."""

    handlers: ClassVar = HANDLERS
    """All that can be asked of it."""

    def __init__(
        self, state: State, *, sources: Sequence[Source] = SOURCES, bounds: Bounds | None = None
    ) -> None:
        self.state = state
        state.bounds = bounds or self.bounds
        self.failure: Failure | None = None
        """The exception that ended this engine's use, if one has (REC-2)."""
        self._sources = sources

    def due(self, is_refused: Callable[[Command], bool] = lambda _: False) -> Due | None:
        """The command that is due first, if any will be: of two at once, the earlier source's.

        With the first command at or after its time: whoever applies a command applies it before.
        Where one is refused (REC-2), its source waits, but no other.
        """
        if not self._sources:
            return None
        first = [due for source in self._sources if (due := source(self.state))]
        found = [due for due in first if not is_refused(due.command)]
        return min(found, key=attrgetter("time"), default=None)

    def apply(self, command: CommandOf[R], now: datetime) -> OutcomeOf[R]:
        """Apply one command at `now` (never earlier than the time of the one before).

        A refused command changes nothing. Any other exception is a bug: the caller must throw the
        state away (fail-stop). The laws of NUM-4 are asserted on everything the command touched.
        """
        state = self.state
        assert state.time is None or now >= state.time, (now, state.time)
        with localcontext(EXACT):
            step = Step(state, command, now)
            # `handles` binds a command's handler to its result.
            outcome: OutcomeOf[R] = step.outcome  # type: ignore[assignment]
            try:
                _apply(step, command)
            except Exception:
                self.failure = Failure(step.outcome.sequence, now, command, _to_blame(step))
                raise
            return outcome


def _apply(step: Step, command: Command) -> None:
    try:
        answer = HANDLERS[type(command)].run(step, command)
    except Rejected as refusal:
        step.outcome.result = _refused(step, refusal)
        return
    driven = None
    if isinstance(answer, Drives):
        driven = answer.asset
    else:
        step.outcome.result = answer
    cascade.run(step, driven)
    step.finish()
    invariants.check_step(step)


def _to_blame(step: Step) -> Scope | str | None:
    """What an exception is blamed on: not what is left alone already as far as it can be."""
    blamed, state = step.blamed, step.state
    if isinstance(blamed, Scope) and state.aside.get(blamed, 0) > 1:
        blamed = blamed.asset
    return None if blamed in state.stalled else blamed


def _refused(step: Step, refusal: Rejected) -> Rejection:
    """A refusal changes nothing (ORD-7)."""
    assert not step.changed, (step.outcome.command, refusal.rejection)
    return refusal.rejection

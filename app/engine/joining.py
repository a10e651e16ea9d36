"""Joining: a replay that begins in the middle of a leader's term (REC-3).

What is stored says nothing of what is derived: limits, who waits for a tick, triggers. A leader's
`Recover` makes all that afresh, so that a replay from there on is exact. A replay that begins later
makes its own: the limits from the term's commands, and triggers from where the marks are now.
They decide who is looked at, never what is done; but the parts in which much is looked at may end
elsewhere. So until the next `Recover` such a replay is exact but for cascades of several parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import localcontext
from itertools import chain

from app.engine.cascades import closings, payments, placing
from app.engine.commands import Command
from app.engine.commands.leaders import ContinueCascade, Recover, ReleaseIncident
from app.engine.commands.prices import ReportClock
from app.engine.figures import margin, triggers
from app.engine.handlers import recovery
from app.engine.liquidation import looking, sinking
from app.engine.numbers import EXACT
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading import funds

CHECKED = 100
"""Scopes looked at in one go."""


class Unsettled(Exception):
    """Somebody is at risk and may be liquidated, a funding or a contract is settled, or a triggered
    order is to be placed: a cascade is under way, whose order is not known.

    The replay can begin when it is over.
    """


class Joining:
    """Makes a loaded state one that a leader's commands can be applied to, in bounded parts.

    `term` says how the leader's term was led up to the state: its `Recover` and what changed that.
    """

    def __init__(self, state: State, term: Iterable[Command]) -> None:
        self._state = state
        with localcontext(EXACT):
            for command in term:
                step = Step(state, command, _time(state))
                if isinstance(command, Recover):
                    step.begin_term(command.limits, command.incidents)
                elif isinstance(command, ReleaseIncident):
                    step.release(state.incidents[command.incident_id], command.reason)
                else:
                    assert isinstance(command, ReportClock), command
                    step.set_ahead(timedelta(milliseconds=int(command.ahead_seconds * 1000)))
            self._left = list(chain.from_iterable(recovery.every_scope(state).values()))

    def go_on(self) -> bool:
        """Look at some scopes; returns whether any are left. Raises `Unsettled`."""
        state, some = self._state, self._left[-CHECKED:]
        if any(payments.goes_on(state, market) for market in state.markets.values()):
            raise Unsettled("a funding is under way")
        if placing.are_due(state):
            raise Unsettled("triggered orders are placed")
        if any(closings.goes_on(state, market) for market in state.markets.values()):
            raise Unsettled("a contract is being settled")
        if funds.await_end(state):
            raise Unsettled("a fund is to be topped up when a cascade ends")
        if sinking.goes_on(state):
            raise Unsettled("what a fund loses with goes to ADL")
        del self._left[-CHECKED:]
        with localcontext(EXACT):
            for scope in some:
                if margin.is_aside(state, scope):
                    continue  # without triggers (REC-2)
                health = triggers.arm(state, scope)
                if health.at_risk and health.positions:
                    if not margin.is_held_open(state, scope, _time(state)):
                        raise Unsettled(f"{scope} is at risk")
                    looking.hold(state, scope, 0)
        return bool(self._left)


def _time(state: State) -> datetime:
    assert state.time is not None
    return state.time


def admit(state: State, command: Command) -> None:
    """Before a command of the term that was joined: a cascade that goes on may be unknown here.

    Then nobody here is at risk, and what is left of it has nothing to do.
    """
    if isinstance(command, ContinueCascade):
        looking.cascade_of(state, command.asset)

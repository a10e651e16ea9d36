"""Looking at a scope: whole, it gets new triggers; at risk, it waits in its cascade (LIQ-1).

Each part of a `cascade` looks at some, and says by `handle` whose fault it is should it fail.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heappush

from app.engine.figures import margin, triggers
from app.engine.figures.health import Health
from app.engine.liquidation import waterfall
from app.engine.numbers import ZERO, Quotient, ratio
from app.engine.scopes import Scope
from app.engine.state import Cascade, State
from app.engine.step import Step

LOWEST = Decimal("-Infinity")
"""The ratio of a scope that is at risk with nothing to maintain: it goes first."""


def cascade_of(state: State, asset: str) -> Cascade:
    """The asset's cascade, begun when there is none."""
    return state.cascades.setdefault(asset, Cascade(asset))


def hold(state: State, scope: Scope, canceled: int) -> None:
    """Hold a scope open until the next tick of a contract that it has a position in (MRK-4)."""
    state.held[scope] = state.held.get(scope, 0) + canceled
    for market, _ in margin.scope_positions(state, scope):
        market.held[scope] = None


def handle(step: Step, scope: Scope) -> None:
    """The part turns to this scope, which is blamed if it fails (REC-2)."""
    step.blamed = scope
    step.handled[scope] = None


def room(step: Step, cascade: Cascade, most: int) -> int:
    """How many more scopes a part may handle.

    One in all after a failure that no scope was to blame for, so that the next one tells (REC-2).
    """
    return 1 - len(step.handled) if cascade.asset in step.state.careful else most


def check_touched(step: Step) -> None:
    """Arm every touched scope anew and enrol those at risk (LIQ-1)."""
    while step.scopes:
        touched, step.scopes = list(step.scopes), {}
        for scope in touched:
            if margin.is_aside(step.state, scope):
                continue
            if step.blamed is not None:
                step.blamed = scope
            check(step, scope)


def check(step: Step, scope: Scope) -> None:
    """Arm a scope anew; enrol it when it is at risk, or hold it open for its tick (MRK-4)."""
    state = step.state
    health = _arm(state, scope)
    if not health.positions:
        state.held.pop(scope, None)
        if health.at_risk:  # its isolated orders require more than it has
            waterfall.cancel_scope_orders(step, scope)
        return
    if not health.at_risk:
        state.held.pop(scope, None)
        return
    if margin.is_held_open(state, scope, step.now):
        hold(state, scope, len(waterfall.cancel_scope_orders(step, scope)))
        return
    cascade = cascade_of(state, scope.asset)
    if scope not in cascade.waiting:
        _enrol(step, cascade, scope, health)


def _arm(state: State, scope: Scope) -> Health:
    """Arm a scope anew; while a tick's crossed triggers are collected, leave that for later."""
    cascade = state.cascades.get(scope.asset)
    if cascade is None or not cascade.finding or cascade.tick is None:
        return triggers.arm(state, scope)
    cascade.unarmed[scope] = None
    return margin.health(state, scope)


def _enrol(step: Step, cascade: Cascade, scope: Scope, health: Health) -> None:
    """Cancel the scope's orders; what that does not heal waits for liquidation (LIQ-2)."""
    state = step.state
    cascade.found.add(scope.account_id)
    canceled = state.held.pop(scope, 0)
    if orders := waterfall.cancel_scope_orders(step, scope):
        canceled += len(orders)
        health = margin.health(state, scope)
    if not health.at_risk:
        waterfall.record_healed(step, scope, canceled)
        return
    cascade.waiting[scope] = canceled
    entry = (*_place(_netted(step, scope, health)), scope.among_equals, scope)
    if cascade.finding:
        heappush(cascade.queue, entry)
    else:
        cascade.next_round.append(entry)


def _netted(step: Step, scope: Scope, health: Health) -> Health:
    """The health with which it comes in order: as netting its legs will leave it (LIQ-2)."""
    account = step.state.accounts[scope.account_id]
    if scope.isolated or account.position_mode == "one_way":
        return health
    equity, required, count = health
    for market, position in margin.scope_positions(step.state, scope):
        other = margin.beside(account, position)
        if other is not None and margin.can_liquidate(market, step.now):
            rest = position.quantity + other.quantity
            kept = market.maintenance_margin(rest) if rest * position.quantity > 0 else ZERO
            required += kept - position.margin
    return Health(equity, required, count)


def _place(health: Health) -> tuple[Decimal, Quotient]:
    """Equity / maintenance margin, as a key to sort by, exactly (LIQ-2)."""
    equity, required = health.equity, health.maintenance_margin
    if not required:
        return LOWEST, Quotient(ZERO)
    return ratio(equity, required), Quotient(equity, required)

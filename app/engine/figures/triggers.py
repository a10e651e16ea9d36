"""Triggers of positions: safe bands, beyond which a scope is looked at (LIQ-1).

Every open position carries a trigger price: while none of a scope's triggers is crossed, the
scope cannot be at risk. Of a scope's slack (equity - maintenance margin) each position gets a
share by notional; its trigger is where it alone would have used that share up. The shares sum to
the slack, and a position's use of slack grows only towards its losing side, so as long as every
mark is on the near side of its trigger, equity is at least the maintenance margin. For an isolated
position, and a cross account with one, that is the liquidation price itself.

It grows so in every kind of contract, however unevenly. At a value v a position adds to equity
less maintenance margin g(v) = v - cost - (rate x |v| - cum), whose slope in v is 1 - rate or
1 + rate: never negative, as no rate is above 1. And a long's v rises with the price and a short's
falls, be it quantity x size x price or -quantity x size / price. So at any mark on the near side of
its trigger a position has used at most what it has at the trigger. How fast it gets there, which
for an inverse position depends on the mark, does not matter.

A scope whose equity or margin changes in any other way is armed anew. Triggers are derived: they
decide who is looked at, never what is done.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from decimal import Decimal

from app.engine.figures import calculator, exposure, margin
from app.engine.figures.health import Health
from app.engine.markets import Market, Triggers
from app.engine.numbers import ONE, UNIT, ZERO, divide_up, ratio, round_down
from app.engine.scopes import Scope
from app.engine.state import State
from app.engine.traders import Position

ROUNDING_SLACK = 2 * UNIT
"""Mark values are rounded by up to half a unit, when armed and when crossed: check early."""

ALWAYS = Decimal("Infinity")
"""A long's trigger whose share of slack is used up already: every tick looks (LIQ-1)."""

KEPT_STALE = 64
"""A heap is rebuilt when its void entries outnumber the live ones, and this many."""


def arm(state: State, scope: Scope) -> Health:
    """Give every position of a scope its trigger; returns the scope's health.

    Positions that did not change keep theirs, as long as what is left of all their shares leaves
    the others at least half of a fair one: an order of an account with many sets one trigger.
    """
    held = margin.scope_positions(state, scope)
    health = margin.health_of(state, scope, held)
    slack = health.slack - ROUNDING_SLACK * len(held)
    if not scope.isolated:
        slack = _after_order_margins(state, scope, slack)
    if len(held) < 2:
        for market, position in held:
            _push(market, position, slack)
        return health
    total = _notional(held)
    loose, left = _loose(held)
    fair = slack * _notional(loose)
    if 2 * (slack - left) * total < fair:
        loose, left = held, ZERO
    share, among = slack - left, total if loose is held else _notional(loose)
    for market, position in loose:
        if len(loose) == 1:
            part = share
        elif among:
            part = share * ratio(abs(position.value), among)
        else:  # worth nothing, all of them
            part = share * ratio(ONE, Decimal(len(loose)))
        _push(market, position, part)
    return health


def _notional(held: list[tuple[Market, Position]]) -> Decimal:
    return sum([abs(position.value) for _, position in held], ZERO)


def _loose(
    held: list[tuple[Market, Position]],
) -> tuple[list[tuple[Market, Position]], Decimal]:
    """The positions to be armed, and what the others have left of their shares of the slack."""
    loose, total = [], ZERO
    for market, position in held:
        if position.armed is market.contract.brackets:
            left = position.base + position.value - position.cost - position.margin
            if left < 0:
                return held, ZERO
            total += left
        else:
            loose.append((market, position))
    return loose, total


def _after_order_margins(state: State, scope: Scope, slack: Decimal) -> Decimal:
    """The slack that is left however the marks of isolated positions with open orders move.

    An order against an isolated position requires more as the position's value falls, which the
    cross wallet holds back. Where the slack does not bear the most that this can come to, every
    tick of those contracts looks at the cross scope.
    """
    account = state.accounts[scope.account_id]
    growing = []
    for position in account.positions.values():
        if position.orders and position.quantity and position.isolated:
            if position.scope.asset != scope.asset:
                continue
            market = state.markets[position.symbol]
            leverage = account.settings[position.symbol].leverage
            most = divide_up(max(abs(position.bid_value), abs(position.ask_value)), leverage)
            slack -= most - exposure.order_margin(market, position, leverage)
            growing.append(market)
    if slack < 0:
        for market in growing:
            market.triggers.watched[scope] = None
    return slack


def _push(market: Market, position: Position, slack: Decimal) -> None:
    contract = market.contract
    # Rounded: what is left of a share is shared out again, and would have ever more digits.
    slack = round_down(slack)
    position.base = round_down(slack + position.margin - position.profit)
    position.armed = contract.brackets
    price = calculator.liquidation_price(
        contract.brackets, contract, position.quantity, position.cost, position.base
    )
    position.trigger_version += 1
    long = position.quantity > 0
    if price is None:
        if slack >= 0 and contract.is_positive(position.quantity):
            return  # worth nothing, it would have slack left: a linear long's fall, an inverse rise
        price = ALWAYS if long else ZERO
    triggers = market.triggers
    triggers.number += 1
    heap = triggers.longs if long else triggers.shorts
    entry = (-price if long else price, triggers.number, position, position.trigger_version)
    heapq.heappush(heap, entry)
    if len(heap) > 2 * len(market.positions) + KEPT_STALE:
        _rebuild(heap)


def _rebuild(heap: list[tuple[Decimal, int, Position, int]]) -> None:
    heap[:] = [
        entry for entry in heap if entry[2].quantity and entry[2].trigger_version == entry[3]
    ]
    heapq.heapify(heap)


def pop_watched(triggers: Triggers) -> list[Scope]:
    """The cross scopes that the next tick must look at, sorted; looked at, they are armed anew."""
    found = sorted(triggers.watched)
    triggers.watched.clear()
    return found


def forget(market: Market) -> None:
    """A new leader arms every scope anew."""
    market.triggers.watched.clear()
    for position in market.positions.values():
        position.armed = None


def disarm(positions: Iterable[Position]) -> None:
    """Nobody looks at these positions for their triggers any more (REC-2)."""
    for position in positions:
        position.trigger_version += 1


def any_crossed(triggers: Triggers, price: Decimal) -> bool:
    """Whether the mark `price` has reached a trigger, live or void."""
    longs, shorts = triggers.longs, triggers.shorts
    return bool((longs and longs[0][0] <= -price) or (shorts and shorts[0][0] <= price))


def pop_crossed(triggers: Triggers, price: Decimal, most: int) -> list[Position]:
    """At most `most` positions whose trigger the mark `price` has reached; they are disarmed."""
    found: list[Position] = []
    for heap, key in ((triggers.longs, -price), (triggers.shorts, price)):
        while heap and heap[0][0] <= key and len(found) < most:
            _, _, position, version = heapq.heappop(heap)
            if position.trigger_version == version and position.quantity:
                position.armed = None
                found.append(position)
    return found

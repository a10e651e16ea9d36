"""Groups of orders: the first that fills or is cancelled decides the rest (TRG-2).

    oco        two orders; where one is filled, triggered or ends otherwise, the other is cancelled.
               What the one that was placed at once has filled by then, the other orders less
    bracket    an entry, what takes profit, and what stops. Those two are dormant until the entry
               fills something: then they wait for their prices; the first of them that is
               triggered or ends cancels the other, and what is left of the entry. An entry that
               ends with nothing filled cancels both

It is decided when the command, or part of a cascade, has done what it does; and before each
triggered order of a group is placed.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine.liquidation import looking
from app.engine.markets import Market
from app.engine.numbers import ZERO
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Group, Order, TriggeredOrder
from app.engine.trading import firing, resting

REASON = "group"
"""Why an order is cancelled that another one of its group has decided about."""


def decide(step: Step) -> None:
    """Look at the groups of the orders that this command has changed so far."""
    state = step.state
    if not state.groups:
        return
    for kept in list(step.outcome.touched):
        if isinstance(kept, Order):
            group = state.grouped.get(kept.order_id)
            if group is not None:
                _first_changed(step, group, kept)
        elif isinstance(kept, TriggeredOrder) and kept.status != "untriggered":
            group = state.groups.get(kept.group_id or 0)
            if group is not None:
                _waiting_ended(step, group, kept)


def _first_changed(step: Step, group: Group, order: Order) -> None:
    """The one that was placed at once, or what a bracket's entry became, has changed."""
    ended = order.order_id not in step.state.orders
    if group.kind == "oco" or not order.filled_quantity:
        if ended:
            end(step, group)
        return
    for waiting in members(step.state, group):
        if waiting.dormant:
            _wake(step, waiting)
    if ended:
        step.lead_group(group, None)


def _waiting_ended(step: Step, group: Group, order: TriggeredOrder) -> None:
    """One that waited for a price waits no longer: a bracket's entry may have become an order."""
    if order.order_id != group.leader or order.became is None:
        end(step, group)
        return
    step.lead_group(group, order.became)
    for kept in list(step.outcome.touched):
        if isinstance(kept, Order) and kept.order_id == order.became:
            _first_changed(step, group, kept)


def _wake(step: Step, order: TriggeredOrder) -> None:
    """It waits for its price from now on, or has it already."""
    state = step.state
    market = state.markets[order.symbol]
    step.wake(order)
    if order.trigger_price is None:
        step.follow(order, firing.price_of(market, order.trigger_by))
    if order.trigger_by == "last" and market.last_price is not None:
        firing.traded(step, market, market.last_price)
    elif firing.is_there(state, market):
        _have_fired(state, market)


def _have_fired(state: State, market: Market) -> None:
    contract = market.contract
    looking.cascade_of(state, contract.settlement_asset).watched.append(contract.symbol)


def members(state: State, group: Group) -> list[TriggeredOrder]:
    """Those of a group that wait for a price, or for its entry."""
    own = state.untriggered_of.get(group.account_id, {}).values()
    return [order for order in own if order.group_id == group.group_id]


def filled(state: State, order: TriggeredOrder) -> Decimal:
    """What the other one of its oco has filled of what is to be filled once."""
    group = state.groups.get(order.group_id or 0)
    if group is None or group.kind != "oco" or group.leader not in state.orders:
        return ZERO
    return state.orders[group.leader].filled_quantity


def end(step: Step, group: Group, decider: TriggeredOrder | None = None) -> None:
    """It is decided: what is left of it is cancelled, but for the one that decides."""
    state, leader = step.state, group.leader
    rest: list[Order | TriggeredOrder] = [
        one for one in members(state, group) if one is not decider
    ]
    if leader in state.orders:
        rest.append(state.orders[leader])
    step.end_group(group)
    resting.cancel_orders(step, rest, REASON)


def take_turn(step: Step, order: TriggeredOrder) -> Decimal:
    """It is an order's turn to be placed: that decides, unless it is a bracket's entry.

    Returns what the other one of an oco has filled of what is to be filled once.
    """
    group, of_other = step.state.groups.get(order.group_id or 0), filled(step.state, order)
    if group is not None and order.order_id != group.leader:
        end(step, group, order)
    return of_other

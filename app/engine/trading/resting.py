"""An account's orders in book or watch: found, opened, cancelled, and whom that concerns."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Account, Order, Position, TriggeredOrder


def open_orders(
    state: State, account: Account, symbol: str | None = None
) -> list[Order | TriggeredOrder]:
    """An account's open and untriggered orders, oldest first."""
    found: list[Order | TriggeredOrder] = [
        order
        for position in account.positions.values()
        if symbol in (None, position.symbol)
        for order in position.orders.values()
    ]
    own = state.untriggered_of.get(account.account_id, {})
    found += [order for order in own.values() if symbol in (None, order.symbol)]
    return sorted(found, key=lambda order: order.order_id)


def cancel_orders(step: Step, orders: Sequence[Order | TriggeredOrder], reason: str) -> None:
    """Cancel orders: what they held back is free again; for a price, they held back nothing."""
    for order in orders:
        if isinstance(order, TriggeredOrder):
            step.end_triggered(order, "canceled", reason)
            continue
        _touch_holder(step, order)
        step.close_order(order, "canceled", reason)


def lower(step: Step, order: Order, quantity: Decimal) -> None:
    """Give an open order less to fill, where it stands; what it held back for that is free."""
    _touch_holder(step, order)
    step.lower_order(order, quantity)


def withdraw(step: Step, order: Order, quantity: Decimal, price: Decimal) -> None:
    """Take an open order out of the book, for it comes anew with these terms (ORD-15)."""
    _touch_holder(step, order)
    step.requeue_order(order, quantity, price)


def rest(step: Step, order: Order, position: Position) -> None:
    """Rest what is left of an order."""
    step.open_order(order, position)
    _touch_holder(step, order)


def _touch_holder(step: Step, order: Order) -> None:
    """An isolated order's margin is held back in the cross wallet; others' equity stays (LIQ-1)."""
    account = step.state.accounts[order.account_id]
    if account.positions[order.symbol, order.position_side].isolated:
        asset = step.state.markets[order.symbol].contract.settlement_asset
        step.touch_cross(order.account_id, asset)

"""An account's resting orders: found, opened, cancelled, and whom that concerns (ORD-1, ORD-4)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.step import Step
from app.engine.traders import Account, Order, Position


def open_orders(account: Account, symbol: str | None = None) -> list[Order]:
    """An account's open orders, oldest first."""
    found = [
        order
        for position in account.positions.values()
        if symbol in (None, position.symbol)
        for order in position.orders.values()
    ]
    return sorted(found, key=lambda order: order.order_id)


def cancel_orders(step: Step, orders: list[Order], reason: str) -> None:
    """Cancel open orders; what they held back is free again."""
    for order in orders:
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

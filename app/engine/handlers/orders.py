"""Orders: accepted, amended, cancelled (ORD-1); how one meets the book, `meeting` says."""

from __future__ import annotations

from decimal import Decimal

from app.engine.commands.orders import AmendOrder, CancelOrder, CancelOrders, PlaceOrder
from app.engine.contracts import Contract
from app.engine.events import LedgerKind
from app.engine.figures.admission import check_price, check_quantity
from app.engine.handling import handles
from app.engine.numbers import plain
from app.engine.rejections import Code, Rejected
from app.engine.results import Canceled, OrderReceipt
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Order
from app.engine.trading import meeting, resting
from app.engine.trading.assessment import (
    account_of,
    assess,
    assess_again,
    check_lowered,
    market_of,
)

TRADES: frozenset[LedgerKind] = frozenset(
    {"margin_in", "margin_out", "realized_profit", "trading_fee", "trading_fee_share"}
)
"""How an order may move money: as its fills do."""
JUDGED = (
    Code.reduce_only_rejected,
    Code.below_min_notional,
    Code.position_too_large,
    Code.leverage_too_high,
    Code.insufficient_margin,
    Code.would_trade_immediately,
    Code.open_interest_cap,
)
"""What an order that the contract takes can still be refused for (ORD-5, FND-12)."""


@handles(
    PlaceOrder,
    Code.unknown_account,
    Code.unknown_contract,
    Code.position_side_required,
    Code.position_side_mismatch,
    Code.quantity_not_positive,
    Code.quantity_off_lot,
    Code.price_not_allowed,
    Code.time_in_force_not_allowed,
    Code.price_required,
    Code.price_not_positive,
    Code.price_off_tick,
    Code.contract_not_trading,
    Code.no_mark,
    Code.settlement_held,
    Code.settlement_under_way,
    Code.funding_under_way,
    Code.stale_mark,
    Code.price_out_of_band,
    Code.account_in_liquidation,
    Code.too_many_open_orders,
    *JUDGED,
    moves=TRADES,
)
def place(step: Step, command: PlaceOrder) -> OrderReceipt:
    """Accept an order, match it, and rest or expire what is left (ORD-1)."""
    plan = assess(step.state, command, step.now).plan
    order = meeting.order_of(step, command)
    step.accept_order(order)
    return meeting.meet(step, order, plan)


@handles(
    AmendOrder,
    Code.order_not_open,
    Code.quantity_not_positive,
    Code.quantity_off_lot,
    Code.quantity_filled,
    Code.price_not_positive,
    Code.price_off_tick,
    Code.contract_not_trading,
    Code.settlement_held,
    Code.settlement_under_way,
    Code.funding_under_way,
    Code.stale_mark,
    Code.price_out_of_band,
    Code.account_in_liquidation,
    Code.too_many_open_orders,
    *JUDGED,
    moves=TRADES,
)
def amend(step: Step, command: AmendOrder) -> OrderReceipt:
    """Give an open order another quantity or price (ORD-15): it keeps its place where only its
    quantity falls; else it comes anew, if it may, and is left alone if it may not."""
    state = step.state
    order = _open_order(state, command.order_id, command.account_id)
    contract = state.markets[order.symbol].contract
    quantity = order.quantity if command.quantity is None else command.quantity
    price = order.price if command.price is None else command.price
    assert price is not None
    _check_amended(contract, order, quantity, price)
    anew = _as_command(order, quantity - order.filled_quantity, price)
    if price == order.price and quantity <= order.quantity:
        if quantity < order.quantity:
            check_lowered(state, order, anew)
            resting.lower(step, order, quantity)
        return meeting.receipt(contract, order, [])
    plan = assess_again(state, order, anew, step.now).plan
    resting.withdraw(step, order, quantity, price)
    return meeting.meet(step, order, plan)


def _check_amended(contract: Contract, order: Order, quantity: Decimal, price: Decimal) -> None:
    check_quantity(contract, quantity)
    if quantity <= order.filled_quantity:
        raise Rejected(
            Code.quantity_filled,
            "that much of the order is filled already",
            quantity=plain(quantity),
            filled_quantity=plain(order.filled_quantity),
        )
    check_price(contract, price)


def _as_command(order: Order, quantity: Decimal, price: Decimal) -> PlaceOrder:
    """An order as it would be placed for that quantity at that price."""
    return PlaceOrder(
        account_id=order.account_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        quantity=quantity,
        price=price,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        position_side=order.position_side,
        self_trade_prevention=order.self_trade_prevention,
    )


def _open_order(state: State, order_id: int, account_id: str | None) -> Order:
    """The open order, or `order_not_open`; with an account only if it is that account's."""
    order = state.orders.get(order_id)
    if order is None or account_id not in (None, order.account_id):
        raise Rejected(Code.order_not_open, "there is no such open order", order_id=order_id)
    return order


@handles(CancelOrder, Code.order_not_open, moves=frozenset())
def cancel(step: Step, command: CancelOrder) -> Canceled:
    """Cancel one order that rests, or waits for a price."""
    state = step.state
    waiting = state.untriggered.get(command.order_id)
    if waiting is not None and command.account_id in (None, waiting.account_id):
        resting.cancel_orders(step, [waiting], "canceled_by_user")
        return Canceled((waiting.order_id,))
    order = _open_order(state, command.order_id, command.account_id)
    resting.cancel_orders(step, [order], "canceled_by_user")
    return Canceled((order.order_id,))


@handles(CancelOrders, Code.unknown_account, Code.unknown_contract, moves=frozenset())
def cancel_all(step: Step, command: CancelOrders) -> Canceled:
    """Cancel an account's open and untriggered orders, oldest first, in one contract or in all."""
    account = account_of(step.state, command.account_id)
    if command.symbol is not None:
        market_of(step.state, command.symbol)
    orders = resting.open_orders(step.state, account, command.symbol)
    resting.cancel_orders(step, orders, "canceled_by_user")
    return Canceled(tuple(order.order_id for order in orders))

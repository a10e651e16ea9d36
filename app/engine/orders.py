"""Orders: accepted, matched, rested, cancelled (ORD-1)."""

from __future__ import annotations

from decimal import Decimal

from app.engine import matching, positions, resting
from app.engine.admission import check_price, check_quantity
from app.engine.assessment import (
    account_of,
    assess,
    assess_again,
    check_lowered,
    market_of,
)
from app.engine.commands.orders import AmendOrder, CancelOrder, CancelOrders, PlaceOrder
from app.engine.contracts import Contract
from app.engine.events import LedgerKind
from app.engine.handlers import handles
from app.engine.numbers import plain
from app.engine.rejections import Code, Rejected
from app.engine.results import Canceled, Fill, OrderReceipt
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Order

TRADES: frozenset[LedgerKind] = frozenset(
    {"margin_in", "margin_out", "realized_profit", "trading_fee"}
)
"""How an order may move money: as its fills do."""


@handles(
    PlaceOrder,
    Code.unknown_account,
    Code.unknown_contract,
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
    Code.funding_under_way,
    Code.stale_mark,
    Code.price_out_of_band,
    Code.account_in_liquidation,
    Code.too_many_open_orders,
    Code.reduce_only_rejected,
    Code.below_min_notional,
    Code.position_too_large,
    Code.leverage_too_high,
    Code.insufficient_margin,
    Code.would_trade_immediately,
    moves=TRADES,
)
def place(step: Step, command: PlaceOrder) -> OrderReceipt:
    """Accept an order, match it, and rest or expire what is left (ORD-1)."""
    plan = assess(step.state, command, step.now).plan
    order = _order(step, command)
    step.accept_order(order)
    return _meet(step, order, plan)


def _meet(step: Step, order: Order, plan: matching.Plan) -> OrderReceipt:
    """Let an order that is not in the book fill as planned; rest or expire what is left."""
    state = step.state
    account, market = state.accounts[order.account_id], state.markets[order.symbol]
    position = step.position(account, order.symbol, order.position_side)
    fills, reason = list[Fill](), "no_liquidity"
    if order.time_in_force == "fok" and plan.filled < order.remaining:
        reason = "not_fillable"
    else:
        taker = matching.Taker(account, position, order.side, order.order_id)
        fills = matching.execute(step, market, taker, plan)
        for fill, match in zip(fills, plan.matches, strict=True):
            step.fill_order(order, fill.quantity, match.made.notional)
        reason = plan.stopped or reason
        if order.remaining and order.time_in_force in ("gtc", "gtx") and not plan.stopped:
            position = step.position(account, order.symbol, order.position_side)
            resting.rest(step, order, position)
            positions.drop_idle_reduce_only(step, position)
    step.forget_empty(position)
    if order.remaining and order.order_id not in state.orders and order.status != "expired":
        step.expire_order(order, reason)
    return receipt(market.contract, order, fills)


def _order(step: Step, command: PlaceOrder) -> Order:
    return Order(
        order_id=step.next_id("order"),
        account_id=command.account_id,
        symbol=command.symbol,
        position_side=command.position_side,
        side=command.side,
        type=command.type,
        time_in_force=command.time_in_force,
        price=command.price,
        quantity=command.quantity,
        reduce_only=command.reduce_only,
        self_trade_prevention=command.self_trade_prevention,
        client_order_id=command.client_order_id,
        created_at=step.now,
        updated_at=step.now,
    )


def receipt(contract: Contract, order: Order, fills: list[Fill]) -> OrderReceipt:
    """What the caller is told about an order."""
    average = None
    if order.filled_quantity:
        average = contract.average_price(order.filled_value, order.filled_quantity)
    return OrderReceipt(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        type=order.type,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        price=order.price,
        quantity=order.quantity,
        status=order.status,
        filled_quantity=order.filled_quantity,
        remaining_quantity=order.remaining,
        average_price=average,
        fills=tuple(fills),
        reason=order.reason,
        created_at=order.created_at,
    )


@handles(
    AmendOrder,
    Code.order_not_open,
    Code.quantity_not_positive,
    Code.quantity_off_lot,
    Code.quantity_filled,
    Code.price_not_positive,
    Code.price_off_tick,
    Code.contract_not_trading,
    Code.funding_under_way,
    Code.stale_mark,
    Code.price_out_of_band,
    Code.account_in_liquidation,
    Code.too_many_open_orders,
    Code.reduce_only_rejected,
    Code.below_min_notional,
    Code.position_too_large,
    Code.leverage_too_high,
    Code.insufficient_margin,
    Code.would_trade_immediately,
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
        return receipt(contract, order, [])
    plan = assess_again(state, order, anew, step.now).plan
    resting.withdraw(step, order, quantity, price)
    return _meet(step, order, plan)


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
    """Cancel one open order."""
    order = _open_order(step.state, command.order_id, command.account_id)
    resting.cancel_orders(step, [order], "canceled_by_user")
    return Canceled((order.order_id,))


@handles(CancelOrders, Code.unknown_account, Code.unknown_contract, moves=frozenset())
def cancel_all(step: Step, command: CancelOrders) -> Canceled:
    """Cancel an account's open orders, oldest first, in one contract or in all."""
    account = account_of(step.state, command.account_id)
    if command.symbol is not None:
        market_of(step.state, command.symbol)
    orders = resting.open_orders(account, command.symbol)
    resting.cancel_orders(step, orders, "canceled_by_user")
    return Canceled(tuple(order.order_id for order in orders))

"""An order that has been judged meets the book: it fills, rests or expires (ORD-1)."""

from __future__ import annotations

from app.engine.commands.orders import PlaceOrder
from app.engine.contracts import Contract
from app.engine.figures.admission import by_nature
from app.engine.results import Fill, OrderReceipt
from app.engine.step import Step
from app.engine.traders import Order
from app.engine.trading import matching, positions, resting


def order_of(step: Step, command: PlaceOrder) -> Order:
    """A new order with these terms."""
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
        reduce_only=by_nature(command).reduce_only,
        self_trade_prevention=command.self_trade_prevention,
        client_order_id=command.client_order_id,
        created_at=step.now,
        updated_at=step.now,
    )


def meet(step: Step, order: Order, plan: matching.Plan) -> OrderReceipt:
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

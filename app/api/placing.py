"""Placing orders: bodies as commands, receipts as JSON, and the lean routes that do it."""

from __future__ import annotations

from typing import Any, cast

from app.api.access import Identity
from app.api.changing import Changes
from app.api.lean import Document, Lean
from app.api.problems import Problem, refused
from app.api.schemas.orders import (
    GroupBody,
    OrderBody,
    OrdersBody,
    OrdersView,
    PlacedOrderView,
    PlacedTriggeredView,
)
from app.engine.commands import CommandOf, TimeInForce, TriggeredType
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import BECOME_MARKET, PlaceGroup, PlaceTriggered
from app.engine.numbers import plain, time_text
from app.engine.rejections import Code, Rejected, Rejection
from app.engine.results import GroupReceipt, OrderReceipt, TriggeredReceipt

Placing = CommandOf[OrderReceipt | TriggeredReceipt]


def command_of(body: OrderBody) -> Placing:
    """The order as a command; a market order is ioc unless it says otherwise."""
    return waiting_of(body) if body.waits else at_once_of(body)


def at_once_of(body: OrderBody) -> PlaceOrder:
    """An order that is placed at once."""
    default: TimeInForce = "ioc" if body.type == "market" else "gtc"
    assert body.quantity is not None, body
    return PlaceOrder(
        account_id=body.account_id,
        symbol=body.symbol,
        side=body.side,
        type=body.type,  # type: ignore[arg-type]  # it is none that waits
        quantity=body.quantity,
        price=body.price,
        time_in_force=body.time_in_force or default,
        reduce_only=body.reduce_only,
        position_side=body.position_side,
        client_order_id=body.client_order_id,
        self_trade_prevention=body.self_trade_prevention,
    )


def waiting_of(body: OrderBody) -> PlaceTriggered:
    """An order that waits for a price."""
    kind = cast("TriggeredType", body.type)
    default: TimeInForce = "ioc" if kind in BECOME_MARKET else "gtc"
    return PlaceTriggered(
        account_id=body.account_id,
        symbol=body.symbol,
        side=body.side,
        type=kind,
        quantity=body.quantity,
        price=body.price,
        time_in_force=body.time_in_force or default,
        reduce_only=body.reduce_only,
        position_side=body.position_side,
        client_order_id=body.client_order_id,
        self_trade_prevention=body.self_trade_prevention,
        trigger_price=body.trigger_price,
        trigger_by=body.trigger_by or "mark",
        close_position=body.close_position,
        callback_rate=body.callback_rate,
    )


async def place_order(identity: Identity, changes: Changes, order: OrderBody) -> Document:
    """Place an order; 201 with what it did at once, after it is durable (ORD).

    One that waits for a price is `untriggered` (TRG): it needs no margin before it is triggered,
    and is then judged as any order; if it is refused, its `reason` is the code.
    """
    identity.check_account(order.account_id)
    result, _ = await changes.apply(command_of(order))
    return order_json(result)


async def place_orders(identity: Identity, changes: Changes, body: OrdersBody) -> Document:
    """Place up to 1,000 orders, applied in order; one durable answer with a result for each.

    A malformed order refuses the whole batch; a rule refuses only its own.
    """
    placed: list[Placing | Problem] = []
    for order in body.orders:
        try:
            identity.check_account(order.account_id)
        except Problem as problem:
            placed.append(problem)
        else:
            placed.append(command_of(order))
    commands = [command for command in placed if not isinstance(command, Problem)]
    results = iter(await changes.apply_all(commands))
    return {
        "results": [
            _order_result(one if isinstance(one, Problem) else next(results)) for one in placed
        ]
    }


def order_json(receipt: OrderReceipt | TriggeredReceipt) -> dict[str, Any]:
    """An accepted order as `PlacedOrderView` or `PlacedTriggeredView` documents it."""
    if isinstance(receipt, TriggeredReceipt):
        return _triggered_json(receipt)
    price, average = receipt.price, receipt.average_price
    return {
        "order_id": str(receipt.order_id),
        "client_order_id": receipt.client_order_id,
        "account_id": receipt.account_id,
        "symbol": receipt.symbol,
        "side": receipt.side,
        "position_side": receipt.position_side,
        "type": receipt.type,
        "time_in_force": receipt.time_in_force,
        "reduce_only": receipt.reduce_only,
        "price": None if price is None else plain(price),
        "quantity": plain(receipt.quantity),
        "status": receipt.status,
        "filled_quantity": plain(receipt.filled_quantity),
        "remaining_quantity": plain(receipt.remaining_quantity),
        "average_price": None if average is None else plain(average),
        "reason": receipt.reason,
        "created_at": time_text(receipt.created_at),
        "fills": [
            {
                "trade_id": str(fill.trade_id),
                "price": plain(fill.price),
                "quantity": plain(fill.quantity),
                "fee": plain(fill.fee),
            }
            for fill in receipt.fills
        ],
    }


def _triggered_json(receipt: TriggeredReceipt) -> dict[str, Any]:
    view = PlacedTriggeredView.of(
        receipt._asdict(),
        close_position=receipt.quantity is None,
        remaining_quantity=receipt.quantity,
        became_order_id=None,
        updated_at=receipt.updated_at or receipt.created_at,
    )
    return view.model_dump(mode="json")


def _order_result(result: OrderReceipt | TriggeredReceipt | Rejection | Problem) -> dict[str, Any]:
    if isinstance(result, Rejection):
        result = refused(result)
    if isinstance(result, Problem):
        return {"status": result.status_code, "problem": result.document()}
    return {"status": 201, "order": order_json(result)}


PLACING = (
    Lean(
        "/v1/orders",
        "trader",
        place_order,
        PlaceOrder,
        request=OrderBody,
        response=PlacedOrderView | PlacedTriggeredView,
        status=201,
        tag="orders",
        summary="Place an order",
    ),
    Lean(
        "/v1/orders/batch",
        "trader",
        place_orders,
        None,
        request=OrdersBody,
        response=OrdersView,
        status=200,
        tag="orders",
        summary="Place orders",
    ),
)


def group_of(body: GroupBody) -> PlaceGroup:
    """A group as a command: one of its orders at most is placed at once."""
    at_once = [order for order in body.orders if not order.waits]
    if len(at_once) > 1 or (at_once and body.kind == "bracket" and body.orders[0].waits):
        raise Rejected(
            Code.invalid_group,
            "all its orders wait for a price, but for one of an oco, or the entry of a bracket",
        )
    waiting = tuple(waiting_of(order) for order in body.orders if order.waits)
    return PlaceGroup(body.kind, at_once_of(at_once[0]) if at_once else None, waiting)


def group_json(body: GroupBody, receipt: GroupReceipt) -> dict[str, Any]:
    """The orders of a group as they were sent."""
    waiting = iter(receipt.waiting)
    orders = [next(waiting) if order.waits else receipt.first for order in body.orders]
    return {
        "group_id": str(receipt.group_id),
        "kind": receipt.kind,
        "orders": [order_json(order) for order in orders if order is not None],
    }

"""The hot routes: orders and prices, without FastAPI's request machinery.

It costs more than everything else on a single order. A lean route is a plain Starlette route: raw
body -> schema -> commands -> runner -> JSON. `openapi` documents it from the same schemas.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.api.access import Identity, identify
from app.api.changing import answer_key, idempotency_key
from app.api.orders import command_of
from app.api.problems import Problem, from_validation, malformed, problem_of, refused
from app.api.schemas.base import time_text
from app.api.schemas.contracts import TickBody, TicksBody, TicksView, TickView
from app.api.schemas.orders import OrderBody, OrdersBody, OrdersView, PlacedOrderView
from app.api.services import services_of
from app.engine.commands import Command, Tick
from app.engine.events import OrderReceipt, Ticked
from app.engine.numbers import plain
from app.engine.rejections import Rejection

Model = TypeVar("Model", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]

_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class Lean:
    """A lean route and what its documentation is made of."""

    path: str
    handler: Handler
    request: type[BaseModel]
    response: type[BaseModel]
    status: int
    tag: str
    summary: str

    def route(self) -> Route:
        """The Starlette route."""
        return Route(self.path, self.handler, methods=["POST"], include_in_schema=False)


async def place_order(request: Request) -> Response:
    """Place an order; 201 with what it did at once, after it is durable (ORD)."""
    identity = _of_scope(await identify(request), "trader")
    raw, body = await _read(request, OrderBody)
    identity.check_account(body.account_id)
    (result,) = await _submit(request, identity, raw, [command_of(body)])
    if isinstance(result, Rejection):
        raise refused(result)
    return _json(order_json(result), 201)


async def place_orders(request: Request) -> Response:
    """Place up to 1,000 orders, applied in order; one durable answer with a result for each.

    A malformed order refuses the whole batch; a rule refuses only its own.
    """
    identity = _of_scope(await identify(request), "trader")
    raw, body = await _read(request, OrdersBody)
    results: list[object] = []
    commands: list[Command] = []
    for order in body.orders:
        try:
            identity.check_account(order.account_id)
        except Problem as problem:
            results.append(problem)
        else:
            results.append(None)
            commands.append(command_of(order))
    answers = iter(await _submit(request, identity, raw, commands))
    results = [next(answers) if result is None else result for result in results]
    return _json({"results": [_order_result(result) for result in results]}, 200)


async def post_price(request: Request) -> Response:
    """Apply a mark price; answered when the liquidations it causes are durable (MRK)."""
    identity = _of_scope(await identify(request), "feed")
    raw, body = await _read(request, TickBody)
    (result,) = await _submit(request, identity, raw, [_tick(body)])
    if isinstance(result, Rejection):
        raise refused(result)
    assert isinstance(result, Ticked)
    return _json(
        {
            "symbol": result.symbol,
            "mark_price": plain(result.mark_price),
            "time": time_text(result.time),
            "accounts_at_risk": result.accounts_at_risk,
        },
        200,
    )


async def post_prices(request: Request) -> Response:
    """Apply up to 10,000 ticks in order, each as if alone (MRK-2)."""
    identity = _of_scope(await identify(request), "feed")
    raw, body = await _read(request, TicksBody)
    results = await _submit(request, identity, raw, [_tick(tick) for tick in body.ticks])
    refusals = [
        {"index": index, "code": result.code}
        for index, result in enumerate(results)
        if isinstance(result, Rejection)
    ]
    at_risk = sum(result.accounts_at_risk for result in results if isinstance(result, Ticked))
    return _json(
        {
            "accepted": len(results) - len(refusals),
            "refused": refusals,
            "accounts_at_risk": at_risk,
        },
        200,
    )


LEAN = (
    Lean("/v1/orders", place_order, OrderBody, PlacedOrderView, 201, "orders", "Place an order"),
    Lean("/v1/orders/batch", place_orders, OrdersBody, OrdersView, 200, "orders", "Place orders"),
    Lean("/v1/prices", post_price, TickBody, TickView, 200, "prices", "Send a mark price"),
    Lean("/v1/prices/batch", post_prices, TicksBody, TicksView, 200, "prices", "Send mark prices"),
)

LEAN_HANDLERS = {lean.path: lean.handler for lean in LEAN}


async def answer(handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a request by a lean handler; every exception becomes a problem document."""
    scope["endpoint"] = handler
    request = Request(scope, receive)
    try:
        response = await handler(request)
    except Exception as error:
        response = await problem_of(request, error)
    await response(scope, receive, send)


def order_json(receipt: object) -> dict[str, Any]:
    """An accepted order as `PlacedOrderView` documents it."""
    assert isinstance(receipt, OrderReceipt)
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


def _order_result(result: object) -> dict[str, Any]:
    if isinstance(result, Rejection):
        result = refused(result)
    if isinstance(result, Problem):
        return {"status": result.status_code, "problem": result.document()}
    return {"status": 201, "order": order_json(result)}


def _tick(body: TickBody) -> Tick:
    return Tick(body.symbol, body.mark_price, body.index_price, body.source_time, body.sequence)


def _of_scope(identity: Identity, scope: str) -> Identity:
    if identity.scope not in (scope, "admin"):
        raise Problem(403, "forbidden", f"this needs a key of scope {scope}")
    return identity


async def _read(request: Request, model: type[Model]) -> tuple[bytes, Model]:
    """The raw body and what it says; raises 400."""
    if request.scope["query_string"]:
        raise malformed("this route has no query parameters", "malformed_query")
    try:
        raw = await request.body()
        return raw, model.model_validate_json(raw)
    except ValidationError as error:
        raise from_validation(error) from None
    except ClientDisconnect:
        raise malformed("the body ended early") from None


async def _submit(
    request: Request, identity: Identity, raw: bytes, commands: Sequence[Command]
) -> list[object]:
    """The durable results of the commands."""
    key = answer_key(request, identity, idempotency_key(request), raw)
    answer = await services_of(request).runner.submit(commands, key)
    return answer.results


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(_dump(body).encode(), status, media_type="application/json")

"""The hot routes: orders and prices, without FastAPI's request machinery.

It costs more than everything else on a single order. A lean route works on the server's messages
themselves: key -> raw body -> schema -> commands -> runner -> JSON. What the edge does for other
routes (limit, counts, headers), it does itself. `openapi` documents it from the same schemas.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_json
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.api.access import Identity, admit, authenticate
from app.api.changing import Changes, answer_key
from app.api.edge import NOSNIFF, announced, first_headers, too_large
from app.api.faults import Fault
from app.api.limits import BODY_LIMIT
from app.api.orders import command_of
from app.api.problems import Problem, from_validation, malformed, problem_of, refused
from app.api.schemas.contracts import TickBody, TicksBody, TicksView, TickView
from app.api.schemas.orders import OrderBody, OrdersBody, OrdersView, PlacedOrderView
from app.api.services import Services
from app.api.strict import check_keys
from app.engine.commands import Command, KeyScope, Tick
from app.engine.events import OrderReceipt, Ticked
from app.engine.numbers import plain, time_text
from app.engine.rejections import Rejection

Document = dict[str, Any]
Handler = Callable[[Identity, Changes, Any], Awaitable[Document]]


@dataclass(frozen=True, slots=True)
class Lean:
    """A lean route: who may use it, what it does, and what its documentation is made of."""

    path: str
    key_scope: KeyScope
    handler: Handler
    request: type[BaseModel]
    response: type[BaseModel]
    status: int
    tag: str
    summary: str

    async def serve(self, services: Services, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every exception becomes a problem document."""
        started, status = perf_counter(), 500
        try:
            try:
                content = to_json(await self._document(services, scope, receive))
                headers = [
                    (b"content-length", b"%d" % len(content)),
                    (b"content-type", b"application/json"),
                    NOSNIFF,
                ]
                status = self.status
            except Exception as error:
                response = await problem_of(Request(scope), error)
                content = bytes(response.body)
                headers = [*response.raw_headers, NOSNIFF]
                status = response.status_code
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        finally:
            services.metrics.count(self.path, "POST", status, perf_counter() - started)

    async def _document(self, services: Services, scope: Scope, receive: Receive) -> Document:
        headers = first_headers(scope)
        admit(services, scope, headers)
        if announced(headers) > BODY_LIMIT:
            raise too_large()
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        identity = await authenticate(services, authorization)
        identity.check_scope(self.key_scope)
        if scope["query_string"]:
            raise malformed("this route has no query parameters", Fault.malformed_query)
        raw = await _read(receive)
        try:
            body = self.request.model_validate_json(raw)
        except ValidationError as error:
            raise from_validation(error) from None
        if raw.count(b":") != len(body.model_fields_set):  # as many: a flat object, no key twice
            check_keys(raw)
        key = answer_key(identity, headers, self.path, raw)
        return await self.handler(identity, Changes(services.runner, key), body)

    def route(self) -> Route:
        """For the router, which does not serve it."""
        return Route(self.path, self.handler, methods=["POST"], include_in_schema=False)


async def place_order(identity: Identity, changes: Changes, order: OrderBody) -> Document:
    """Place an order; 201 with what it did at once, after it is durable (ORD)."""
    identity.check_account(order.account_id)
    result, _ = await changes.apply(command_of(order))
    return order_json(result)


async def place_orders(identity: Identity, changes: Changes, body: OrdersBody) -> Document:
    """Place up to 1,000 orders, applied in order; one durable answer with a result for each.

    A malformed order refuses the whole batch; a rule refuses only its own.
    """
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
    answers = iter(await changes.apply_all(commands))
    results = [next(answers) if result is None else result for result in results]
    return {"results": [_order_result(result) for result in results]}


async def post_price(_: Identity, changes: Changes, tick: TickBody) -> Document:
    """Apply a mark price; answered when the liquidations it causes are durable (MRK)."""
    result, _replayed = await changes.apply(_tick(tick))
    return {
        "symbol": result.symbol,
        "mark_price": plain(result.mark_price),
        "time": time_text(result.time),
        "accounts_at_risk": result.accounts_at_risk,
    }


async def post_prices(_: Identity, changes: Changes, body: TicksBody) -> Document:
    """Apply up to 10,000 ticks in order, each as if alone (MRK-2)."""
    results = await changes.apply_all([_tick(tick) for tick in body.ticks])
    refusals = [
        {"index": index, "code": result.code}
        for index, result in enumerate(results)
        if isinstance(result, Rejection)
    ]
    at_risk = sum(result.accounts_at_risk for result in results if isinstance(result, Ticked))
    return {
        "accepted": len(results) - len(refusals),
        "refused": refusals,
        "accounts_at_risk": at_risk,
    }


LEAN = (
    Lean(
        "/v1/orders", "trader", place_order, OrderBody,
        PlacedOrderView, 201, "orders", "Place an order",
    ),
    Lean(
        "/v1/orders/batch", "trader", place_orders, OrdersBody,
        OrdersView, 200, "orders", "Place orders",
    ),
    Lean(
        "/v1/prices", "feed", post_price, TickBody,
        TickView, 200, "prices", "Send a mark price",
    ),
    Lean(
        "/v1/prices/batch", "feed", post_prices, TicksBody,
        TicksView, 200, "prices", "Send mark prices",
    ),
)  # fmt: skip


async def _read(receive: Receive) -> bytes:
    """The whole body."""
    parts: list[bytes] = []
    left = BODY_LIMIT
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise malformed("the body ended early")
        part, more = message.get("body", b""), message.get("more_body", False)
        left -= len(part)
        if left < 0:
            raise too_large()
        parts.append(part)
    return b"".join(parts)


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
    return Tick(
        body.symbol, body.mark_price, body.index_price, body.source_time, body.sequence,
        sequence_reset=body.sequence_reset,
    )  # fmt: skip

"""The OpenAPI document: FastAPI's routes, the lean routes, and the shared error body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import FastAPI, Header
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from app.api.access import AnyKey
from app.api.changing import IDEMPOTENCY_KEY
from app.api.faults import Fault, table
from app.api.lean import Lean
from app.api.problems import Problem
from app.api.routing import BY_POST, changing, keyed
from app.api.schemas.contracts import ImportBody
from app.api.schemas.problem import ProblemBody
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import PlaceTriggered
from app.engine.engine import Engine
from app.engine.rejections import Code

DESCRIPTION = """
A futures risk engine with insurance funds.

Decimals are strings, times RFC 3339 in UTC, identifiers strings; unknown fields are refused. Every
error is an RFC 9457 problem document with a stable `code`. A change is answered only after it is
durable; a POST with an `Idempotency-Key` can be sent again. Lists have `items` and `next_cursor`,
newest first unless said otherwise.

## Codes

Every operation says which of these it can answer.

"""

TAGS = [
    {"name": "contracts", "description": "What is traded (CON)."},
    {"name": "prices", "description": "Mark prices (MRK)."},
    {"name": "past prices", "description": "What calibrations are made from (CAL-7)."},
    {"name": "accounts", "description": "Traders: money, settings, positions."},
    {"name": "orders", "description": "Orders and trades (ORD)."},
    {"name": "liquidations", "description": "Liquidations, clearance fees, ADL (LIQ, ADL)."},
    {"name": "insurance funds", "description": "Insurance funds and their history (FND, HIS)."},
    {"name": "funding", "description": "Rates, what was settled and paid (FPY)."},
    {"name": "settlements", "description": "Delivery: what contracts were settled at (DLV)."},
    {"name": "treasury", "description": "The exchange's own money and its history; alerts."},
    {"name": "calculators", "description": "Public, no account needed."},
    {"name": "calibrations", "description": "How big a fund must be (CAL)."},
    {"name": "stress tests", "description": "The stress library, and what-ifs (CAL-9, CAL-15)."},
    {"name": "jobs", "description": "Long work in processes of its own."},
    {"name": "api keys", "description": "Who may do what."},
    {"name": "admin acts", "description": "Who did what, when and why."},
    {
        "name": "incidents",
        "description": "What failed, and waits for its release (REC-2).",
    },
    {"name": "health", "description": "For operators."},
]


def install(app: FastAPI, lean_routes: Sequence[Lean]) -> None:
    """Make `app.openapi()` give the whole document, built once."""
    built: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not built:
            built.update(_document(app, lean_routes))
        return built

    async def not_allowed(request: Request, _: Exception) -> Response:
        methods = ", ".join(_methods(openapi()["paths"], request.scope["path"]))
        return Problem(
            Fault.method_not_allowed,
            "this path does not take this method",
            headers={"Allow": methods},
        ).response()

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_exception_handler(405, not_allowed)


def _methods(paths: dict[str, Any], path: str) -> list[str]:
    """The methods that a path takes; the router itself names those of one route only."""
    operations = paths.get(path)
    if operations is None:
        matching = (one for one in paths if compile_path(one)[0].match(path))
        operations = paths.get(next(matching, ""), {"get": None})
    return sorted(method.upper() for method in operations)


def _document(app: FastAPI, lean_routes: Sequence[Lean]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION + table(),
        routes=[*app.routes, *(_documented(lean) for lean in lean_routes)],
        tags=TAGS,
    )
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)  # ours is a problem document
    for operations in document["paths"].values():
        for operation in operations.values():
            responses = operation["responses"]
            if "application/json" in responses.get("422", {}).get("content", {}):
                del responses["422"]
    for model in (ProblemBody, ImportBody):
        schemas[model.__name__] = TypeAdapter(model).json_schema()
    return document


def _documented(lean: Lean) -> APIRoute:
    """The same operation as FastAPI would declare it; it serves no request."""

    async def operation(
        _: AnyKey,
        body: Any,
        key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                pattern=IDEMPOTENCY_KEY,
                description="The same key with the same request returns the first answer (7 days).",
            ),
        ] = None,
    ) -> None:
        """Only its signature is read."""

    operation.__annotations__["body"] = lean.request
    operation.__doc__ = lean.handler.__doc__
    return APIRoute(
        lean.path,
        operation,
        methods=["POST"],
        name=lean.handler.__name__,
        response_model=lean.response,
        status_code=lean.status,
        summary=lean.summary,
        tags=[lean.tag],
        responses=_refusals(lean),
    )


def _refusals(lean: Lean) -> dict[int | str, Any]:
    if lean.command is None:
        return keyed(Fault.not_leader, *BY_POST)
    if lean.command is not PlaceOrder:
        return changing(lean.command, *BY_POST)
    waiting = Engine.handlers[PlaceTriggered].refusals
    return changing(PlaceOrder, *BY_POST, Code.client_order_id_conflict, *waiting)

"""How routes are declared: strict requests, documented errors."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from app.api.faults import Fault
from app.api.problems import malformed
from app.api.strict import parse_json

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}

_MEANINGS = {
    400: "The request does not parse, or a field is not of its documented form.",
    401: "No API key, or an unknown one.",
    403: "The key's scope does not allow this.",
    404: "There is no such thing, or not for this key.",
    409: "It exists already, or this idempotency key was used for another request.",
    413: "The body is larger than 8 MiB.",
    422: "A rule refused it, or a read is too wide; `code` and `context` say which and why.",
    429: "Too many requests of this key or address; see `Retry-After`.",
    503: "Not the leader, too busy, or the database does not answer; see `Retry-After`.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route: these, and those that every route can answer."""
    documented: dict[int | str, dict[str, Any]] = {
        status: {"description": _MEANINGS[status], "content": PROBLEM}
        for status in sorted({400, 413, 429, 503, *statuses})
    }
    for status in (429, 503):
        documented[status]["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return documented


PUBLIC = problems()
KEYED = problems(401, 403)
ADMIN_CHANGE = problems(401, 403, 404, 409, 422)


class JsonRequest(Request):
    """A request whose body is JSON, whatever its Content-Type says, and strict JSON."""

    @property
    def headers(self) -> Headers:
        """The headers; Content-Type is JSON's."""
        if not hasattr(self, "_headers"):
            headers = MutableHeaders(raw=list(self.scope["headers"]))
            headers["content-type"] = "application/json"
            self._headers = headers
        return self._headers

    async def json(self) -> Any:
        """The body; raises 400."""
        return parse_json(await self.body())


class StrictRoute(APIRoute):
    """A route that refuses query parameters it does not know: a misspelt filter filters nothing."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, between the checks."""
        handle = super().get_route_handler()
        known = {
            field.alias
            for field in get_flat_params(self.dependant)
            if isinstance(field.field_info, Query)
        }

        async def strict(request: Request) -> Response:
            for name in request.query_params:
                if name not in known:
                    raise malformed(
                        f"there is no query parameter {name[:50]!a}", Fault.malformed_query
                    )
            if request.query_params.multi_items() != list(request.query_params.items()):
                raise malformed("a query parameter is given twice", Fault.malformed_query)
            return await handle(JsonRequest(request.scope, request.receive))

        return strict


def router(tag: str) -> APIRouter:
    """A router of strict routes."""
    return APIRouter(prefix="/v1", tags=[tag], route_class=StrictRoute)

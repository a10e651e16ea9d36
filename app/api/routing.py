"""How routes are declared: strict requests, documented errors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Query
from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response

from app.api.faults import AnyCode, Fault
from app.api.problems import MEDIA_TYPE, NO_STATUSES, Statuses, malformed
from app.api.strict import parse_json
from app.engine.commands import Command
from app.engine.engine import Engine
from app.engine.rejections import Code

_MEANINGS = {
    400: "The request does not parse, or a field is not of its documented form",
    401: "No API key, or an unknown one",
    403: "The key's scope does not allow this",
    404: "There is no such thing, or not for this key",
    409: "It exists already, or this identifier was used for another request",
    413: "The body is larger than 8 MiB",
    422: "A rule refused it, or a read is too wide; `context` says why",
    429: "Too many requests of this key or address; see `Retry-After`",
    500: "Applying this has failed before and waits for its release",
    503: "Not the leader, too busy, or the database does not answer; see `Retry-After`",
}

ALWAYS = (
    Fault.ambiguous_header,
    Fault.malformed_query,
    Fault.body_too_large,
    Fault.rate_limited,
    Fault.busy,
    Fault.unavailable,
)
"""What every route can answer."""
BY_KEY = (Fault.unauthorized, Fault.forbidden)
BY_POST = (Fault.malformed_body, Fault.idempotency_key_conflict, Code.answer_expired)
IN_PATH: Statuses = {Code.unknown_contract: 404}
"""Where the path names the contract."""


def problems(*codes: AnyCode, statuses: Statuses = NO_STATUSES) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route, by status: these codes, and those of every route."""
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys((*codes, *ALWAYS)):
        by_status[statuses.get(code, code.value.status)].append(code.name)
    return {status: _answer(status, names) for status, names in sorted(by_status.items())}


def _answer(status: int, codes: list[str]) -> dict[str, Any]:
    schema = {
        "allOf": [{"$ref": "#/components/schemas/ProblemBody"}],
        "properties": {"code": {"enum": codes}},
    }
    listed = ", ".join(f"`{code}`" for code in codes)
    answer: dict[str, Any] = {
        "description": f"{_MEANINGS[status]}: {listed}.",
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if status in (429, 503):
        answer["headers"] = {
            "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}
        }
    return answer


def keyed(*codes: AnyCode, statuses: Statuses = NO_STATUSES) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route that needs a key."""
    return problems(*BY_KEY, *codes, statuses=statuses)


def changing(
    kind: type[Command], *codes: AnyCode, statuses: Statuses = NO_STATUSES
) -> dict[int | str, dict[str, Any]]:
    """The documented errors of a route that sends this command: what its handler refuses too."""
    refusals = Engine.handlers[kind].refusals
    return keyed(Fault.not_leader, Code.incident, *codes, *refusals, statuses=statuses)


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

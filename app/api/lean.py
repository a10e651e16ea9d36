"""The hot routes (orders and prices), without FastAPI's request machinery.

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
from app.api.problems import from_validation, malformed, problem_of
from app.api.services import Services
from app.api.strict import check_keys
from app.engine.commands import Command, KeyScope

Document = dict[str, Any]
LeanHandler = Callable[[Identity, Changes, Any], Awaitable[Document]]


@dataclass(frozen=True, slots=True)
class Lean:
    """A lean route: who may use it, what it does, and what its documentation is made of."""

    path: str
    key_scope: KeyScope
    handler: LeanHandler
    command: type[Command] | None
    """What it sends, if that is one; what of a batch is refused stands in its answer."""
    request: type[BaseModel]
    response: Any
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

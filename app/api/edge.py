"""The outermost layer: body limit, request counts, headers that every answer has."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.faults import Fault
from app.api.limits import BODIES_LIMIT, BODY_LIMIT, STREAMED
from app.api.metrics import OTHER, HttpMetrics
from app.api.problems import Problem, malformed

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SINGLE = frozenset(
    {b"authorization", b"content-length", b"content-type", b"host", b"idempotency-key"}
)
"""Headers that decide what a request is: two of them that differ are two requests in one."""
NOSNIFF = b"x-content-type-options", b"nosniff"


class Edge:
    """Counts requests and ends those whose body is too large, announced or not."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics
        self._bodies = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        body = 0
        limit = STREAMED.get(scope["path"], BODY_LIMIT)
        kept = limit == BODY_LIMIT

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append(NOSNIFF)
            await send(message)

        async def limited_receive() -> Message:
            nonlocal body
            message = await receive()
            length = len(message.get("body", b""))
            body += length
            self._bodies += length * kept
            if body > limit:
                raise too_large(limit)
            if self._bodies > BODIES_LIMIT:
                raise Problem(
                    Fault.busy,
                    "too many bodies are being read",
                    headers={"Retry-After": "1", "Connection": "close"},
                )
            return message

        try:
            try:
                if announced(first_headers(scope)) > limit:
                    raise too_large(limit)
            except Problem as problem:
                await problem.response()(scope, receive, counted_send)
            else:
                await self._app(scope, limited_receive, counted_send)
        finally:
            self._bodies -= body * kept
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.count(_template(scope), method, status, perf_counter() - started)


def first_headers(scope: Scope) -> dict[bytes, bytes]:
    """A request's headers, of one that is sent twice the first; raises 400 where that decides."""
    headers = dict(reversed(scope["headers"]))
    if len(headers) < len(scope["headers"]):
        for name, value in scope["headers"]:
            if name in SINGLE and value != headers[name]:
                raise malformed(
                    f"{name.decode()} is given twice, differently",
                    Fault.ambiguous_header,
                    header=name.decode(),
                )
    return headers


def announced(headers: Mapping[bytes, bytes]) -> int:
    """The length of the body, where the headers tell it."""
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else 0


def too_large(limit: int = BODY_LIMIT) -> Problem:
    """413, also of a lean route; the connection ends with it."""
    return Problem(
        Fault.body_too_large,
        f"a body has at most {limit >> 20} MiB",
        {"limit": str(limit)},
        {"Connection": "close"},
    )


def _template(scope: Scope) -> str:
    """The route's path with parameter names: as many labels as routes."""
    route, endpoint = scope.get("route"), scope.get("endpoint")
    if route is None and endpoint is not None:  # all that FastAPI tells of a plain route or a mount
        for one in scope["app"].routes:
            if endpoint in (getattr(one, "endpoint", None), getattr(one, "app", None)):
                route = one
    return str(getattr(route, "path", OTHER))

"""The outermost layer: body limit, request counts, headers that every answer has."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.metrics import HttpMetrics
from app.api.problems import Problem

BODY_LIMIT = 8 * 1024 * 1024
NOSNIFF = b"x-content-type-options", b"nosniff"


class Edge:
    """Counts requests and ends those whose body is too large, announced or not."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        status = 500
        left = BODY_LIMIT

        async def counted_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append(NOSNIFF)
            await send(message)

        async def limited_receive() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise too_large()
            return message

        try:
            if announced(first_headers(scope)) > BODY_LIMIT:
                await too_large().response()(scope, receive, counted_send)
            else:
                await self._app(scope, limited_receive, counted_send)
        finally:
            seconds = perf_counter() - started
            self._metrics.count(_template(scope), scope["method"], status, seconds)


def first_headers(scope: Scope) -> dict[bytes, bytes]:
    """A request's headers; of one that is sent twice, the first."""
    return dict(reversed(scope["headers"]))


def announced(headers: Mapping[bytes, bytes]) -> int:
    """The length of the body, where the headers tell it."""
    length = headers.get(b"content-length", b"")
    return int(length) if length.isdigit() else 0


def too_large() -> Problem:
    """413, also of a lean route."""
    # The server discards what still comes: closing would reset a client before it has read this.
    return Problem(413, "body_too_large", "a body has at most 8 MiB", {"limit": str(BODY_LIMIT)})


def _template(scope: Scope) -> str:
    """The route's path with parameter names: as many labels as routes."""
    route = scope.get("route")
    if route is None and "endpoint" in scope and not scope.get("path_params"):
        return str(scope["path"])  # a plain route without parameters
    return str(getattr(route, "path", "other"))

"""uvicorn's server with our connections and limits; the process's signals are not its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.api.connection import Connection
from app.api.limits import ConnectionLimits
from app.api.metrics import HttpMetrics


class Server(uvicorn.Server):
    """Serves an application of `create_app`, or what stands before it; `metrics` are its own."""

    def __init__(
        self, app: ASGIApp, metrics: HttpMetrics, limits: ConnectionLimits, grace_seconds: int
    ) -> None:
        protocol: Any = partial(Connection, limits=limits, metrics=metrics)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=grace_seconds,
        )
        super().__init__(config)

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second; every second connections whose time is up are ended."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            connections: Any = list(self.server_state.connections)
            for connection in connections:
                connection.end_if_late(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn does; then nobody looks at connections any more, so none is left."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours."""
        yield

"""The application: all routes over one runner and one database."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import docs, openapi, problems
from app.api.accounts import accounts
from app.api.calculators import calculators
from app.api.contracts import contracts, prices
from app.api.edge import Edge
from app.api.funds import funds, treasury
from app.api.health import health
from app.api.history import history
from app.api.keys import keys
from app.api.lean import LEAN, LEAN_HANDLERS, answer
from app.api.liquidations import liquidations
from app.api.orders import orders, trades
from app.api.services import Services
from app.runner.runner import Runner


class Application(FastAPI):
    """FastAPI behind the edge; the lean routes are answered before any of its machinery."""

    def behind(self, edge: Callable[[ASGIApp], Edge]) -> None:
        """Put every request through an edge."""
        self._edge = edge(self._dispatch)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope["app"] = self
        await self._edge(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = None
        if scope["type"] == "http" and scope["method"] == "POST":
            handler = LEAN_HANDLERS.get(scope["path"])
        if handler is None:
            await super().__call__(scope, receive, send)
        else:
            await answer(handler, scope, receive, send)


def create_app(runner: Runner, database: AsyncEngine, *, open_metrics: bool) -> FastAPI:
    """The service over HTTP. The caller starts and stops the runner and owns the database pool.

    `open_metrics`: `/metrics` needs no key (for a service that only this machine can reach).
    """
    services = Services(runner, database, open_metrics=open_metrics)
    app = Application(
        title="Backstop",
        version=version("backstop"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.services = services
    app.behind(lambda inner: Edge(inner, services.metrics))
    # They are answered before the router; here it learns which methods their paths have.
    app.router.routes.extend(lean.route() for lean in LEAN)
    for router in (
        contracts, prices, accounts, keys, orders, trades, liquidations, funds, treasury, history,
        calculators, health,
    ):  # fmt: skip
        app.include_router(router)
    problems.install(app)
    openapi.install(app)
    docs.install(app)
    return app

"""The application: all routes over one runner and one database."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import Receive, Scope, Send

from app.api import docs, openapi, problems
from app.api.access import admit
from app.api.accounts import accounts
from app.api.acts import acts
from app.api.adl import adl
from app.api.backtests import backtests
from app.api.calculators import calculators
from app.api.calibration_pages import calibration_pages
from app.api.calibrations import calibrations
from app.api.candles import candles
from app.api.contracts import contracts
from app.api.edge import Edge, first_headers
from app.api.funding import funding
from app.api.funds import funds
from app.api.health import health
from app.api.history import history
from app.api.incidents import incidents
from app.api.jobs import jobs
from app.api.keys import keys
from app.api.liquidations import liquidations
from app.api.offload import offload
from app.api.orders import orders, trades
from app.api.owners import owners
from app.api.placing import PLACING
from app.api.price_history import price_history
from app.api.prices import PRICING, prices
from app.api.problems import Problem
from app.api.rates import Rates
from app.api.rebalances import rebalances
from app.api.reports import reports
from app.api.services import Services
from app.api.settlements import settlements
from app.api.signals import signals
from app.api.stress import stress
from app.api.stress_tests import stress_tests
from app.api.treasury import treasury
from app.api.verdicts import verdicts
from app.jobs.desk import Desk
from app.runner.runner import Runner

ROUTERS = (
    contracts,
    prices,
    candles,
    price_history,
    accounts,
    keys,
    orders,
    trades,
    liquidations,
    adl,
    funds,
    rebalances,
    treasury,
    history,
    reports,
    signals,
    offload,
    funding,
    settlements,
    calculators,
    stress_tests,
    calibrations,
    calibration_pages,
    stress,
    backtests,
    verdicts,
    jobs,
    incidents,
    owners,
    acts,
    health,
)
"""In the order of the documentation."""
LEAN = (*PLACING, *PRICING)
PROBES = ("/healthz", "/leaderz")
"""A proxy asks these again and again, they cost nothing, and a wrong answer takes us out of it."""


class Application(FastAPI):
    """FastAPI behind the edge; the lean routes are served before any of its machinery."""

    def __init__(self, services: Services, **options: Any) -> None:
        super().__init__(**options)
        self.state.services = self._services = services
        self._edge = Edge(self._admitted, services.metrics)
        # They are served before the router; here it learns which methods their paths have.
        self.router.routes.extend(lean.route() for lean in LEAN)
        self._lean = {lean.path: lean for lean in LEAN}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        lean = self._lean.get(scope["path"]) if scope.get("method") == "POST" else None
        if lean is None:
            await self._edge(scope, receive, send)
        else:
            await lean.serve(self._services, scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of FastAPI's that is not one too many."""
        try:
            if scope["type"] == "http" and scope["path"] not in PROBES:
                admit(self._services, scope, first_headers(scope))
        except Problem as problem:
            await problem.response()(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    runner: Runner,
    database: AsyncEngine,
    rates: Rates | None = None,
    wake_jobs: Callable[[], None] = lambda: None,
    desk: Desk | None = None,
    *,
    open_metrics: bool,
) -> FastAPI:
    """The service over HTTP. The caller starts and stops the runner and owns the database pool.

    `rates`: how many requests are served, else any number. `wake_jobs` is called when a job was
    asked for or canceled; without a `desk` no what-if is answered at once. `open_metrics`:
    `/metrics` needs no key (for a service that only this machine can reach).
    """
    services = Services(
        runner, database, rates or Rates(), wake_jobs, desk, open_metrics=open_metrics
    )
    app = Application(
        services,
        title="Backstop",
        version=version("backstop"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    openapi.install(app, LEAN)
    docs.install(app)
    return app

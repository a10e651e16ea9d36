"""What the routes work with, made once per application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.api.metrics import HttpMetrics
from app.api.ranking import Rankings
from app.runner.runner import Runner


class Services:
    """The runner for changes, the database for reads, and what the edge remembers."""

    def __init__(self, runner: Runner, database: AsyncEngine, *, open_metrics: bool) -> None:
        self.runner = runner
        self.database = database.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
        self.open_metrics = open_metrics
        self.metrics = HttpMetrics()
        self.rankings = Rankings()


def services_of(request: Request) -> Services:
    """The application's services."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


async def _reading(services: ServicesDep) -> AsyncIterator[AsyncConnection]:
    async with services.database.connect() as connection:
        yield connection


Reading = Annotated[AsyncConnection, Depends(_reading, scope="function")]
"""One snapshot of the committed data for the length of the handler."""

"""What the routes work with, made once per application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated

import asyncpg
from fastapi import Depends, Request
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.api.metrics import HttpMetrics
from app.api.problems import too_wide
from app.api.ranking import Rankings
from app.api.rates import Rates
from app.engine.commands import KeyScope
from app.jobs.desk import Desk
from app.runner.runner import Runner
from app.store.reads import Reads, cause_of, connected, raw

KEYS_REMEMBERED = 100_000


class Services:
    """The runner for changes, the database for reads, and what the edge remembers."""

    def __init__(
        self,
        runner: Runner,
        database: AsyncEngine,
        rates: Rates,
        wake_jobs: Callable[[], None],
        desk: Desk | None,
        *,
        open_metrics: bool,
    ) -> None:
        self.runner = runner
        self.database = Reads(database)
        self.wake_jobs = wake_jobs
        self.desk = desk
        self._pool = database
        self.importing = asyncio.Lock()
        self.open_metrics = open_metrics
        self.metrics = HttpMetrics()
        self.rates = rates
        self.known_keys: dict[str, KeyScope] = {}
        self.rankings = Rankings(self.database)

    def remember(self, digest: str, scope: KeyScope) -> None:
        """Keep of a key that was looked up what its requests are counted by."""
        if len(self.known_keys) >= KEYS_REMEMBERED:
            self.known_keys.clear()
        self.known_keys[digest] = scope

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection that writes what is kept beside the engine: each statement by itself."""
        async with connected(self._pool) as connection:
            yield await raw(connection)

    @asynccontextmanager
    async def reading(
        self, *, heavy: bool, narrow: str, keyed: bool = False
    ) -> AsyncIterator[AsyncConnection]:
        """A snapshot for a list; `heavy` where its filters leave more than a page of an index.

        Raises 422 `query_too_wide` when a heavy one takes too long, with what to `narrow`.
        """
        try:
            async with (
                self.database.heavy(keyed=keyed) if heavy else self.database.connect()
            ) as connection:
                yield connection
        except (DBAPIError, asyncpg.QueryCanceledError) as error:
            if heavy and isinstance(cause_of(error), asyncpg.QueryCanceledError):
                raise too_wide(narrow) from error
            raise


def services_of(request: Request) -> Services:
    """The application's services."""
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(services_of)]


async def _reading(services: ServicesDep) -> AsyncIterator[AsyncConnection]:
    async with services.database.connect() as connection:
        yield connection


Reading = Annotated[AsyncConnection, Depends(_reading, scope="function")]
"""One snapshot of the committed data, taken when the handler first asks for something.

A route that changes something and answers with what is stored then has its connection before it
changes anything: where none is free it is `busy`, and nothing is done.
"""

"""Databases in which a market has lived, and verification of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest

from app.engine.bounds import Bounds
from app.engine.engine import Engine
from app.store import database
from app.verify.replay import Findings, verify
from tests.conftest import new_database
from tests.verify.market import live


@contextmanager
def short_cascade_steps() -> Iterator[None]:
    """Cascades take many steps, so that a leader can be stopped between them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "bounds", Bounds(liquidations=1, finds=2))
        yield


@pytest.fixture(autouse=True)
def short_steps() -> Iterator[None]:
    """Lives and replays alike: how long a step is decides what comes out."""
    with short_cascade_steps():
        yield


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection for as long as the body runs."""
    connection = await database.connect(address)
    try:
        yield connection
    finally:
        await connection.close()


async def verified(address: str) -> Findings:
    """What a verification finds."""
    async with connected(address) as connection:
        return await verify(connection, lambda done, total: None)


@pytest.fixture(scope="session")
def lived(server: str, migrated: str) -> Iterator[str]:
    """The address of a database in which a market has lived; not to be changed."""
    with new_database(server, template=migrated) as address:
        with short_cascade_steps():  # and no longer: what comes between has other bounds
            asyncio.run(live(address, seed=1, terms=3, batches=5))
        yield address


@pytest.fixture
async def market(lived: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to that database; what is done over it is undone at the end."""
    async with connected(lived) as connection:
        transaction = connection.transaction(isolation="repeatable_read")
        await transaction.start()
        yield connection
        await transaction.rollback()

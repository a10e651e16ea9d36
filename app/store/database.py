"""How to reach PostgreSQL: raw connections to write and load, a pooled engine for reads.

An address is what asyncpg takes: `postgresql://user:password@host:port/name`, also `postgres://`
and SQLAlchemy's `postgresql+asyncpg://`, and a Unix socket as `postgresql:///name?host=/directory`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
POOL_SIZE = 5
POOL_OVERFLOW = 10


async def connect(address: str) -> asyncpg.Connection:
    """A connection of one's own; raises OSError or asyncpg.PostgresError."""
    return await asyncpg.connect(
        address.replace("+asyncpg", "", 1), server_settings={"application_name": "backstop"}
    )


def create_engine(address: str) -> AsyncEngine:
    """A pool of connections for SQLAlchemy; nothing is connected yet."""
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, address),
        pool_size=POOL_SIZE,
        max_overflow=POOL_OVERFLOW,
        pool_pre_ping=True,
    )


async def migrate(address: str) -> None:
    """Bring the database to the newest schema; does nothing when it is there already.

    All in one transaction, and one process at a time.
    """
    engine = create_engine(address)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")

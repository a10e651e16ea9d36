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
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
RUNNER_SLOTS = 4
"""Connections of the runner: the lock, the writer, its reader, and now and then a cleaner."""
READ_SLOTS = 10
"""Connections for reads, where the server has enough."""
SLOT_SECONDS = 3.0
"""How long a read waits for a connection."""
STATEMENT_SECONDS = 5
"""How long a statement of a read may take."""
ABANDONED_SECONDS = 30
"""After so long without a statement PostgreSQL ends a read's transaction, and its session."""


async def connect(address: str, **settings: str) -> asyncpg.Connection:
    """A connection of one's own; raises OSError or asyncpg.PostgresError."""
    return await asyncpg.connect(
        address.replace("+asyncpg", "", 1),
        server_settings={"application_name": "backstop", **settings},
    )


def create_engine(address: str, slots: int = READ_SLOTS) -> AsyncEngine:
    """A pool of at most `slots` connections for reads; nothing is connected yet.

    PostgreSQL ends a statement that takes too long, and what a reader left behind.
    """
    settings = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{ABANDONED_SECONDS}s",
        # A read has one process, whatever it is: the others are the writer's.
        "max_parallel_workers_per_gather": "0",
    }
    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, address, **settings),
        pool_size=slots,
        max_overflow=0,
        pool_timeout=SLOT_SECONDS,
        pool_pre_ping=True,
    )


_SLOTS = """
    SELECT least(
        current_setting('max_connections')::int
            - current_setting('superuser_reserved_connections')::int,
        (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
        (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
    )
"""


async def read_slots(address: str) -> int:
    """How many connections for reads leave enough for two instances' runners; at least 2.

    An instance takes half of what server, role and database allow, its runner's first.
    """
    connection = await connect(address)
    try:
        slots: int = await connection.fetchval(_SLOTS)
    finally:
        await connection.close()
    return max(2, min(READ_SLOTS, slots // 2 - RUNNER_SLOTS))


async def migrate(address: str) -> None:
    """Bring the database to the newest schema; does nothing when it is there already.

    All in one transaction, and one process at a time.
    """
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(connect, address), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    command.upgrade(config, "head")

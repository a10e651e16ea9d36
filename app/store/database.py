"""How to reach PostgreSQL: raw connections to write and load, a pooled engine for reads.

An address is what asyncpg takes: `postgresql://user:password@host:port/name`, also `postgres://`
and SQLAlchemy's `postgresql+asyncpg://`, and a Unix socket as `postgresql:///name?host=/directory`.

Every session says itself how it wants to be treated (REC-4): what it asks for at its start wins
over what role, database and server have set.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.store.address import check_address

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
OLDEST_VERSION = 15

SESSION = {
    "application_name": "backstop",
    # Which tables, and what a transaction is.
    "search_path": "public",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    # How values are written and read; the driver itself asks for UTF8.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    "transform_null_equals": "off",
    # No work is ended by a limit that was set for others; who wants one asks for it.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
"""What every session of the service asks for, whatever role, database and server say."""

SETTLE = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') <> 'remote_apply';
    SELECT set_config('transaction_timeout', '0', false)
    WHERE current_setting('transaction_timeout', true) IS NOT NULL
"""
"""What depends on the server: a commit waits for the disk at least, and for replicas where they are
configured to count; the time-out is new in PostgreSQL 17."""

FACTS = """
    SELECT current_setting('server_version_num')::integer / 10000,
        current_setting('server_encoding'), current_setting('fsync'),
        current_setting('full_page_writes'), current_setting('synchronous_commit'),
        pg_is_in_recovery()
"""
DIFFERENT = """
    SELECT string_agg(name, ', ' ORDER BY name)
    FROM unnest($1::text[], $2::text[]) AS wanted (name, value)
    WHERE current_setting(name) <> value
"""


UNREACHABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)
"""How a database shows that it is not there, or not for us."""


class UnfitServer(Exception):
    """Nothing can be made durable on this server as it is; the message says why (REC-4)."""


class ReadOnlyServer(UnfitServer):
    """The server is a replica: it may become a primary."""


async def connect(address: str, **settings: str) -> asyncpg.Connection:
    """A connection of one's own; `settings` are asked for instead of those of `SESSION`.

    Raises OSError, asyncpg.PostgresError, asyncpg.InterfaceError or `AddressError`.
    """
    connection = await asyncpg.connect(
        check_address(address), server_settings={**SESSION, **settings}
    )
    try:
        await connection.execute(SETTLE)
    except BaseException:
        connection.terminate()
        raise
    return connection


def create_engine(address: str, slots: int = READ_SLOTS) -> AsyncEngine:
    """A pool of at most `slots` connections for reads; nothing is connected yet.

    PostgreSQL ends a statement that takes too long, and what a reader left behind.
    """
    settings = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{ABANDONED_SECONDS}s",
        # A read has one process, whatever it is: the others are the writer's.
        "max_parallel_workers_per_gather": "0",
        # It compiles nothing: that pays where much is read.
        "jit": "off",
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


async def check_server(connection: asyncpg.Connection, **settings: str) -> None:
    """Raise `UnfitServer` where what is committed may be lost or changed (REC-4).

    `settings` are those that the connection was made with.
    """
    (facts,) = await connection.fetch(FACTS)
    version, encoding, *switches, commits, replica = facts
    wanted = {name: settings.get(name, value) for name, value in SESSION.items()}
    different = await connection.fetchval(DIFFERENT, list(wanted), list(wanted.values()))
    if version < OLDEST_VERSION:
        raise UnfitServer(f"it is PostgreSQL {version}, and {OLDEST_VERSION} or newer is needed")
    if encoding != "UTF8":
        raise UnfitServer(
            f"the database's encoding is {encoding}, which cannot hold every text. Make one that"
            " can: CREATE DATABASE name ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"
        )
    for name, value in zip(("fsync", "full_page_writes"), switches, strict=True):
        if value != "on":
            raise UnfitServer(f"{name} is {value}: what is committed may be lost. Switch it on")
    if different or commits not in ("on", "remote_apply"):
        raise UnfitServer(
            f"it does not do what a session asks for ({different or 'synchronous_commit'}): if"
            " there is a connection pooler in between, connect to PostgreSQL itself"
        )
    if replica:
        raise ReadOnlyServer("it is a replica and takes no writes")


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

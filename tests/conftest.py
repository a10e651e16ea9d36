"""PostgreSQL for the tests: one real server per process of tests, a fresh database per test.

The server is our embedded one, or the one that `DATABASE_URL` names (its user must be allowed to
create databases; those of the tests are dropped again, nothing else is touched).
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from app.store import database
from app.store.embedded import EmbeddedPostgres

_numbers = count(1)

# In the background of a script SIGINT is ignored, and so it would be in all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is: tests run on all cores at once.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of single folders: pytest reads them only here."""
    parser.addoption("--kills", type=int, default=20, help="how often tests/kills kills")
    parser.addoption("--kill-seed", type=int, default=0, help="when and whom tests/kills kills")
    parser.addoption("--simulations", type=int, default=40, help="seeds of tests/simulation")
    parser.addoption("--simulation-seed", type=int, help="the one seed of tests/simulation")


@contextmanager
def new_database(server: str, template: str = "template0") -> Iterator[str]:
    """A database for as long as the body runs; yields its address."""
    name = f"backstop_test_{os.getpid()}_{next(_numbers)}"
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(address: str, statement: str) -> None:
    connection = await database.connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """The event loop of async tests and fixtures."""
    return "asyncio"


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """A temporary directory that everybody can reach, also the embedded server under root.

    Those of pytest are closed: out of them it would move its data, which would then be left.
    """
    with tempfile.TemporaryDirectory(prefix="test-backstop-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A directory of the test's own for a service's data."""
    with reachable_directory() as directory:
        yield directory


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a running server."""
    if address := os.environ.get("DATABASE_URL"):
        yield address
        return
    with reachable_directory() as directory, asyncio.Runner() as runner:
        postgres = EmbeddedPostgres(directory)
        yield runner.run(postgres.start())
        runner.run(postgres.stop())


@pytest.fixture(scope="session")
def migrated(server: str) -> Iterator[str]:
    """The name of a migrated database that nobody is connected to: a template."""
    with new_database(server) as address:
        asyncio.run(database.migrate(address))
        yield urlsplit(address).path.removeprefix("/")


@pytest.fixture
def address(server: str, migrated: str) -> Iterator[str]:
    """The address of a migrated, empty database of the test's own."""
    with new_database(server, template=migrated) as address:
        yield address


@pytest.fixture
async def connection(address: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's database."""
    connection = await database.connect(address)
    yield connection
    await connection.close()

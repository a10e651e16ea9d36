"""What is measured runs here: one PostgreSQL server, and each service as a process of its own."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from app.catalogue.default import default_commands
from app.engine.commands import Command
from app.engine.rejections import Rejection
from app.runner.runner import Runner
from app.store import database
from app.store.embedded import EmbeddedPostgres

ROOT = Path(__file__).parents[1]
ADMIN_KEY = "an admin key for the benchmarks"

_numbers = count(1)


@asynccontextmanager
async def postgres() -> AsyncIterator[str]:
    """The embedded server with the service's own durable settings, in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="backstop-bench-") as directory:
        Path(directory).chmod(0o755)
        server = EmbeddedPostgres(Path(directory))
        try:
            yield await server.start()
        finally:
            await server.stop()


@asynccontextmanager
async def new_database(server: str, template: str = "") -> AsyncIterator[str]:
    """A database for as long as the body runs: empty, or a copy of the one at `template`."""
    name = f"backstop_bench_{os.getpid()}_{next(_numbers)}"
    source = urlsplit(template).path.removeprefix("/") or "template0"
    await execute(server, f"CREATE DATABASE {name} TEMPLATE {source}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


async def execute(address: str, *statements: str) -> None:
    """Statements on a connection of their own."""
    connection = await database.connect(address)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetch_number(address: str, query: str) -> int:
    """The one number that a query answers."""
    connection = await database.connect(address)
    try:
        number: int = await connection.fetchval(query)
        return number
    finally:
        await connection.close()


async def prepare(address: str, commands: Sequence[Command]) -> None:
    """Migrate, load the default catalogue and apply commands of which none may be refused."""
    await database.migrate(address)
    async with Runner(address) as runner:
        answer = await runner.submit([*default_commands(runner.now()), *commands])
    refused = [result for result in answer.results if isinstance(result, Rejection)]
    if refused:
        raise RuntimeError(str(refused[0]))


@asynccontextmanager
async def service(address: str) -> AsyncIterator[str]:
    """`backstop serve` on a database of the shared server; yields where it is found."""
    async with instance(address) as (found, _):
        yield found


@asynccontextmanager
async def instance(address: str) -> AsyncIterator[tuple[str, Process]]:
    """The same, with its process, which may be killed."""
    environment = {
        "DATABASE_URL": address,
        "BACKSTOP_ADMIN_KEY": ADMIN_KEY,
        "BACKSTOP_PORT": "0",
        "BACKSTOP_HOST": "127.0.0.1",
        # The made-up traders come and go for minutes and never tidy up.
        "BACKSTOP_OPEN_ORDERS": "100000",
        "BACKSTOP_OPEN_ORDERS_PER_CONTRACT": "100000",
    }
    async with _process("app.cli", "serve", environment=environment) as started:
        yield started


@asynccontextmanager
async def floors(address: str) -> AsyncIterator[str]:
    """The two floors of `floors.py` on a database of the shared server."""
    async with _process("benchmarks.floors", address, environment={}) as (found, _):
        yield found


@asynccontextmanager
async def _process(
    module: str, *arguments: str, environment: dict[str, str]
) -> AsyncIterator[tuple[str, Process]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        stdout=PIPE,
        cwd=ROOT,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            if found := re.search(rb"serves on (\S+)", line):
                break
        else:
            raise RuntimeError(f"{module} ended with {await process.wait()}")
        yield found[1].decode(), process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def pin(cores: int = 2) -> None:
    """Let client, services and PostgreSQL share two cores, where the system can do that."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

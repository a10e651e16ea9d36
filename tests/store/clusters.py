"""Embedded clusters that come and go, with something in them to find again."""

from pathlib import Path
from typing import Any

import asyncpg

from app.store.embedded import EmbeddedPostgres


async def ask(address: str, query: str) -> Any:
    connection = await asyncpg.connect(address)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def made(data: Path) -> Path:
    """Make a cluster with a table `kept` in it, not running; return its directory."""
    server = EmbeddedPostgres(data)
    await ask(await server.start(), "CREATE TABLE kept AS SELECT 42 AS number")
    await server.stop()
    return data / "postgres" / "data"


async def starts_with_all_its_data(data: Path) -> bool:
    server = EmbeddedPostgres(data)
    try:
        return bool(await ask(await server.start(), "SELECT number FROM kept") == 42)
    finally:
        await server.stop()

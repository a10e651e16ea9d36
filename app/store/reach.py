"""Which database a command works on: DATABASE_URL's, the running service's, or one it starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from app.store.embedded import EmbeddedPostgres, address_at
from app.store.embedded_files import EmbeddedPostgresError


@asynccontextmanager
async def reach(database_url: str | None, data_dir: Path) -> AsyncIterator[str]:
    """Its address, for as long as the body runs. It is not migrated: that is the service's.

    Raises `EmbeddedPostgresError` where there is none.
    """
    if database_url:
        yield database_url
        return
    if not (data_dir / "postgres" / "data").is_dir():
        raise EmbeddedPostgresError(f"{data_dir} holds no data of Backstop")
    embedded = EmbeddedPostgres(data_dir)
    try:
        address = await embedded.start()
    except EmbeddedPostgresError:
        socket = data_dir / "socket"
        if not socket.is_symlink():
            raise
        address = address_at(socket.readlink())
    try:
        yield address
    finally:
        await embedded.stop()

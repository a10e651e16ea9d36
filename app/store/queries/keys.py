"""API keys; never a secret, which nobody stores."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.tables import api_keys


async def active_key(connection: AsyncConnection, digest: str) -> RowMapping | None:
    """The key with this SHA-256 digest, unless it was revoked."""
    query = select(api_keys).where(api_keys.c.digest == digest, api_keys.c.revoked_at.is_(None))
    return (await connection.execute(query)).mappings().one_or_none()


async def get_key(connection: AsyncConnection, key_id: str) -> RowMapping | None:
    """One key, revoked or not."""
    query = select(api_keys).where(api_keys.c.key_id == key_id)
    return (await connection.execute(query)).mappings().one_or_none()


async def list_keys(
    connection: AsyncConnection, limit: int, after: str | None = None
) -> Sequence[RowMapping]:
    """Keys by identifier, revoked ones among them."""
    query = select(api_keys).order_by(api_keys.c.key_id).limit(limit)
    if after is not None:
        query = query.where(api_keys.c.key_id > after)
    return (await connection.execute(query)).mappings().all()

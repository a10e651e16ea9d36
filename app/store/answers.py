"""Table `answers`: the first answer to each request and order, looked up by its idempotency key."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from app.engine.results import OrderReceipt, TriggeredReceipt
from app.store import codec

log = logging.getLogger("backstop.answers")

REQUESTS_KEPT = timedelta(days=7)

AnswerName = tuple[str, str]
"""Scope and key, which name an answer."""


@dataclass(frozen=True, slots=True)
class Known:
    """An answer that was given, or will be once its batch is durable.

    One that cannot be read has no results, however many commands it answered.
    """

    digest: str
    results: list[object]


async def look_up(
    connection: asyncpg.Connection, names: Collection[AnswerName]
) -> dict[AnswerName, Known]:
    """The stored answers among `names`, in one query."""
    scopes, keys = zip(*names, strict=True)
    rows = await connection.fetch(
        "SELECT scope, key, digest, results, format FROM answers"
        " JOIN unnest($1::text[], $2::text[]) AS wanted (scope, key) USING (scope, key)",
        scopes,
        keys,
    )
    return {(row["scope"], row["key"]): known(row) for row in rows}


def known(row: Any) -> Known:
    """A row's answer, without results where they cannot be read: no row may end a leadership."""
    return Known(row["digest"], _results(row))


def _results(row: Any) -> list[object]:
    scope, key = row["scope"], row["key"]
    try:
        results = codec.decode_results(row["results"], row["format"])
    except codec.Unreadable as error:
        log.warning("answer %s of %s cannot be read: %r", key, scope, error.__cause__ or error)
        return []
    kinds = list(map(type, results))
    if scope.startswith("order/") and kinds not in ([OrderReceipt], [TriggeredReceipt]):
        log.warning("answer %s of %s is not an order's", key, scope)
        return []
    return results


async def forget_old_requests(connection: asyncpg.Connection, now: datetime) -> None:
    """Delete answers to requests older than 7 days; those to orders stay for ever."""
    await connection.execute(
        "DELETE FROM answers WHERE scope LIKE 'request/%' AND time < $1",
        now - REQUESTS_KEPT,
    )

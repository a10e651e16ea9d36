"""Idempotency: what is remembered of answers already given (ORD-1, API.md "Style").

An answer is looked for in memory first, then in table `answers`. An entry leaves memory only after
it is durable, so that at every moment at least one of the two has it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal

import asyncpg

from app.engine.commands import PlaceOrder
from app.engine.numbers import plain
from app.engine.rejections import Rejection
from app.store import codec

REMEMBERED_RESULTS = 100_000
REQUESTS_KEPT = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """Names a submission: the same scope and key with another digest is another request's."""

    scope: str
    key: str
    digest: str

    @property
    def name(self) -> tuple[str, str]:
        """What is unique: scope and key."""
        return self.scope, self.key


@dataclass(frozen=True, slots=True)
class Answer:
    """The results of a submission's commands, in order; `replayed`: given once before."""

    results: list[object]
    replayed: bool


@dataclass(frozen=True, slots=True)
class Known:
    """An answer that was given, or will be once its batch is durable."""

    digest: str
    results: list[object]


class AnswerConflict(Exception):  # noqa: N818 - an answer to the client, not an error
    """The key was used before, with another body (409)."""


def order_name(order: PlaceOrder) -> tuple[str, str] | None:
    """Scope and key of an order with a client order id: unique per account for ever (ORD-1)."""
    if order.client_order_id is None:
        return None
    return f"order/{order.account_id}", order.client_order_id


def order_key(order: PlaceOrder) -> AnswerKey | None:
    """`order_name` with the digest of all that was ordered."""
    name = order_name(order)
    if name is None:
        return None
    body = "|".join(_text(getattr(order, field.name)) for field in fields(order))
    return AnswerKey(*name, hashlib.sha256(body.encode()).hexdigest())


def order_conflict(order: PlaceOrder) -> Rejection:
    """The refusal of an order whose client order id belongs to another order (409)."""
    return Rejection(
        "client_order_id_conflict",
        "this client_order_id was used before, for another order",
        {"client_order_id": order.client_order_id or ""},
    )


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else repr(value)


class Memory:
    """Answers applied lately, oldest first, each with the batch that makes it durable."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], tuple[Known, int]] = OrderedDict()
        self._results = 0

    def get(self, name: tuple[str, str]) -> Known | None:
        """The answer under this scope and key, if it is remembered."""
        entry = self._known.get(name)
        return entry[0] if entry else None

    def put(self, name: tuple[str, str], known: Known, batch: int) -> None:
        """Remember an answer that batch number `batch` stores."""
        self._known[name] = known, batch
        self._results += len(known.results)

    def trim(self, durable: int) -> None:
        """Forget the oldest beyond the limit, but none that is not durable yet."""
        while self._results > REMEMBERED_RESULTS:
            name, (known, batch) = next(iter(self._known.items()))
            if batch > durable:
                return
            del self._known[name]
            self._results -= len(known.results)


async def look_up(
    connection: asyncpg.Connection, names: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], Known]:
    """The stored answers among `names`, in one query."""
    scopes, keys = zip(*names, strict=True)
    rows = await connection.fetch(
        "SELECT scope, key, digest, results FROM answers"
        " JOIN unnest($1::text[], $2::text[]) AS wanted (scope, key) USING (scope, key)",
        scopes,
        keys,
    )
    return {
        (row["scope"], row["key"]): Known(row["digest"], codec.decode_results(row["results"]))
        for row in rows
    }


async def forget_old_requests(connection: asyncpg.Connection) -> None:
    """Delete answers to requests older than 7 days; those to orders stay for ever."""
    await connection.execute(
        "DELETE FROM answers WHERE scope LIKE 'request/%' AND time < now() - $1::interval",
        REQUESTS_KEPT,
    )

"""Idempotency: what is remembered of answers already given (ORD-1; README, "Retries").

An answer is looked for in memory first, then in table `answers`. An entry leaves memory only after
it is durable, so that at every moment at least one of the two has it.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from app.engine.commands import PlaceOrder
from app.engine.events import OrderReceipt
from app.engine.numbers import plain
from app.engine.rejections import Rejection
from app.store import codec

log = logging.getLogger("backstop.answers")

REMEMBERED_RESULTS = 100_000
DIGESTED_FIELDS = 11
"""The first fields of an order are always in its digest, later ones only when they are used: an
order that was sent before there were such has the same digest when it is sent again."""
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
    """An answer that was given, or will be once its batch is durable.

    One that cannot be read has no results, however many commands it answered.
    """

    digest: str
    results: list[object]


class AnswerExpired(Exception):  # noqa: N818 - an answer to the client, not an error
    """It was done before, and its answer is stored in a form that cannot be read any more (409)."""


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
    body = "|".join(
        _text(getattr(order, field.name))
        for number, field in enumerate(fields(order))
        if number < DIGESTED_FIELDS or getattr(order, field.name) != field.default
    )
    return AnswerKey(*name, hashlib.sha256(body.encode()).hexdigest())


def order_expired(order: PlaceOrder) -> Rejection:
    """The refusal of an order that was placed already, when its answer cannot be read (409)."""
    return Rejection(
        "answer_expired",
        "this order was placed before; its first answer can no longer be read",
        {"client_order_id": order.client_order_id or ""},
    )


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
        "SELECT scope, key, digest, results, format FROM answers"
        " JOIN unnest($1::text[], $2::text[]) AS wanted (scope, key) USING (scope, key)",
        scopes,
        keys,
    )
    return {(row["scope"], row["key"]): Known(row["digest"], _results(row)) for row in rows}


def _results(row: Any) -> list[object]:
    """The results of a row, none where they cannot be read: no row may end a leadership."""
    scope, key = row["scope"], row["key"]
    try:
        results = codec.decode_results(row["results"], row["format"])
    except codec.Unreadable as error:
        log.warning("answer %s of %s cannot be read: %r", key, scope, error.__cause__ or error)
        return []
    if scope.startswith("order/") and list(map(type, results)) != [OrderReceipt]:
        log.warning("answer %s of %s is not an order's", key, scope)
        return []
    return results


async def forget_old_requests(connection: asyncpg.Connection, now: datetime) -> None:
    """Delete answers to requests older than 7 days; those to orders stay for ever."""
    await connection.execute(
        "DELETE FROM answers WHERE scope LIKE 'request/%' AND time < $1",
        now - REQUESTS_KEPT,
    )

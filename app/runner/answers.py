"""Idempotency: what an answer is given to, and what it is (ORD-1; README, "Retries")."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from decimal import Decimal

from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import PlaceTriggered
from app.engine.numbers import plain
from app.engine.rejections import Code, Rejection
from app.store.answers import AnswerName

NamedOrder = PlaceOrder | PlaceTriggered
"""What may have a client order id; the types say which of the two an order is."""
DIGESTED_FIELDS = 11
"""The first fields of an order are always in its digest, later ones only when they are used: an
order that was sent before there were such has the same digest when it is sent again."""


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """Names a submission: the same scope and key with another digest is another request's."""

    scope: str
    key: str
    digest: str

    @property
    def name(self) -> AnswerName:
        """What is unique: scope and key."""
        return self.scope, self.key


@dataclass(frozen=True, slots=True)
class Answer:
    """The results of a submission's commands, in order; `replayed`: given once before."""

    results: list[object]
    replayed: bool


class AnswerExpired(Exception):
    """It was done before, and its answer is stored in a form that cannot be read any more (409)."""


class AnswerConflict(Exception):
    """The key was used before, with another body (409)."""


def order_name(order: NamedOrder) -> AnswerName | None:
    """Scope and key of an order with a client order id: unique per account for ever (ORD-1)."""
    if order.client_order_id is None:
        return None
    return f"order/{order.account_id}", order.client_order_id


def order_key(order: NamedOrder) -> AnswerKey | None:
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


def order_expired(order: NamedOrder) -> Rejection:
    """The refusal of an order that was placed already, when its answer cannot be read (409)."""
    return Rejection.of(
        Code.answer_expired,
        "this order was placed before; its first answer can no longer be read",
        client_order_id=order.client_order_id or "",
    )


def order_conflict(order: NamedOrder) -> Rejection:
    """The refusal of an order whose client order id belongs to another order (409)."""
    return Rejection.of(
        Code.client_order_id_conflict,
        "this client_order_id was used before, for another order",
        client_order_id=order.client_order_id or "",
    )


def _text(value: object) -> str:
    return plain(value) if isinstance(value, Decimal) else repr(value)

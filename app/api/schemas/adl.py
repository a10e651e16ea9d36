"""Auto-deleveraging: events, notices, queues."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.api.schemas.base import (
    LEFT_OUT,
    Exact,
    Id,
    Time,
    View,
)
from app.api.schemas.liquidations import OwnOnly, PositionDirection
from app.engine.commands import PositionSide
from app.engine.events import CloseReason
from app.engine.policies import AdlPolicy


class AdlEventView(View):
    """An auto-deleveraging (ADL-4); `side` is the bankrupt position's.

    Without a `liquidation_id` it is the inventory of the `fund` itself that was closed, for the
    fund could not carry its loss (FND-5).

    `adl_policy` is the one of the fund by which counterparties were chosen (ADL-1).

    `ranked_at` is of when the scores of its queue are: with many opposite positions up to ten
    seconds and the making of the queue before `time` (ADL-5).
    """

    adl_event_id: Id
    liquidation_id: Id | None
    time: Time
    symbol: str
    fund: str
    side: PositionDirection
    quantity: Exact
    bankruptcy_price: Exact
    mark_price: Exact
    deficit: Exact
    notional_closed: Exact
    overshoot: Exact
    queue_length: int
    ranked_at: Time
    adl_policy: AdlPolicy


class QueuePlaceView(View):
    """A place in the queue as it stood before the event; rank from 1."""

    rank: int
    account_id: OwnOnly = LEFT_OUT
    position_side: PositionSide
    score: Exact
    quantity: Exact


class CounterpartyView(View):
    """A counterparty's part in an event (ADL-3)."""

    rank: int
    account_id: OwnOnly = LEFT_OUT
    position_side: PositionSide
    score: Exact
    quantity_before: Exact
    quantity: Exact
    price: Exact
    realized_profit: Exact
    reason: CloseReason


class AdlEventDetailView(AdlEventView):
    """An event with the head of the queue as it was, and who was deleveraged."""

    queue: list[QueuePlaceView]
    counterparties: list[CounterpartyView]


class AdlNoticeView(View):
    """What an account is told of an event that deleveraged it (ADL-3).

    `side` is its own position's, which the event closed against a bankrupt one of the other side.
    """

    adl_event_id: Id
    time: Time
    symbol: str
    fund: str
    adl_policy: AdlPolicy
    side: PositionDirection
    position_side: PositionSide
    rank: int
    score: Exact
    quantity_before: Exact
    quantity: Exact
    price: Exact
    mark_price: Exact
    realized_profit: Exact
    reason: CloseReason


class QueueView(View):
    """A place in a contract's ADL queue now; rank 1 is deleveraged first.

    `side` is the ranked position's: when a long goes bankrupt, shorts are deleveraged.
    `quantile` is 4 for the first fifth of the side, 0 for the last. `own`: it is the key's.
    """

    side: PositionDirection
    rank: int
    quantile: Annotated[int, Field(ge=0, le=4)]
    score: Exact
    quantity: Exact
    own: bool

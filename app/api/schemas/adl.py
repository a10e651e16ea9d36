"""Auto-deleveraging: events, notices, queues."""

from __future__ import annotations

from typing import Annotated, Literal

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
from app.engine.trading.funds import NoDistance


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


class ChosenView(View):
    """What a policy closes against one counterparty; `score` is the policy's own."""

    rank: int
    account_id: OwnOnly = LEFT_OUT
    position_side: PositionSide
    score: Exact
    quantity_before: Exact
    quantity: Exact
    reason: CloseReason


class PolicyOutcomeView(View):
    """What one policy closes of the event's quantity; `actual`: it is the one that did.

    `left` is what it closes against none of the places: the account's own other leg, the fund's
    inventory, or, where not all places were kept, others.
    """

    policy: AdlPolicy
    actual: bool
    quantity: Exact
    left: Exact
    overshoot: Exact
    counterparties: list[ChosenView]


class AdlCounterfactualView(View):
    """What the three policies would have done with one event (ADL-1).

    The one that did is told as it was. The others are worked out from the figures of the first
    `places_kept` places of its queue, as if nobody else stood opposite: `complete` says whether
    these were all. Events from before figures were kept have none.
    """

    adl_event_id: Id
    time: Time
    symbol: str
    side: PositionDirection
    quantity: Exact
    bankruptcy_price: Exact
    mark_price: Exact
    deficit: Exact
    adl_policy: AdlPolicy
    queue_length: int
    places_kept: int
    complete: bool
    policies: list[PolicyOutcomeView]


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


AdlRisk = Literal["low", "medium", "high"]


class NearView(View):
    """Open positions whose margin scope has less than twice its maintenance margin left."""

    positions: int
    notional: Exact


class AdlRiskView(View):
    """How likely the next liquidations of a contract are to end in ADL (ADL-3).

    `carries` = max(0, `max_net_notional` - `net_notional`) is what the fund could still take over;
    `max_net_notional` is the policy's ratio x `balance_at_mark`, the balance with the inventory's
    profit or loss. The risk is `high` when one side's positions near liquidation are worth more
    than that, `medium` when they are worth more than half of it or the fund carries nothing, else
    `low`. They are taken as if all of them went bankrupt at once and the book filled none.
    `distance` and `reason` are the fund's own, as in its view.
    """

    symbol: str
    risk: AdlRisk
    fund: str
    asset: str
    adl_policy: AdlPolicy
    balance: Exact
    balance_at_mark: Exact
    net_notional: Exact
    max_net_notional: Exact
    cap_use: Exact | None
    carries: Exact
    distance: Exact
    reason: NoDistance | None
    near_long: NearView
    near_short: NearView


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

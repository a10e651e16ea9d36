"""Orders that wait for a price."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import (
    CommandOf,
    GroupKind,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
    TriggeredType,
)
from app.engine.commands.orders import PlaceOrder

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import GroupReceipt, TriggeredReceipt  # noqa: F401 - ruff looks into no string

BECOME_MARKET: frozenset[TriggeredType] = frozenset(
    {"stop_market", "take_profit_market", "trailing_stop"}
)
"""The others become limit orders."""


@dataclass(frozen=True, slots=True)
class PlaceTriggered(CommandOf["TriggeredReceipt"]):
    """An order that waits for a price, and is then placed as any other (TRG-1).

    With `close_position` it has no `quantity`, and closes what is there by then. A trailing stop
    triggers where the price has come back by `callback_rate` from the best it has had since it was
    placed, or since the `trigger_price` was there, where it has one.
    """

    account_id: str
    symbol: str
    side: Side
    type: TriggeredType
    quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    reduce_only: bool = False
    position_side: PositionSide = "both"
    client_order_id: str | None = None
    self_trade_prevention: SelfTradePrevention = "expire_taker"
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy = "mark"
    close_position: bool = False
    callback_rate: Decimal | None = None


@dataclass(frozen=True, slots=True)
class AmendTriggered(CommandOf["TriggeredReceipt"]):
    """Other terms of an order that waits for a price (TRG-1); None: as it is.

    With `account_id` only if it is that account's.
    """

    order_id: int
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    callback_rate: Decimal | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceGroup(CommandOf["GroupReceipt"]):
    """Orders of which the first that fills or is cancelled decides the rest (TRG-2).

    oco: two, of which at most the `first` is placed at once. bracket: an entry, which is the
    `first` where that is placed at once, and then what takes profit and what stops.
    """

    kind: GroupKind
    first: PlaceOrder | None
    waiting: tuple[PlaceTriggered, ...]


def rises(side: Side, kind: TriggeredType) -> bool:
    """Whether an order waits for a price at or above its own, not at or below (TRG-1).

    A trailing stop waits so for the price from which on it follows.
    """
    return (side == "buy") == (kind in ("stop", "stop_market"))

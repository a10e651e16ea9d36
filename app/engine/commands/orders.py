"""Orders, and what cancels them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import (
    CommandOf,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Canceled, Countdown, OrderReceipt  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class PlaceOrder(CommandOf["OrderReceipt"]):
    """An order (ORD-1); `price` is None for a market order, whose time in force is ioc."""

    account_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal
    price: Decimal | None = None
    time_in_force: TimeInForce = "gtc"
    reduce_only: bool = False
    position_side: PositionSide = "both"
    client_order_id: str | None = None
    self_trade_prevention: SelfTradePrevention = "expire_taker"


@dataclass(frozen=True, slots=True)
class AmendOrder(CommandOf["OrderReceipt"]):
    """Another quantity (filled ones counted) or price of an open order (ORD-15); None: as it is.

    With `account_id` only if it is that account's.
    """

    order_id: int
    quantity: Decimal | None = None
    price: Decimal | None = None
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelOrder(CommandOf["Canceled"]):
    """Cancel an open order; with `account_id` only if it is that account's."""

    order_id: int
    account_id: str | None = None


@dataclass(frozen=True, slots=True)
class CancelOrders(CommandOf["Canceled"]):
    """Cancel an account's open orders, in one contract or in all."""

    account_id: str
    symbol: str | None = None


@dataclass(frozen=True, slots=True)
class CancelAllAfter(CommandOf["Countdown"]):
    """Cancel all of an account's open orders in so many seconds, unless this comes again by then
    (ORD-14); 0 switches it off."""

    account_id: str
    seconds: int


@dataclass(frozen=True, slots=True)
class CancelAllDue(CommandOf["Canceled"]):
    """An account's countdown has run out: nobody sends this (ORD-14)."""

    account_id: str

"""What a command results in: what its caller is told.

All identifiers are integers counted by the engine; the HTTP layer prints them as strings.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from app.engine.commands import (
    GroupKind,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
    TimeInForce,
    TriggerBy,
    TriggeredStatus,
    TriggeredType,
)


class Fill(NamedTuple):
    """One fill of an order as its owner sees it."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    fee: Decimal


class OrderReceipt(NamedTuple):
    """An accepted order as it stood when its command ended.

    `average_price` is None without a fill; `reason` says why it ended early.
    """

    order_id: int
    client_order_id: str | None
    account_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: OrderType
    time_in_force: TimeInForce
    reduce_only: bool
    price: Decimal | None
    quantity: Decimal
    status: OrderStatus
    filled_quantity: Decimal
    remaining_quantity: Decimal
    average_price: Decimal | None
    fills: tuple[Fill, ...]
    reason: str | None
    created_at: datetime


class TriggeredReceipt(NamedTuple):
    """An order that waits for a price, as it stood when its command ended (TRG-1)."""

    order_id: int
    client_order_id: str | None
    account_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: TriggeredType
    time_in_force: TimeInForce
    reduce_only: bool
    price: Decimal | None
    quantity: Decimal | None
    trigger_price: Decimal | None
    trigger_by: TriggerBy
    status: TriggeredStatus
    created_at: datetime
    callback_rate: Decimal | None = None
    group_id: int | None = None
    reason: str | None = None
    updated_at: datetime | None = None


class GroupReceipt(NamedTuple):
    """Orders of which the first decides the rest, as they stood in the end (TRG-2)."""

    group_id: int
    kind: GroupKind
    first: OrderReceipt | None
    waiting: tuple[TriggeredReceipt, ...]


class Done(NamedTuple):
    """A command that has nothing to report but its identifier, where it made one."""

    identifier: str | None = None


class Moved(NamedTuple):
    """Money moved: the transfer and the balance it left."""

    transfer_id: int
    time: datetime
    asset: str
    amount: Decimal
    balance: Decimal


class FundToFund(NamedTuple):
    """A move of a rebalance, from one fund to another (FND-8)."""

    source: str
    destination: str
    amount: Decimal


class Rebalanced(NamedTuple):
    """What a rebalance has moved, in order; nothing where nobody lacks or none has to spare."""

    asset: str
    moves: tuple[FundToFund, ...]


class FundingRateSet(NamedTuple):
    """A funding rate that was given, and the funding time that it is for."""

    symbol: str
    rate: Decimal
    time: datetime


class SettlementPriced(NamedTuple):
    """A settlement price that was given, and the delivery time that it is for."""

    symbol: str
    price: Decimal
    time: datetime


class Imported(NamedTuple):
    """How many contracts an import created and updated."""

    created: int
    updated: int


class Canceled(NamedTuple):
    """The orders that a cancel command closed."""

    order_ids: tuple[int, ...]


class Countdown(NamedTuple):
    """When an account's open orders are cancelled (ORD-14); None: that is switched off."""

    cancel_at: datetime | None


class Ticked(NamedTuple):
    """A tick that was applied, its cascade finished."""

    symbol: str
    mark_price: Decimal
    time: datetime
    accounts_at_risk: int

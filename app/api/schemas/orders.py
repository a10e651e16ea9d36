"""Orders and trades."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from app.api.schemas.base import (
    LEFT_OUT,
    AccountId,
    Body,
    ClientOrderId,
    Exact,
    Id,
    Number,
    Symbol,
    Time,
    View,
    example,
)
from app.api.schemas.problem import ProblemBody
from app.engine.commands import (
    GroupKind,
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TriggerBy,
    TriggeredStatus,
    TriggeredType,
)

ORDER = {
    "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.1",
    "price": "60000", "time_in_force": "gtc", "reduce_only": False, "position_side": "both",
    "client_order_id": "a-1",
}  # fmt: skip


STOP = {
    "account_id": "alice", "symbol": "BTCUSDT", "side": "sell", "type": "stop_market",
    "trigger_price": "58000", "trigger_by": "mark", "close_position": True,
}  # fmt: skip
WAITING = frozenset(get_args(TriggeredType))


class OrderBody(Body):
    """An order (ORD-1), or one that waits for a price (TRG-1).

    A client order id is unique per account for ever and idempotent.
    """

    account_id: AccountId
    symbol: Symbol
    side: Side
    type: OrderType | TriggeredType = Field(
        description="A stop sells at or below its trigger price and buys at or above; take_profit"
        " is the other way round. Triggered, stop and take_profit are limit orders, those with"
        " _market, and trailing_stop, market orders. A trailing_stop sells where the price has"
        " fallen by its callback rate from the best it had since, and buys where it has risen so."
    )
    quantity: Number | None = Field(
        default=None,
        description="Needed but for close_position. Of an inverse contract: whole contracts.",
    )
    price: Number | None = Field(
        default=None, description="What is or becomes a limit order needs one, others none."
    )
    time_in_force: TimeInForce | None = Field(
        default=None, description="gtc when left out, ioc for a market order."
    )
    reduce_only: bool = False
    position_side: PositionSide = Field(
        default="both",
        description="The leg that it is of: both in one-way mode; in hedge mode long or short. What"
        " works against a leg, a sell of long or a buy of short, is reduce-only.",
    )
    client_order_id: ClientOrderId | None = None
    self_trade_prevention: SelfTradePrevention = "expire_taker"
    trigger_price: Number | None = Field(
        default=None,
        description="What it waits for: orders that wait need one, others none. A trailing stop"
        " may have one: from when it is there it follows the price, else at once.",
    )
    callback_rate: Number | None = Field(
        default=None,
        description="Of a trailing stop, which needs one: a fraction from 0.001 to 0.1.",
        examples=["0.01"],
    )
    trigger_by: TriggerBy | None = Field(default=None, description="mark when left out.")
    close_position: bool = Field(
        default=False, description="Closes all that is there when it is triggered."
    )

    model_config = example(ORDER, STOP)

    @property
    def waits(self) -> bool:
        """Whether it waits for a price."""
        return self.type in WAITING

    @model_validator(mode="after")
    def _is_of_one_kind(self) -> Self:
        if self.type in WAITING:
            return self
        if self.quantity is None:
            raise ValueError("quantity is needed")
        waits = self.trigger_by or self.close_position
        if waits or self.trigger_price is not None or self.callback_rate is not None:
            raise ValueError(f"a {self.type} order waits for no price")
        return self


class AmendBody(Body):
    """Another quantity, in all and so more than is filled, or price; what is left out stays.

    An untriggered order's trigger price and callback rate too, as far as one of its type has them.
    """

    quantity: Number = LEFT_OUT
    price: Number = LEFT_OUT
    trigger_price: Number = LEFT_OUT
    callback_rate: Number = LEFT_OUT

    model_config = example({"quantity": "0.05", "price": "60000"}, {"trigger_price": "58500"})


class OrdersBody(Body):
    """Orders, applied in order."""

    orders: Annotated[list[OrderBody], Field(min_length=1, max_length=1000)]

    model_config = example({"orders": [ORDER]})


CLOSING = {"account_id": "alice", "symbol": "BTCUSDT", "side": "sell", "quantity": "0.1"}
BRACKET = {
    "kind": "bracket",
    "orders": [
        {**CLOSING, "side": "buy", "type": "limit", "price": "60000"},
        {**CLOSING, "type": "take_profit_market", "trigger_price": "63000", "reduce_only": True},
        {**CLOSING, "type": "stop_market", "trigger_price": "59000", "reduce_only": True},
    ],
}


class GroupBody(Body):
    """Orders of which the first that fills or is cancelled decides the rest (TRG-2).

    oco: two, of which at least one waits for a price. bracket: an entry, what takes profit and what
    stops, in this order. All of one account and contract, without client order ids.
    """

    kind: GroupKind
    orders: Annotated[list[OrderBody], Field(min_length=2, max_length=3)]

    model_config = example(BRACKET)


class FillView(View):
    """A fill, as the order's owner sees it."""

    trade_id: Id
    price: Exact
    quantity: Exact
    fee: Exact


class OrderView(View):
    """An order. `average_price` is to eight decimals, or four more than the contract's tick size
    has; `reason` says why it ended early."""

    order_id: Id
    client_order_id: str | None
    account_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: OrderType
    time_in_force: TimeInForce
    reduce_only: bool
    price: Exact | None
    quantity: Exact
    status: OrderStatus
    filled_quantity: Exact
    remaining_quantity: Exact
    average_price: Exact | None
    reason: str | None
    created_at: Time


class PlacedOrderView(OrderView):
    """An accepted order as it stood when it had been matched, with the fills it made."""

    fills: list[FillView]


class StoredOrderView(OrderView):
    """An order as it is now; its fills are in `GET /v1/trades`."""

    updated_at: Time


class TriggeredOrderView(View):
    """An order that waits for a price (TRG-1). It fills nothing itself, so its filled quantity
    stays 0: the order that it becomes does, which is `became_order_id`. `reason` says why it
    became none."""

    order_id: Id
    client_order_id: str | None
    account_id: str
    symbol: str
    side: Side
    position_side: PositionSide
    type: TriggeredType
    time_in_force: TimeInForce
    reduce_only: bool
    price: Exact | None
    quantity: Exact | None = Field(description="Null: it closes what is there.")
    trigger_price: Exact | None
    trigger_by: TriggerBy
    callback_rate: Exact | None
    close_position: bool
    status: TriggeredStatus
    filled_quantity: Literal["0"] = "0"
    remaining_quantity: Exact | None = Field(description="As `quantity`.")
    average_price: None = None
    became_order_id: Id | None
    group_id: Id | None
    reason: str | None
    created_at: Time
    updated_at: Time


class PlacedTriggeredView(TriggeredOrderView):
    """An accepted order that waits for a price, with the fields of any accepted order."""

    fills: list[FillView] = Field(default=[], max_length=0)


class GroupView(View):
    """The orders of a group, as they stood when the first had been matched."""

    group_id: Id
    kind: GroupKind
    orders: list[PlacedOrderView | PlacedTriggeredView]


class PlacedResult(View):
    """An order of a batch that was accepted."""

    status: Literal[201]
    order: PlacedOrderView | PlacedTriggeredView


class RefusedResult(View):
    """An order of a batch that was refused."""

    status: Annotated[int, Field(ge=400, le=499)]
    problem: ProblemBody


class OrdersView(View):
    """The result of each order of a batch, in order; all of it is durable."""

    results: list[PlacedResult | RefusedResult]


class PreviewView(View):
    """What an order would need and leave if it filled at its worst price, in the settlement asset.

    What an inverse order needs, and has no last digit, is rounded up to eight decimals.

    `required` = requirement + open loss + fee is what ORD-5 compares with the available balance.
    """

    requirement: Exact
    open_loss: Exact
    fee: Exact
    required: Exact
    available_balance: Exact
    worst_price: Exact | None = Field(
        description="Null when there is nothing to trade with, or while it waits for a price."
    )
    liquidation_price: Exact | None


class CanceledView(View):
    """The orders that were canceled."""

    order_ids: list[Id]


OfAccount = Annotated[str, Field(description="This and what follows only with `account_id`.")]


class TradeView(View):
    """A fill in the book. With `account_id`: also that account's part in it.

    `value` and `fee` are in the contract's settlement asset.
    """

    trade_id: Id
    time: Time
    symbol: str
    price: Exact
    quantity: Exact
    value: Exact
    taker_side: Side
    liquidation: bool = Field(description="Whether the taker was a liquidation order.")
    offload: bool = Field(description="Whether the taker was the contract's fund, which offloads.")
    account_id: OfAccount = LEFT_OUT
    order_id: Id | None = LEFT_OUT
    side: Side = LEFT_OUT
    role: Literal["maker", "taker"] = LEFT_OUT
    position_side: PositionSide = LEFT_OUT
    fee: Exact = LEFT_OUT

"""Orders and trades."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

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
    OrderStatus,
    OrderType,
    PositionSide,
    SelfTradePrevention,
    Side,
    TimeInForce,
)

ORDER = {
    "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit", "quantity": "0.1",
    "price": "60000", "time_in_force": "gtc", "reduce_only": False, "position_side": "both",
    "client_order_id": "a-1",
}  # fmt: skip


class OrderBody(Body):
    """An order (ORD-1). A client order id is unique per account for ever and idempotent."""

    account_id: AccountId
    symbol: Symbol
    side: Side
    type: OrderType
    quantity: Number = Field(description="Of an inverse contract: whole contracts.")
    price: Number | None = Field(default=None, description="Limit orders need one, others none.")
    time_in_force: TimeInForce | None = Field(
        default=None, description="gtc when left out, ioc for a market order."
    )
    reduce_only: bool = False
    position_side: PositionSide = "both"
    client_order_id: ClientOrderId | None = None
    self_trade_prevention: SelfTradePrevention = "expire_taker"

    model_config = example(ORDER)


class AmendBody(Body):
    """Another quantity, in all and so more than is filled, or price; what is left out stays."""

    quantity: Number = LEFT_OUT
    price: Number = LEFT_OUT

    model_config = example({"quantity": "0.05", "price": "60000"})


class OrdersBody(Body):
    """Orders, applied in order."""

    orders: Annotated[list[OrderBody], Field(min_length=1, max_length=1000)]


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


class PlacedResult(View):
    """An order of a batch that was accepted."""

    status: Literal[201]
    order: PlacedOrderView


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
    worst_price: Exact | None = Field(description="Null when there is nothing to trade with.")
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
    account_id: OfAccount = LEFT_OUT
    order_id: Id | None = LEFT_OUT
    side: Side = LEFT_OUT
    role: Literal["maker", "taker"] = LEFT_OUT
    fee: Exact = LEFT_OUT

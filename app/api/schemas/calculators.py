"""Calculators."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from app.api.schemas.accounts import Leverage
from app.api.schemas.base import Body, DerivedPrice, Exact, Number, Symbol, View
from app.api.schemas.contracts import Brackets
from app.engine.commands import MarginMode, OrderType, Side
from app.engine.valuation import Margining

LotSize = Field(default=None, description="The contract's where a symbol is given; else needed.")
FeeRate = Field(
    default=None, description="The contract's where a symbol is given; else 0 when left out."
)
Meets = Field(
    default=None,
    description="The best price of the other side: a market order's, and what a limit order may "
    "trade at.",
)


class TermsBody(Body):
    """The terms of a contract, or the `symbol` of a listed one.

    Without brackets there is no limit to notional or leverage. An inverse contract is of
    `contract_size` of the quote asset, and traded whole; its values are in the coin.
    """

    symbol: Symbol | None = None
    margining: Margining = "linear"
    contract_size: Number = Decimal(1)
    brackets: Brackets | None = None


class LegBody(Body):
    """One leg of an account in hedge mode; a quantity of 0 is none."""

    quantity: Number
    entry_price: DerivedPrice


class LiquidationPriceBody(TermsBody):
    """A position, or the two legs of hedge mode, and what stands behind, in the settlement asset.

    `leverage` instead of `wallet_balance` stands for the initial margin. Maintenance margin is of
    `symbol`, `brackets`, or `maintenance_margin_rate` and `cum`. Two legs can be at risk above one
    price and below another: asked for is the nearer to `mark_price` or, where that is left out,
    the one on the side on which the larger leg loses.
    """

    margin_mode: MarginMode = "cross"
    wallet_balance: Number | None = None
    leverage: Leverage | None = None
    other_maintenance_margin: Number = Decimal(0)
    other_unrealized_profit: Number = Decimal(0)
    side: Literal["long", "short"] | None = None
    quantity: Number | None = None
    entry_price: DerivedPrice | None = None
    long: LegBody | None = None
    short: LegBody | None = None
    mark_price: Number | None = None
    maintenance_margin_rate: Number | None = None
    cum: Number | None = None


class BankruptcyPriceBody(LiquidationPriceBody):
    """As for the liquidation price; maintenance margins, of any kind, do not count."""


class LiquidationPriceView(View):
    """Prices to eight decimals, or four more than `entry_price` has; null where there is none."""

    liquidation_price: Exact | None
    bankruptcy_price: Exact | None


class BankruptcyPriceView(View):
    """To eight decimals, or four more than `entry_price` has; null where there is none."""

    bankruptcy_price: Exact | None


class ProfitBody(TermsBody):
    """A position from one price to another."""

    side: Literal["long", "short"]
    quantity: Number
    entry_price: DerivedPrice
    exit_price: DerivedPrice
    leverage: Leverage


class ProfitView(View):
    """In the settlement asset; `return` is profit / initial margin, null where that is nothing."""

    profit: Exact
    return_: Exact | None = Field(serialization_alias="return")
    initial_margin: Exact


class TargetPriceBody(TermsBody):
    """A return on the initial margin: 0.5 is half of it won, -1 all of it lost."""

    side: Literal["long", "short"]
    entry_price: DerivedPrice
    leverage: Leverage
    return_: Number = Field(alias="return")


class TargetPriceView(View):
    """To eight decimals, or four more than `entry_price` has; null where there is none."""

    price: Exact | None


class OrderCostBody(TermsBody):
    """An order that opens a position; a market order trades at `best_opposite_price`."""

    side: Side
    type: OrderType = "limit"
    price: Number | None = None
    mark_price: Number
    best_opposite_price: Number | None = Meets
    quantity: Number
    leverage: Leverage
    taker_fee_rate: Number | None = FeeRate


class OrderCostView(View):
    """What an order needs, in the settlement asset; `cost` is the sum."""

    initial_margin: Exact
    open_loss: Exact
    fee: Exact
    cost: Exact


class MaxQuantityBody(TermsBody):
    """An order at `price` that opens a position."""

    side: Side
    price: Number
    mark_price: Number
    best_opposite_price: Number | None = Meets
    leverage: Leverage
    available_balance: Number
    taker_fee_rate: Number | None = FeeRate
    lot_size: Number | None = LotSize


class MaxQuantityView(View):
    """A multiple of the lot size; 0 where not one lot can be had."""

    quantity: Exact

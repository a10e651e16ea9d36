"""Calculators."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from pydantic import Field

from app.api.schemas.accounts import Leverage
from app.api.schemas.base import Body, DerivedPrice, Exact, Number, Symbol, View, example
from app.api.schemas.contracts import Brackets
from app.engine.commands import MarginMode, OrderType, Side
from app.engine.valuation import Margining

ETH = {
    "margining": "linear", "margin_mode": "cross", "wallet_balance": "1535443.01",
    "other_maintenance_margin": "71200.81144", "other_unrealized_profit": "-56354.57",
    "side": "long", "quantity": "3683.979", "entry_price": "1456.84", "contract_size": "1",
    "maintenance_margin_rate": "0.10", "cum": "135365",
}  # fmt: skip
COIN = {
    "margining": "inverse", "wallet_balance": "1", "side": "long", "quantity": "100",
    "entry_price": "100", "contract_size": "10", "maintenance_margin_rate": "0.005",
}  # fmt: skip
HEDGE = {
    "symbol": "BTCUSDT", "wallet_balance": "1500",
    "long": {"quantity": "0.3", "entry_price": "60000"},
    "short": {"quantity": "0.1", "entry_price": "61000"},
}  # fmt: skip
ISOLATED = {
    "symbol": "BTCUSDT", "margin_mode": "isolated", "leverage": 50, "side": "long",
    "quantity": "0.1", "entry_price": "10000",
}  # fmt: skip

PROFITS = (
    {"side": "long", "quantity": "1", "entry_price": "5000", "exit_price": "5500", "leverage": 10},
    {"symbol": "BTCUSD_PERP", "side": "long", "quantity": "100", "entry_price": "8000",
     "exit_price": "12500", "leverage": 20},
)  # fmt: skip
TARGETS = (
    {"side": "long", "entry_price": "60000", "leverage": 20, "return": "0.5"},
    {"margining": "inverse", "side": "short", "entry_price": "60000", "leverage": 20,
     "return": "0.5"},
)  # fmt: skip
COSTS = (
    {"side": "sell", "type": "limit", "price": "9253.3", "mark_price": "9259.84", "quantity": "1",
     "leverage": 20},
    {"symbol": "BTCUSDT", "side": "buy", "type": "market", "mark_price": "60000",
     "best_opposite_price": "60006", "quantity": "0.5", "leverage": 20},
)  # fmt: skip
QUANTITIES = (
    {"side": "buy", "price": "60000", "mark_price": "59990", "leverage": 20,
     "available_balance": "1000", "taker_fee_rate": "0.0005", "lot_size": "0.001"},
    {"symbol": "BTCUSD_PERP", "side": "sell", "price": "60000", "mark_price": "60000",
     "leverage": 10, "available_balance": "0.05"},
)  # fmt: skip

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

    model_config = example(ETH, COIN, HEDGE, ISOLATED)


class BankruptcyPriceBody(LiquidationPriceBody):
    """As for the liquidation price; maintenance margins, of any kind, do not count."""

    model_config = example(
        {"side": "long", "quantity": "1", "entry_price": "10000", "leverage": 50}, COIN, HEDGE
    )


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

    model_config = example(*PROFITS)


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

    model_config = example(*TARGETS)


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

    model_config = example(*COSTS)


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

    model_config = example(*QUANTITIES)


class MaxQuantityView(View):
    """A multiple of the lot size; 0 where not one lot can be had."""

    quantity: Exact

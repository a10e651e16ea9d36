"""Calculators."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from app.api.schemas.base import Body, DerivedPrice, Exact, Number, View, example
from app.api.schemas.contracts import Brackets
from app.engine.commands import MarginMode
from app.engine.valuation import Margining

LIQUIDATION_PRICE = {
    "margining": "linear", "margin_mode": "cross", "wallet_balance": "1535443.01",
    "other_maintenance_margin": "71200.81144", "other_unrealized_profit": "-56354.57",
    "side": "long", "quantity": "3683.979", "entry_price": "1456.84", "contract_size": "1",
    "maintenance_margin_rate": "0.10", "cum": "135365",
}  # fmt: skip


class LiquidationPriceBody(Body):
    """A position and what stands behind it, in the settlement asset.

    An inverse position's `quantity` is in contracts of `contract_size` of the quote asset; its
    balances and brackets are in the coin.
    """

    margining: Margining = "linear"
    margin_mode: MarginMode = "cross"
    wallet_balance: Number
    other_maintenance_margin: Number = Decimal(0)
    other_unrealized_profit: Number = Decimal(0)
    side: Literal["long", "short"]
    quantity: Number
    entry_price: DerivedPrice
    contract_size: Number = Decimal(1)
    brackets: Brackets | None = None
    maintenance_margin_rate: Number | None = None
    cum: Number | None = None

    model_config = example(LIQUIDATION_PRICE)


class LiquidationPriceView(View):
    """Prices to eight decimals, or four more than `entry_price` has; null where there is none."""

    liquidation_price: Exact | None
    bankruptcy_price: Exact | None

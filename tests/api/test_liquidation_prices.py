"""The liquidation price in an account's positions: the ticks beside it (LIQ-1)."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import pytest

from tests.api.conftest import Api


async def _position(api: Api) -> Any:
    items = (await api("GET /v1/accounts/ann/positions", key="ann"))["items"]
    return items[0] if items else None


@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    ("symbol", "asset", "quantity", "money"),
    [("BTCUSDT", "USDT", "4", "2700"), ("BTCUSD_PERP", "BTC", "3000", "0.2")],
)
async def test_liq_1_the_ticks_beside_the_liquidation_price(
    api: Api, symbol: str, asset: str, quantity: str, money: str, side: str, mode: str
) -> None:
    """One tick before it nothing happens and equity covers maintenance, one beyond it it does."""
    contracts = (await api("GET /v1/contracts?limit=1000"))["items"]
    tick = Decimal(next(c["tick_size"] for c in contracts if c["symbol"] == symbol))
    await api.mark(symbol, "60000")
    for name, deposit in (("ann", money), ("bob", "1000000")):
        await api.open(name, deposit, asset)
    await api(
        f"PUT /v1/accounts/ann/contracts/{symbol}", {"leverage": 100, "margin_mode": mode},
        key="ann",
    )  # fmt: skip
    for name, way in (("bob", "sell" if side == "buy" else "buy"), ("ann", side)):
        await api.order(name, way, quantity, "60000", symbol=symbol)
    price = Decimal((await _position(api))["liquidation_price"])
    above = (price / tick).to_integral_value(ROUND_FLOOR) + 1
    below = (price / tick).to_integral_value(ROUND_CEILING) - 1
    before, beyond = (above, below) if side == "buy" else (below, above)
    await api.mark(symbol, str(before * tick))
    held = await _position(api)
    wallet = held["isolated_wallet"]
    if wallet is None:
        (scope,) = (await api("GET /v1/accounts/ann", key="ann"))["wallets"]
        wallet = scope["wallet_balance"]
    equity = Decimal(wallet) + Decimal(held["unrealized_profit"])
    assert equity >= Decimal(held["maintenance_margin"])
    assert not (await api("GET /v1/liquidations"))["items"]
    await api.mark(symbol, str(beyond * tick))
    (record,) = (await api("GET /v1/liquidations"))["items"]
    assert record["symbol"] == symbol

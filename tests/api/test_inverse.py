"""An inverse contract over HTTP: what is answered in contracts, in USD and in the coin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.api.conftest import Api

TERMS: dict[str, Any] = {
    "symbol": "COINUSD", "base_asset": "BTC", "quote_asset": "USD", "settlement_asset": "BTC",
    "margining": "inverse", "contract_size": "10", "tick_size": "0.01", "lot_size": "1",
    "min_notional": "0", "maker_fee_rate": "0", "taker_fee_rate": "0.0005",
    "clearance_fee_rate": "0.02", "insurance_fund": "coin-btc",
    "brackets": [
        {"notional_floor": "0", "notional_cap": "100", "max_leverage": 100,
         "maintenance_margin_rate": "0.005"},
    ],
}  # fmt: skip


def order(account: str, side: str, quantity: str, price: str) -> dict[str, Any]:
    """A limit order."""
    return {"account_id": account, "symbol": "COINUSD", "side": side, "type": "limit",
            "quantity": quantity, "price": price}  # fmt: skip


async def opened(api: Api) -> None:
    """The contract, its fund with 100 BTC, and two accounts; ann is isolated at 10x."""
    made = await api("POST /v1/contracts", TERMS, status=201)
    assert (made["margining"], made["settlement_asset"]) == ("inverse", "BTC")
    seed = {"wallet": "main", "asset": "BTC", "amount": "100", "kind": "seed_capital"}
    await api("POST /v1/insurance-funds/coin-btc/contributions", seed, status=201)
    await api.open("ann", "1.005", "BTC")
    await api.open("bob", "100", "BTC")
    await api.mark("COINUSD", "100")
    settings = {"leverage": 10, "margin_mode": "isolated"}
    await api("PUT /v1/accounts/ann/contracts/COINUSD", settings, key="ann")


async def test_ord_5_orders_are_whole_contracts_that_need_coin(api: Api) -> None:
    """ORD-5, NUM-5, CON-2: a lower price is more coin, so one that fills there needs more."""
    await opened(api)
    for fraction in ("0.5", "100.5"):
        refused = await api.refused(
            "POST /v1/orders", order("ann", "buy", fraction, "100"), key="ann"
        )
        assert refused == (422, "quantity_off_lot")
    buy = order("ann", "buy", "100", "100")
    assert await api("POST /v1/orders/preview", buy, key="ann") == {
        "requirement": "1", "open_loss": "0", "fee": "0.005", "required": "1.005",
        "available_balance": "1.005", "worst_price": "100", "liquidation_price": "91.36363636",
    }  # fmt: skip
    lower = order("ann", "sell", "90", "99.9")  # open loss 900 / 99.9 - 9 = 0.009009..., shown up
    preview = await api("POST /v1/orders/preview", lower, key="ann")
    assert (preview["open_loss"], preview["fee"]) == ("0.00900901", "0.00450451")
    await api("POST /v1/orders", order("bob", "sell", "60", "99"), key="bob", status=201)
    await api("POST /v1/orders", order("bob", "sell", "40", "100"), key="bob", status=201)
    # 600 USD at 99 and 400 at 100 are 10.06060606 BTC: a tenth, and 0.0005 of it
    answer = await api.send("POST /v1/orders", buy, key="ann")
    assert answer.json()["context"]["required"] == "1.01109091"
    assert answer.json()["code"] == "insufficient_margin"


async def test_con_3_positions_and_funds_are_in_the_coin(api: Api) -> None:
    """CON-3, LIQ-1, FND-1: 100 contracts of 10 USD at 100 with 1 BTC are liquidated at 91.36."""
    await opened(api)
    await api("POST /v1/orders", order("bob", "sell", "100", "100"), key="bob", status=201)
    buy = order("ann", "buy", "100", "100")
    bought = await api("POST /v1/orders", buy, key="ann", status=201)
    assert bought["average_price"] == "100"
    stored = await api(f"GET /v1/orders/{bought['order_id']}", key="ann")
    assert stored["average_price"] == "100"
    (position,) = (await api("GET /v1/accounts/ann/positions", key="ann"))["items"]
    assert position["quantity"] == "100"
    assert position["entry_price"] == "100"
    assert position["notional"] == "10"
    assert position["isolated_wallet"] == "1"
    assert position["maintenance_margin"] == "0.05"
    assert position["liquidation_price"] == "91.36363636"
    assert position["bankruptcy_price"] == "90.90909091"

    assert (await api.mark("COINUSD", "91.37"))["accounts_at_risk"] == 0
    (position,) = (await api("GET /v1/accounts/ann/positions", key="ann"))["items"]
    assert position["unrealized_profit"] == "-0.94451133"
    assert (await api.mark("COINUSD", "91.36"))["accounts_at_risk"] == 1
    (record,) = (await api("GET /v1/liquidations?symbol=COINUSD"))["items"]
    assert record["outcome"] == "taken_over"
    assert record["bankruptcy_price"] == "90.90909091"
    assert record["fund_amount"] == "0.05429072"
    fund = await api("GET /v1/insurance-funds/coin-btc")
    (held,) = fund["inventory"]
    assert (held["quantity"], held["cost"]) == ("100", "-10.94570928")
    (balance,) = [one for one in fund["balances"] if one["asset"] == "BTC"]
    assert Decimal(balance["balance"]) == Decimal("100.05429072")

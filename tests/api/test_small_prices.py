"""A contract whose prices are far below eight decimals, through every answer that derives one."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api
from tests.api.test_contracts import TERMS

TINY: dict[str, Any] = {
    **TERMS, "symbol": "TINYUSDT", "base_asset": "TINY", "tick_size": "0.000000000001",
    "lot_size": "1000", "taker_fee_rate": "0", "maker_fee_rate": "0",
}  # fmt: skip
QUANTITY = "1000000000000"


async def test_prices_have_four_digits_more_than_the_tick(api: Api) -> None:
    """NUM-1, LIQ-3: 10^12 at 4.321e-9 cost 4,321; behind them are 100, so bankrupt at 4,221."""
    await api("POST /v1/contracts", TINY, status=201)
    await api.mark("TINYUSDT", "0.000000004321")
    for name, deposit in (("alice", "100"), ("bob", "100000")):
        await api.open(name, deposit)
        body = {"leverage": 50, "margin_mode": "cross"}
        await api(f"PUT /v1/accounts/{name}/contracts/TINYUSDT", body, key=name)
    tiny = {"symbol": "TINYUSDT"}
    await api.order("bob", "sell", QUANTITY, "0.000000004321", **tiny)
    wanted = {
        **tiny, "account_id": "alice", "side": "buy", "type": "market", "quantity": QUANTITY
    }  # fmt: skip
    preview = await api("POST /v1/orders/preview", wanted, key="alice")
    placed = await api("POST /v1/orders", wanted, key="alice", status=201)
    stored = await api(f"GET /v1/orders/{placed['order_id']}", key="alice")
    assert placed["average_price"] == stored["average_price"] == "0.000000004321"
    (listed,) = (await api("GET /v1/orders?symbol=TINYUSDT", key="alice"))["items"]
    assert listed == stored
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert position["entry_price"] == "0.000000004321"
    assert position["bankruptcy_price"] == "0.000000004221"
    assert position["liquidation_price"] == "0.0000000042422111"  # 4,221 / 0.995
    assert preview["liquidation_price"] == position["liquidation_price"]

    asked = {
        "wallet_balance": "100", "side": "long", "quantity": QUANTITY,
        "entry_price": position["entry_price"], "maintenance_margin_rate": "0.005",
    }  # fmt: skip
    answer = await api("POST /v1/calculators/liquidation-price", asked, key=None)
    assert answer == {name: position[name] for name in answer}

    await api.mark("TINYUSDT", "0.0000000042")
    (record,) = (await api("GET /v1/liquidations", key=None))["items"]
    (event,) = (await api("GET /v1/adl-events", key=None))["items"]
    (part,) = (await api("GET /v1/adl-events/1", key=None))["counterparties"]
    prices = (record["bankruptcy_price"], event["bankruptcy_price"], part["price"])
    assert prices == ("0.000000004221",) * 3


async def test_an_average_of_several_fills_is_not_cut_off(api: Api) -> None:
    """NUM-1: a third of a tick shows, in the receipt, the list and the position alike; what was
    answered can be asked about."""
    await api("POST /v1/contracts", TINY, status=201)
    await api.mark("TINYUSDT", "0.000000004321")
    for name in ("alice", "bob"):
        await api.open(name, "100000")
    tiny = {"symbol": "TINYUSDT"}
    await api.order("bob", "sell", QUANTITY, "0.000000004321", **tiny)
    await api.order("bob", "sell", "2000000000000", "0.000000004322", **tiny)
    placed = await api.order("alice", "buy", "3000000000000", "0.000000004322", **tiny)
    assert placed["average_price"] == "0.0000000043216667"
    (stored,) = (await api("GET /v1/orders?symbol=TINYUSDT", key="alice"))["items"]
    assert stored["average_price"] == placed["average_price"]
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert position["entry_price"] == placed["average_price"]
    asked = {
        "wallet_balance": "12961", "side": "long", "quantity": "3000000000000",
        "entry_price": position["entry_price"], "maintenance_margin_rate": "0.005",
    }  # fmt: skip
    answer = await api("POST /v1/calculators/liquidation-price", asked, key=None)
    assert answer["bankruptcy_price"] == "0.00000000000133336667"  # 4.0001 of 12,965.0001 / 3e12

"""Hedge mode over HTTP: two legs, what is shown of each, and what is refused (ORD-3, LIQ-2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

TERMS: dict[str, Any] = {
    "symbol": "TEST", "base_asset": "TEST", "quote_asset": "USDT", "settlement_asset": "USDT",
    "contract_size": "1", "tick_size": "0.01", "lot_size": "1", "min_notional": "0",
    "maker_fee_rate": "0", "taker_fee_rate": "0", "clearance_fee_rate": "0.0125",
    "insurance_fund": "usdt-major",
    "brackets": [
        {"notional_floor": "0", "notional_cap": "1000000", "max_leverage": 100,
         "maintenance_margin_rate": "0.005"},
    ],
}  # fmt: skip


def order(account: str, side: str, quantity: str, price: str, leg: str = "both") -> dict[str, Any]:
    """A limit order of a leg."""
    return {"account_id": account, "symbol": "TEST", "side": side, "type": "limit",
            "quantity": quantity, "price": price, "position_side": leg}  # fmt: skip


@pytest.fixture
async def hedged(api: Api) -> Api:
    """Hal has 800, and is to be hedged; bob has much, and is not."""
    await api("POST /v1/contracts", TERMS, status=201)
    await api.mark("TEST", "100")
    await api.open("hal", "800")
    await api.open("bob", "100000")
    opened = await api("PATCH /v1/accounts/hal", {"position_mode": "hedge"}, key="hal")
    assert opened["position_mode"] == "hedge"
    return api


async def legs(api: Api) -> None:
    """Hal buys 100 and sells 60 of them, at 100."""
    for side, other, leg, quantity in (
        ("buy", "sell", "long", "100"),
        ("sell", "buy", "short", "60"),
    ):
        await api("POST /v1/orders", order("bob", other, quantity, "100"), key="bob", status=201)
        taken = order("hal", side, quantity, "100", leg)
        filled = await api("POST /v1/orders", taken, key="hal", status=201)
        assert (filled["status"], filled["position_side"]) == ("filled", leg)


async def test_ord_3_an_order_names_a_leg_of_its_accounts_mode(hedged: Api) -> None:
    """ORD-3: each fault has a stable code, previews and batches say the same."""
    post = "POST /v1/orders"
    for body, code in (
        (order("hal", "buy", "1", "100"), "position_side_required"),
        (order("bob", "buy", "1", "100", "long"), "position_side_mismatch"),
        (order("hal", "sell", "1", "100", "long"), "reduce_only_rejected"),
    ):
        key = body["account_id"]
        assert await hedged.refused(post, body, key=key) == (422, code)
        assert await hedged.refused(f"{post}/preview", body, key=key) == (422, code)
        batch = await hedged(f"{post}/batch", {"orders": [body]}, key=key)
        assert batch["results"][0]["problem"]["code"] == code
    opened = await hedged(
        "POST /v1/accounts", {"account_id": "new", "position_mode": "hedge"}, status=201
    )
    assert opened["position_mode"] == "hedge"


async def test_ord_3_the_mode_is_fixed_while_something_is_open(hedged: Api) -> None:
    """ORD-3: an order, or a position."""
    bid = await hedged("POST /v1/orders", order("hal", "buy", "1", "99", "long"), status=201)
    patch, one_way = "PATCH /v1/accounts/hal", {"position_mode": "one_way"}
    assert await hedged.refused(patch, one_way) == (422, "position_mode_fixed")
    assert (await hedged(patch, {"position_mode": "hedge"}))["position_mode"] == "hedge"
    await hedged(f"DELETE /v1/orders/{bid['order_id']}")
    assert (await hedged(patch, one_way))["position_mode"] == "one_way"


async def test_liq_1_legs_are_listed_and_share_their_prices(hedged: Api) -> None:
    """LIQ-1, ORD-4: 800 + 40 x (p - 100) = 0.5 % of 160 p; requirements are summed."""
    await legs(hedged)
    positions = (await hedged("GET /v1/accounts/hal/positions", key="hal"))["items"]
    assert [
        (p["position_side"], p["quantity"], p["liquidation_price"], p["bankruptcy_price"])
        for p in positions
    ] == [("long", "100", "81.63265306", "80"), ("short", "-60", "81.63265306", "80")]
    (wallet,) = (await hedged("GET /v1/accounts/hal", key="hal"))["wallets"]
    assert (wallet["initial_margin"], wallet["available_balance"]) == ("800", "0")
    closing = order("hal", "sell", "100", "100", "long")
    preview = await hedged("POST /v1/orders/preview", closing, key="hal")
    assert (preview["requirement"], preview["liquidation_price"]) == ("0", None)
    half = order("hal", "sell", "50", "100", "long")
    preview = await hedged("POST /v1/orders/preview", half, key="hal")
    assert preview["liquidation_price"] == "170.61611374"  # 1,800 = 10.55 p: 50 long, 60 short
    own = await hedged("GET /v1/trades?account_id=hal", key="hal")
    assert [trade["position_side"] for trade in own["items"]] == ["short", "long"]
    own = await hedged("GET /v1/trades?account_id=bob", key="bob")
    assert [trade["position_side"] for trade in own["items"]] == ["both", "both"]
    public = (await hedged("GET /v1/trades?symbol=TEST", key=None))["items"]
    assert not any("position_side" in trade for trade in public)
    queue = (await hedged("GET /v1/contracts/TEST/adl-queue", key="hal"))["items"]
    assert [(place["side"], place["own"]) for place in queue if place["own"]] == [
        ("long", True), ("short", True),
    ]  # fmt: skip


async def test_liq_2_legs_are_netted_before_anything_is_liquidated(hedged: Api) -> None:
    """LIQ-2: told in the record of either leg; the wallet keeps what it has."""
    await legs(hedged)
    assert (await hedged.mark("TEST", "81.64"))["accounts_at_risk"] == 0
    assert (await hedged.mark("TEST", "81.63"))["accounts_at_risk"] == 1
    records = (await hedged("GET /v1/liquidations?symbol=TEST", key="hal"))["items"]
    assert {
        (r["position_side"], r["outcome"], r["netted_quantity"], r["filled_quantity"])
        for r in records
    } == {("long", "reduced", "60", "0"), ("short", "closed", "60", "0")}
    story = await hedged(f"GET /v1/liquidations/{records[0]['liquidation_id']}", key="hal")
    assert [step["kind"] for step in story["steps"]] == ["trigger", "netting", "end"]
    (position,) = (await hedged("GET /v1/accounts/hal/positions", key="hal"))["items"]
    assert (position["position_side"], position["quantity"]) == ("long", "40")
    assert position["liquidation_price"] == "80.40201005"
    (wallet,) = (await hedged("GET /v1/accounts/hal", key="hal"))["wallets"]
    assert wallet["wallet_balance"] == "800"


async def test_isolated_margin_is_each_legs_own(hedged: Api) -> None:
    """ORD-3: moved by leg; the ledger says which."""
    settings = {"leverage": 20, "margin_mode": "isolated"}
    await hedged("PUT /v1/accounts/hal/contracts/TEST", settings, key="hal")
    await hedged("POST /v1/accounts/hal/deposits", {"asset": "USDT", "amount": "5"}, status=201)
    await legs(hedged)
    move = "POST /v1/accounts/hal/contracts/TEST/margin"
    body = {"amount": "5", "position_side": "short"}
    assert (await hedged(move, body, key="hal", status=201))["balance"] == "305"
    refused = await hedged.refused(move, {"amount": "-1"}, key="hal")
    assert refused == (422, "position_side_required")
    positions = (await hedged("GET /v1/accounts/hal/positions", key="hal"))["items"]
    assert [(p["isolated_wallet"], p["bankruptcy_price"]) for p in positions] == [
        ("500", "95"), ("305", "105.08333333"),
    ]  # fmt: skip
    entries = (await hedged("GET /v1/accounts/hal/ledger?kind=margin_in", key="hal"))["items"]
    assert {entry["wallet"] for entry in entries} == {"cross", "TEST:long", "TEST:short"}

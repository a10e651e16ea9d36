"""Orders: placed, in batches, previewed, read, canceled; trades."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

ORDER: dict[str, Any] = {
    "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
    "quantity": "0.01", "price": "60000",
}  # fmt: skip


@pytest.fixture
async def market(api: Api) -> Api:
    """Alice and bob with money, BTC at 60,000."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "10000")
    return api


async def test_placing(market: Api) -> None:
    api = market
    resting = await api.order("bob", "sell", "0.004", "60000", client_order_id="b-1")
    assert resting["status"] == "new"
    assert resting["average_price"] is None
    placed = await api.order("alice", "buy", "0.01", "60010")
    assert {name: value for name, value in placed.items() if name != "created_at"} == {
        "order_id": "2", "client_order_id": None, "account_id": "alice", "symbol": "BTCUSDT",
        "side": "buy", "position_side": "both", "type": "limit", "time_in_force": "gtc",
        "reduce_only": False, "price": "60010", "quantity": "0.01", "status": "partially_filled",
        "filled_quantity": "0.004", "remaining_quantity": "0.006", "average_price": "60000",
        "reason": None,
        "fills": [{"trade_id": "1", "price": "60000", "quantity": "0.004", "fee": "0.12"}],
    }  # fmt: skip
    stored = await api("GET /v1/orders/2", key="alice")
    assert {**stored, "fills": placed["fills"]} == {**placed, "updated_at": stored["updated_at"]}
    filled = await api("GET /v1/orders/1", key="bob")
    assert (filled["status"], filled["client_order_id"]) == ("filled", "b-1")
    assert filled["average_price"] == "60000"


async def test_market_orders(market: Api) -> None:
    api = market
    body = {name: value for name, value in ORDER.items() if name != "price"} | {"type": "market"}
    lost = await api("POST /v1/orders", body, key="alice", status=201)
    assert (lost["status"], lost["time_in_force"], lost["price"]) == ("expired", "ioc", None)
    assert lost["reason"] == "no_liquidity"
    await api.order("bob", "sell", "0.01", "60100")
    done = await api("POST /v1/orders", body, key="alice", status=201)
    assert (done["status"], done["average_price"]) == ("filled", "60100")
    refused = await api.refused("POST /v1/orders", {**body, "price": "1"}, key="alice")
    assert refused == (422, "price_not_allowed")
    refused = await api.refused("POST /v1/orders", {**body, "time_in_force": "gtc"}, key="alice")
    assert refused == (422, "time_in_force_not_allowed")


async def test_refusals_say_why(market: Api) -> None:
    api = market
    for change, code in (
        ({"quantity": "0"}, "quantity_not_positive"),
        ({"quantity": "-0.01"}, "quantity_not_positive"),
        ({"quantity": "0.0105"}, "quantity_off_lot"),
        ({"quantity": "0.001"}, "below_min_notional"),
        ({"price": "0"}, "price_not_positive"),
        ({"price": "-60000"}, "price_not_positive"),
        ({"price": "60000.05"}, "price_off_tick"),
        ({"price": None}, "price_required"),
        ({"price": "70000"}, "price_out_of_band"),
        ({"symbol": "NOPEUSDT"}, "unknown_contract"),
        ({"symbol": "ETHUSDT"}, "no_mark"),
        ({"quantity": "1"}, "insufficient_margin"),
        ({"reduce_only": True}, "reduce_only_rejected"),
        ({"position_side": "long"}, "position_side_mismatch"),
    ):
        refused = await api.refused("POST /v1/orders", {**ORDER, **change}, key="alice")
        assert refused == (422, code), change
    answer = await api.send("POST /v1/orders", {**ORDER, "quantity": "1"}, key="alice")
    # 60,000 / 20 and the taker fee of 30
    assert answer.json()["context"]["required"] == "3030"
    assert answer.json()["context"]["available"] == "1000"
    await api.order("bob", "sell", "0.01", "60000")
    refused = await api.refused("POST /v1/orders", {**ORDER, "time_in_force": "gtx"}, key="alice")
    assert refused == (422, "would_trade_immediately")
    assert (await api("GET /v1/orders", key="alice"))["items"] == []


async def test_a_batch(market: Api) -> None:
    """Applied in order: the third trades with the first."""
    api = market
    orders = [
        {**ORDER, "side": "sell", "account_id": "bob"},
        {**ORDER, "price": "60000.05"},
        ORDER,
        {**ORDER, "account_id": "nobody"},
    ]
    answer = await api("POST /v1/orders/batch", {"orders": orders})
    first, second, third, fourth = answer["results"]
    assert (first["status"], first["order"]["status"]) == (201, "new")
    assert (second["status"], second["problem"]["code"]) == (422, "price_off_tick")
    assert second["problem"]["context"] == {"price": "60000.05", "tick_size": "0.1"}
    assert (third["status"], third["order"]["status"]) == (201, "filled")
    assert (fourth["status"], fourth["problem"]["code"]) == (404, "unknown_account")
    batches: list[list[Any]] = [[], [ORDER] * 1001, [{**ORDER, "x": 1}], [1]]
    for wrong in ({"orders": batch} for batch in batches):
        refused = await api.refused("POST /v1/orders/batch", wrong)
        assert refused == (400, "malformed_body")


async def test_preview(market: Api) -> None:
    """The figures of ORD-5 and what the position's liquidation price would be; nothing changes."""
    api = market
    await api.order("bob", "sell", "0.1", "60100")
    body = {**ORDER, "quantity": "0.1", "price": "60100"}
    seen = await api("POST /v1/orders/preview", body, key="alice")
    assert seen["requirement"] == "300.5"
    assert seen["open_loss"] == "10"
    assert seen["fee"] == "3.005"
    assert seen["required"] == "313.505"
    assert seen["available_balance"] == "1000"
    assert seen["worst_price"] == "60100"
    assert (await api("GET /v1/accounts/alice/positions", key="alice"))["items"] == []
    assert (await api("GET /v1/orders", key="alice"))["items"] == []
    placed = await api("POST /v1/orders", body, key="alice", status=201)
    assert placed["fills"][0]["fee"] == seen["fee"]
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert position["liquidation_price"] == seen["liquidation_price"]
    for change, expected in (
        ({"quantity": "10"}, (422, "insufficient_margin")),
        ({"symbol": "NOPE"}, (422, "unknown_contract")),
        ({"quantity": "0"}, (422, "quantity_not_positive")),
        ({"account_id": "nobody"}, (404, "unknown_account")),
    ):
        refused = await api.refused("POST /v1/orders/preview", {**body, **change})
        assert refused == expected, change


async def test_depth_is_what_can_be_had(market: Api) -> None:
    """ORD-11: book, preview and market order pass over what would be cancelled, not filled."""
    api = market
    await api.open("poor", "310")
    await api.order("poor", "buy", "0.1", "60000", client_order_id="poor")
    await api.order("bob", "buy", "0.02", "57200")
    book = await api("GET /v1/contracts/BTCUSDT/book")
    assert book["bids"] == [["60000", "0.1"], ["57200", "0.02"]]
    await api.mark("BTCUSDT", "57000")  # 3,000 below the bid, which poor could not bear
    book = await api("GET /v1/contracts/BTCUSDT/book")
    assert book["bids"] == [["57200", "0.02"]]
    await api.open("dora", "100000")
    sell = {"account_id": "dora", "symbol": "BTCUSDT", "side": "sell", "type": "market",
            "quantity": "0.12"}  # fmt: skip
    preview = await api("POST /v1/orders/preview", sell, key="dora")
    assert preview["worst_price"] == "57200"
    placed = await api("POST /v1/orders", sell, key="dora", status=201)
    assert (placed["status"], placed["average_price"]) == ("expired", "57200")
    ended = await api("GET /v1/orders?account_id=poor", key="poor")
    assert [order["status"] for order in ended["items"]] == ["canceled"]


async def test_lists_and_filters(market: Api) -> None:
    api = market
    for price in ("59000", "59100", "59200"):
        await api.order("alice", "buy", "0.01", price)
    await api.order("bob", "sell", "0.01", "61000")
    await api("DELETE /v1/orders/2", key="alice")

    async def ids(query: str, key: str = "alice") -> list[str]:
        return [one["order_id"] for one in (await api(f"GET /v1/orders{query}", key=key))["items"]]

    assert await ids("") == ["3", "2", "1"]
    assert await ids("", "admin") == ["4", "3", "2", "1"]
    assert await ids("?account_id=bob", "admin") == ["4"]
    assert await ids("?symbol=ETHUSDT") == []
    assert await ids("?symbol=BTCUSDT&status=open") == ["3", "1"]
    assert await ids("?status=new") == ["3", "1"]
    assert await ids("?status=canceled") == ["2"]
    page = await api("GET /v1/orders?limit=2", key="alice")
    assert [one["order_id"] for one in page["items"]] == ["3", "2"]
    assert await ids(f"?cursor={page['next_cursor']}") == ["1"]


async def test_canceling(market: Api) -> None:
    api = market
    for price in ("59000", "59100", "59200"):
        await api.order("alice", "buy", "0.01", price)
    canceled = await api("DELETE /v1/orders/2", key="alice")
    assert (canceled["status"], canceled["reason"]) == ("canceled", "canceled_by_user")
    assert await api.refused("DELETE /v1/orders/2", key="alice") == (422, "order_not_open")
    assert await api("DELETE /v1/orders?symbol=ETHUSDT", key="alice") == {"order_ids": []}
    refused = await api.refused("DELETE /v1/orders?symbol=NOPE", key="alice")
    assert refused == (422, "unknown_contract")
    assert await api("DELETE /v1/orders?account_id=alice&symbol=BTCUSDT") == {
        "order_ids": ["1", "3"]
    }
    assert (await api("GET /v1/contracts/BTCUSDT/book"))["bids"] == []


async def test_amending(market: Api) -> None:
    """ORD-15: another quantity or price; refused, it stays as it was; repeated, nothing more."""
    order = await market.order("alice", "buy", "0.02", "59000", client_order_id="a")
    call = f"PATCH /v1/orders/{order['order_id']}"
    lower = await market(call, {"quantity": "0.01"}, key="alice")
    assert lower == {**order, "quantity": "0.01", "remaining_quantity": "0.01"}
    assert await market(call, {"quantity": "0.01"}, key="alice") == lower
    assert await market(call, {}, key="alice") == lower
    for body, expected in (
        ({"quantity": "0"}, (422, "quantity_not_positive")),
        ({"price": "59000.01"}, (422, "price_off_tick")),
        ({"price": "1"}, (422, "price_out_of_band")),
        ({"quantity": "50"}, (422, "insufficient_margin")),
        ({"quantity": None}, (400, "malformed_body")),
        ({"price": 59000}, (400, "malformed_body")),
        ({"side": "sell"}, (400, "malformed_body")),
    ):
        assert await market.refused(call, body, key="alice") == expected, body
    other = await market.refused(call, {"quantity": "0.005"}, key="bob")
    assert other == (404, "unknown_order")
    unknown = await market.refused("PATCH /v1/orders/999", {}, key="alice")
    assert unknown == (404, "unknown_order")
    stored = await market(call.replace("PATCH", "GET"), key="alice")
    assert (stored["quantity"], stored["price"]) == ("0.01", "59000")
    await market.order("bob", "sell", "0.004", "60000")
    body = {"quantity": "0.02", "price": "60000"}
    filled = await market(call, body, key="alice")
    assert (filled["status"], filled["filled_quantity"]) == ("partially_filled", "0.004")
    assert [fill["quantity"] for fill in filled["fills"]] == ["0.004"]
    assert await market(call, body, key="alice") == {**filled, "fills": []}
    assert await market.refused(call, {"quantity": "0.004"}) == (422, "quantity_filled")
    await market(call.replace("PATCH", "DELETE"), key="alice")
    assert await market.refused(call, body, key="alice") == (422, "order_not_open")


async def test_trades(market: Api) -> None:
    api = market
    await api.order("bob", "sell", "0.01", "60000")
    await api.order("bob", "sell", "0.01", "60100")
    await api.order("alice", "buy", "0.02", "60100")
    public = await api("GET /v1/trades?symbol=BTCUSDT", key=None)
    assert [(one["trade_id"], one["price"]) for one in public["items"]] == [
        ("2", "60100"), ("1", "60000"),
    ]  # fmt: skip
    assert public["items"][0].keys() == {
        "trade_id", "time", "symbol", "price", "quantity", "value", "taker_side", "liquidation",
        "offload",
    }  # fmt: skip
    maker = (await api("GET /v1/trades?account_id=bob", key="bob"))["items"]
    assert [(one["side"], one["role"], one["order_id"], one["fee"]) for one in maker] == [
        ("sell", "maker", "2", "0.1202"), ("sell", "maker", "1", "0.12"),
    ]  # fmt: skip
    taker = (await api("GET /v1/trades?account_id=alice&symbol=BTCUSDT", key="alice"))["items"]
    assert [(one["side"], one["role"], one["order_id"], one["fee"]) for one in taker] == [
        ("buy", "taker", "3", "0.3005"), ("buy", "taker", "3", "0.3"),
    ]  # fmt: skip
    page = await api("GET /v1/trades?account_id=bob&limit=1", key="bob")
    rest = await api(f"GET /v1/trades?account_id=bob&cursor={page['next_cursor']}", key="bob")
    assert page["items"] + rest["items"] == maker
    refused = await api.refused("GET /v1/trades?account_id=bob", key=None)
    assert refused == (401, "unauthorized")

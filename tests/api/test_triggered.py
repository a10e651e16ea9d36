"""Orders that wait for a price, over HTTP (TRG)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

STOP: dict[str, Any] = {
    "account_id": "alice", "symbol": "BTCUSDT", "side": "sell", "type": "stop_market",
    "quantity": "0.01", "trigger_price": "59000", "client_order_id": "s-1",
}  # fmt: skip


@pytest.fixture
async def market(api: Api) -> Api:
    """Alice is long 0.01 BTC of bob at 60,000, who bids for 0.02 at 59,000."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "10000")
    await api.order("bob", "sell", "0.01", "60000")
    await api.order("alice", "buy", "0.01", "60000")
    await api.order("bob", "buy", "0.02", "59000")
    return api


async def test_trg_1_an_order_waits_and_becomes_another(market: Api) -> None:
    api = market
    placed = await api("POST /v1/orders", STOP, key="alice", status=201)
    assert {n: v for n, v in placed.items() if n not in ("created_at", "updated_at")} == {
        "order_id": "4", "client_order_id": "s-1", "account_id": "alice", "symbol": "BTCUSDT",
        "side": "sell", "position_side": "both", "type": "stop_market", "time_in_force": "ioc",
        "reduce_only": False, "price": None, "quantity": "0.01", "trigger_price": "59000",
        "trigger_by": "mark", "callback_rate": None, "close_position": False,
        "status": "untriggered", "filled_quantity": "0", "remaining_quantity": "0.01",
        "average_price": None, "fills": [], "became_order_id": None, "group_id": None,
        "reason": None,
    }  # fmt: skip
    assert {**await api("GET /v1/orders/4", key="alice"), "fills": []} == placed
    await api.mark("BTCUSDT", "59000")
    triggered = await api("GET /v1/orders/4", key="alice")
    assert (triggered["status"], triggered["became_order_id"]) == ("triggered", "5")
    became = await api("GET /v1/orders/5", key="alice")
    assert (became["type"], became["status"], became["average_price"]) == (
        "market", "filled", "59000",
    )  # fmt: skip
    again = await api("POST /v1/orders", STOP, key="alice", status=201)
    assert again == placed, "a client order id is idempotent for ever"
    other = await api.refused("POST /v1/orders", {**STOP, "trigger_price": "1"}, key="alice")
    assert other == (409, "client_order_id_conflict")
    limit = {**STOP, "type": "limit", "price": "60000"}
    del limit["trigger_price"]
    assert await api.refused("POST /v1/orders", limit, key="alice") == other


async def test_trg_1_a_refusal_is_the_reason(market: Api) -> None:
    api = market
    body = {**STOP, "side": "buy", "quantity": "1", "type": "stop", "price": "61000"}
    await api("POST /v1/orders", {**body, "trigger_price": "60500"}, key="alice", status=201)
    await api.mark("BTCUSDT", "60500")
    ended = await api("GET /v1/orders/4", key="alice")
    assert (ended["status"], ended["reason"]) == ("expired", "insufficient_margin")
    assert ended["became_order_id"] is None


async def test_trg_1_a_trailing_stop_follows(market: Api) -> None:
    api = market
    body = {**STOP, "type": "trailing_stop", "callback_rate": "0.02", "trigger_price": None}
    placed = await api("POST /v1/orders", body, key="alice", status=201)
    assert (placed["callback_rate"], placed["trigger_price"]) == ("0.02", None)
    for mark, status in (
        ("62000", "untriggered"), ("60760.1", "untriggered"), ("60760", "triggered"),
    ):  # fmt: skip
        await api.mark("BTCUSDT", mark)
        assert (await api("GET /v1/orders/4", key="alice"))["status"] == status


async def test_refusals_say_why(market: Api) -> None:
    api = market
    for change, refused in (
        ({"trigger_price": "60000"}, (422, "would_trigger_immediately")),
        ({"side": "buy"}, (422, "would_trigger_immediately")),
        ({"trigger_price": "59000.05"}, (422, "price_off_tick")),
        ({"trigger_price": None}, (422, "trigger_price_required")),
        ({"quantity": None}, (422, "quantity_required")),
        ({"close_position": True}, (422, "quantity_not_allowed")),
        ({"close_position": True, "type": "stop"}, (422, "close_position_not_allowed")),
        ({"type": "take_profit", "trigger_price": "61000"}, (422, "price_required")),
        ({"symbol": "ETHUSDT"}, (422, "no_mark")),
        ({"trigger_by": "index"}, (400, "malformed_body")),
        ({"type": "trailing_stop"}, (422, "callback_rate_required")),
        ({"type": "trailing_stop", "callback_rate": "0.0009"},
         (422, "callback_rate_out_of_range")),
        ({"callback_rate": "0.01"}, (422, "callback_rate_not_allowed")),
        ({"type": "limit", "price": "59000"}, (400, "malformed_body")),
        ({"type": "limit", "price": "59000", "trigger_price": None, "quantity": None},
         (400, "malformed_body")),
    ):  # fmt: skip
        assert await api.refused("POST /v1/orders", {**STOP, **change}, key="alice") == refused
        preview = await api.refused("POST /v1/orders/preview", {**STOP, **change}, key="alice")
        assert preview == refused, "a preview is what placing would answer"
    assert not (await api("GET /v1/orders?status=untriggered", key="alice"))["items"]


async def test_trg_1_a_preview_says_that_it_needs_nothing_yet(market: Api) -> None:
    api = market
    before = await api("GET /v1/orders", key="alice")
    seen = await api("POST /v1/orders/preview", {**STOP, "quantity": "1000"}, key="alice")
    (wallet,) = (await api("GET /v1/accounts/alice", key="alice"))["wallets"]
    assert seen == {
        "requirement": "0", "open_loss": "0", "fee": "0", "required": "0",
        "available_balance": wallet["available_balance"], "worst_price": None,
        "liquidation_price": None,
    }  # fmt: skip
    assert await api("GET /v1/orders", key="alice") == before, "nothing changes"
    other = {**STOP, "account_id": "nobody"}
    assert await api.refused("POST /v1/orders/preview", other) == (404, "unknown_account")
    one = {**STOP, "client_order_id": None}
    for _ in range(10):
        await api("POST /v1/orders", one, key="alice", status=201)
    too_many = await api.refused("POST /v1/orders/preview", one, key="alice")
    assert too_many == (422, "too_many_open_orders")
    await api.open("carol", "1000")
    await api.order("carol", "sell", "0.01", "59000")
    by_last = {**one, "account_id": "carol", "trigger_by": "last"}
    there = await api.refused("POST /v1/orders/preview", by_last, key="carol")
    assert there == (422, "would_trigger_immediately"), "the last trade's price, not the mark"


async def test_trg_1_what_waits_is_amended(market: Api) -> None:
    """It keeps its number, waits for the new price, and a refusal leaves it as it was."""
    api = market
    placed = await api("POST /v1/orders", STOP, key="alice", status=201)
    body = {"trigger_price": "58000", "quantity": "0.02"}
    amended = await api("PATCH /v1/orders/4", body, key="alice")
    assert amended == {
        **placed, **body, "remaining_quantity": "0.02", "updated_at": amended["updated_at"],
    }  # fmt: skip
    assert amended["updated_at"] > placed["updated_at"]
    assert {**await api("GET /v1/orders/4", key="alice"), "fills": []} == amended
    for given, refused in (
        ({"trigger_price": "60000"}, (422, "would_trigger_immediately")),
        ({"trigger_price": "59000.05"}, (422, "price_off_tick")),
        ({"price": "58000"}, (422, "price_not_allowed")),
        ({"callback_rate": "0.01"}, (422, "callback_rate_not_allowed")),
        ({"quantity": "0"}, (422, "quantity_not_positive")),
        ({"trigger_price": None}, (400, "malformed_body")),
    ):
        assert await api.refused("PATCH /v1/orders/4", given, key="alice") == refused
    assert await api.refused("PATCH /v1/orders/4", body, key="bob") == (404, "unknown_order")
    kept = await api("GET /v1/orders/4", key="alice")
    assert {**kept, "fills": []} == amended, "refused, it stays as it was"
    await api.mark("BTCUSDT", "59000")
    assert (await api("GET /v1/orders/4", key="alice"))["status"] == "untriggered"
    for given, refused in (
        ({"trigger_price": "58000"}, (422, "trigger_price_not_allowed")),
        ({"callback_rate": "0.01"}, (422, "callback_rate_not_allowed")),
    ):
        assert await api.refused("PATCH /v1/orders/3", given, key="bob") == refused
    await api.mark("BTCUSDT", "58000")
    assert (await api("GET /v1/orders/4", key="alice"))["status"] == "triggered"
    assert await api.refused("PATCH /v1/orders/4", body, key="alice") == (422, "order_not_open")


async def test_lists_and_cancels_go_over_both_kinds(market: Api) -> None:
    api = market
    orders = [
        {**STOP, "client_order_id": None, "trigger_price": "58000"},
        {**STOP, "client_order_id": None, "quantity": None, "close_position": True},
        {"account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
         "quantity": "0.01", "price": "58000"},
        {**STOP, "trigger_price": "61000"},
    ]  # fmt: skip
    batch = await api("POST /v1/orders/batch", {"orders": orders}, key="alice")
    assert [result["status"] for result in batch["results"]] == [201, 201, 201, 422]
    assert batch["results"][1]["order"]["close_position"] is True
    assert batch["results"][1]["order"]["quantity"] is None

    async def listed(query: str) -> list[str]:
        page = await api(f"GET /v1/orders?{query}", key="alice")
        return [item["order_id"] for item in page["items"]]

    assert await listed("") == ["6", "5", "4", "2"]
    assert await listed("limit=2") == ["6", "5"]
    first = await api("GET /v1/orders?limit=2", key="alice")
    assert await listed(f"limit=2&cursor={first['next_cursor']}") == ["4", "2"]
    assert await listed("status=untriggered&symbol=BTCUSDT") == ["5", "4"]
    assert await listed("status=open") == ["6"]
    canceled = await api("DELETE /v1/orders/4", key="alice")
    assert (canceled["status"], canceled["reason"]) == ("canceled", "canceled_by_user")
    assert await api.refused("DELETE /v1/orders/4", key="alice") == (422, "order_not_open")
    assert await api.refused("DELETE /v1/orders/5", key="bob") == (404, "unknown_order")
    assert await api.refused("PATCH /v1/orders/5", {"quantity": "1"}, key="alice") == (
        422, "quantity_not_allowed",
    )  # fmt: skip
    everything = await api("DELETE /v1/orders?account_id=alice", key="alice")
    assert everything["order_ids"] == ["5", "6"]
    assert await listed("status=canceled") == ["6", "5", "4"]
    assert await listed("status=untriggered") == []


async def test_trg_2_a_trade_triggers_what_waits_for_last(market: Api) -> None:
    api = market
    by_last = {**STOP, "trigger_by": "last"}
    await api("POST /v1/orders", by_last, key="alice", status=201)
    await api("POST /v1/orders", {**STOP, "client_order_id": None}, key="alice", status=201)
    await api.open("carol", "1000")
    await api.order("carol", "sell", "0.01", "59000")
    assert (await api("GET /v1/orders/5", key="alice"))["status"] == "untriggered"
    triggered = await api("GET /v1/orders/4", key="alice")
    assert triggered["status"] == "triggered"
    became = await api(f"GET /v1/orders/{triggered['became_order_id']}", key="alice")
    assert became["status"] == "filled"


async def test_trg_2_a_bracket(market: Api) -> None:
    """Its entry fills, what closes wakes, and the first of that decides."""
    api = market
    closing = {**STOP, "client_order_id": None, "reduce_only": True}
    orders = [
        {"account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
         "quantity": "0.01", "price": "59500"},
        {**closing, "type": "take_profit_market", "trigger_price": "61000"},
        closing,
    ]  # fmt: skip
    body = {"kind": "bracket", "orders": orders}
    key = {"Idempotency-Key": "g-1"}
    placed = await api("POST /v1/orders/groups", body, key="alice", status=201, headers=key)
    assert [order["status"] for order in placed["orders"]] == ["new", "untriggered", "untriggered"]
    assert [order["order_id"] for order in placed["orders"]] == ["4", "5", "6"]
    assert placed["group_id"] == placed["orders"][1]["group_id"] == "4"
    again = await api("POST /v1/orders/groups", body, key="alice", status=201, headers=key)
    assert again == placed
    await api.order("bob", "sell", "0.01", "59500")
    await api.mark("BTCUSDT", "59000")
    listed = (await api("GET /v1/orders?account_id=alice", key="alice"))["items"]
    assert [(order["order_id"], order["status"], order["reason"]) for order in listed[:4]] == [
        ("8", "filled", None), ("6", "triggered", None), ("5", "canceled", "group"),
        ("4", "filled", None),
    ]  # fmt: skip


async def test_trg_2_what_is_no_group(market: Api) -> None:
    api = market
    limit = {"account_id": "alice", "symbol": "BTCUSDT", "side": "sell", "type": "limit",
             "quantity": "0.01", "price": "61000"}  # fmt: skip
    stop = {**STOP, "client_order_id": None}
    for orders, refused in (
        ([limit, limit], (422, "invalid_group")),
        ([limit, STOP], (422, "invalid_group")),
        ([stop, stop, stop], (422, "invalid_group")),
        ([limit, {**stop, "trigger_price": "60000"}], (422, "would_trigger_immediately")),
        ([{**limit, "quantity": "5", "side": "buy"}, stop], (422, "insufficient_margin")),
        ([limit], (400, "malformed_body")),
        ([limit, {**stop, "account_id": "bob"}], (404, "unknown_account")),
    ):  # fmt: skip
        body = {"kind": "oco", "orders": orders}
        assert await api.refused("POST /v1/orders/groups", body, key="alice") == refused
    bracket = {"kind": "bracket", "orders": [stop, stop, limit]}
    assert await api.refused("POST /v1/orders/groups", bracket, key="alice") == (
        422, "invalid_group",
    )  # fmt: skip
    one = await api(
        "POST /v1/orders/groups", {"kind": "oco", "orders": [stop, limit]}, key="alice", status=201
    )
    assert [order["type"] for order in one["orders"]] == ["stop_market", "limit"]
    await api("DELETE /v1/orders/4", key="alice")
    assert (await api("GET /v1/orders/5", key="alice"))["reason"] == "group"

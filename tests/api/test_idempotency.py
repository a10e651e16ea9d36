"""Idempotency-Key: the first answer again, or a conflict."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.api.conftest import Api

DEPOSIT = "POST /v1/accounts/alice/deposits"


async def test_same_key_same_answer(api: Api) -> None:
    await api.open("alice", "0")
    body = {"asset": "USDT", "amount": "5"}
    first = await api(DEPOSIT, body, headers={"Idempotency-Key": "d-1"}, status=201)
    again = await api(DEPOSIT, body, headers={"Idempotency-Key": "d-1"}, status=201)
    assert first == again
    other = await api(DEPOSIT, body, headers={"Idempotency-Key": "d-2"}, status=201)
    assert other["balance"] == "10"
    changed = {"asset": "USDT", "amount": "6"}
    assert await api.refused(DEPOSIT, changed, headers={"Idempotency-Key": "d-1"}) == (
        409, "idempotency_key_conflict",
    )  # fmt: skip
    # The key names the route as well, and belongs to the API key that used it.
    withdrawal = "POST /v1/accounts/alice/withdrawals"
    assert await api.refused(withdrawal, body, headers={"Idempotency-Key": "d-1"}) == (
        409, "idempotency_key_conflict",
    )  # fmt: skip
    await api(withdrawal, body, key="alice", headers={"Idempotency-Key": "d-1"}, status=201)
    assert (await api("GET /v1/accounts/alice"))["wallets"][0]["wallet_balance"] == "5"


async def test_at_the_same_time(api: Api) -> None:
    """Twenty requests with one key: one deposit, twenty equal answers."""
    await api.open("alice", "0")
    body = {"asset": "USDT", "amount": "5"}
    headers = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(
        *(api(DEPOSIT, body, headers=headers, status=201) for _ in range(20))
    )
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["balance"] == "5"


async def test_refusals_are_not_kept(api: Api) -> None:
    await api.open("alice", "0")
    body = {"asset": "USDT", "amount": "5"}
    headers = {"Idempotency-Key": "w-1"}
    withdrawal = "POST /v1/accounts/alice/withdrawals"
    assert await api.refused(withdrawal, body, headers=headers) == (422, "insufficient_balance")
    await api(DEPOSIT, body, status=201)
    await api(withdrawal, body, headers=headers, status=201)


async def test_secrets_are_shown_once(api: Api) -> None:
    for call, body in (
        ("POST /v1/accounts", {"account_id": "alice"}),
        ("POST /v1/api-keys", {"name": "x", "scope": "feed"}),
    ):
        headers = {"Idempotency-Key": f"{call} 1".replace(" ", "-")}
        first = await api(call, body, headers=headers, status=201)
        again = await api(call, body, headers=headers, status=201)
        assert first["api_key"]
        assert again == {**first, "api_key": None}


async def test_a_batch_of_orders(api: Api) -> None:
    await api.mark("BTCUSDT", "60000")
    await api.open("alice")
    order = {
        "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.01", "price": "60000",
    }  # fmt: skip
    batch = {"orders": [order, {**order, "price": "0.01"}, {**order, "account_id": "bob"}]}
    headers = {"Idempotency-Key": "batch"}
    first = await api("POST /v1/orders/batch", batch, key="alice", headers=headers)
    again = await api("POST /v1/orders/batch", batch, key="alice", headers=headers)
    assert first == again
    assert [result["status"] for result in first["results"]] == [201, 422, 404]
    assert len((await api("GET /v1/orders", key="alice"))["items"]) == 1


async def test_client_order_ids_are_for_ever(api: Api) -> None:
    """ORD-1: same id and body gives the first answer, whatever became of the order."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice")
    first = await api.order("alice", "buy", "0.01", "60000", client_order_id="a-1")
    await api(f"DELETE /v1/orders/{first['order_id']}", key="alice")
    assert await api.order("alice", "buy", "0.01", "60000", client_order_id="a-1") == first
    assert await api.order("alice", "buy", "0.010", "60000.0", client_order_id="a-1") == first
    body = {
        "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.02", "price": "60000", "client_order_id": "a-1",
    }  # fmt: skip
    assert await api.refused("POST /v1/orders", body, key="alice") == (
        409, "client_order_id_conflict",
    )  # fmt: skip
    await api.open("bob")
    assert await api.order("bob", "buy", "0.01", "60000", client_order_id="a-1") != first


async def test_keys_that_cannot_be(api: Api) -> None:
    await api.open("alice")
    body = {"asset": "USDT", "amount": "5"}
    for key in ("", " ", "a b", "x" * 201, "\x01", "é"):
        headers = {
            b"Idempotency-Key": key.encode("latin-1"),
            b"Authorization": f"Bearer {api.keys['admin']}".encode(),
        }
        path = "/v1/accounts/alice/deposits"
        answer = await api.client.post(path, json=body, headers=headers)
        assert answer.status_code == 400, key
        tick = {"symbol": "BTCUSDT", "mark_price": "1"}
        answer = await api.client.post("/v1/prices", json=tick, headers=headers)
        assert answer.status_code == 400, key


@pytest.mark.parametrize("became", [
    "format = 0",
    """results = '[{"Canceled":{"order_ids":[1]}}]'""",
    """results = '[{"Rejection":{"code":"of_old","detail":"no","context":{}}}]'""",
])  # fmt: skip
async def test_an_answer_that_cannot_be_read_any_more(
    api: Api, connection: asyncpg.Connection, became: str
) -> None:
    """As after an upgrade: neither done again nor a fault."""
    await api.open("alice", "100000")
    await api.mark("BTCUSDT", "60000")
    deposit = {"asset": "USDT", "amount": "5"}
    order = {
        "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.01", "price": "59000", "client_order_id": "a-1",
    }  # fmt: skip
    headers = {"Idempotency-Key": "once"}
    await api(DEPOSIT, deposit, headers=headers, status=201)
    await api("POST /v1/orders", order, status=201)
    await api.runner.stop()
    await connection.execute(f"UPDATE answers SET {became}")
    await api.runner.start()
    while not api.runner.leading:
        await asyncio.sleep(0.01)
    refused = await api.refused(DEPOSIT, deposit, headers=headers)
    assert refused == (409, "answer_expired")
    assert await api.refused("POST /v1/orders", order) == (409, "answer_expired")
    batch = await api("POST /v1/orders/batch", {"orders": [order]})
    assert batch["results"][0]["problem"]["code"] == "answer_expired"
    assert (await api("GET /v1/accounts/alice"))["wallets"][0]["wallet_balance"] == "100005"

"""Nobody drains a fund, over HTTP (FND-12)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.api.schemas.base import parse_time
from tests.api.conftest import Api


async def test_fnd_12_open_interest_has_limits(api: Api) -> None:
    """What an order may open is said alike by its preview, which reads what is committed."""
    for account in ("alice", "bob"):
        await api.open(account, "100000")
    await api.mark("BTCUSDT", "60000")
    await api("PATCH /v1/contracts/BTCUSDT", {"open_interest_cap": "2"})
    await api.order("alice", "buy", "5", "60000")
    await api.order("bob", "sell", "1.5", "60000")
    more = {
        "account_id": "bob", "symbol": "BTCUSDT", "side": "sell", "type": "limit",
        "quantity": "0.501", "price": "60000",
    }  # fmt: skip
    for path in ("/v1/orders", "/v1/orders/preview"):
        answer = await api.send(f"POST {path}", more, key="bob")
        assert (answer.status_code, answer.json()["code"]) == (422, "open_interest_cap")
        assert answer.json()["context"] == {
            "open_interest": "1.5", "growth": "0.501", "open_interest_cap": "2"
        }  # fmt: skip
    await api.seed_fund("usdt-major", "40000")
    limits = {"open_interest_cap": None, "open_interest_multiple": "3"}
    await api("PATCH /v1/contracts/BTCUSDT", limits)
    for path in ("/v1/orders", "/v1/orders/preview"):
        answer = await api.send(f"POST {path}", more, key="bob")
        assert answer.json()["context"] == {
            "notional": "120060", "open_interest_multiple": "3", "fund_balance": "40000"
        }  # fmt: skip
    await api("POST /v1/orders/preview", {**more, "quantity": "0.5"}, key="bob")
    await api.order("bob", "sell", "0.5", "60000")


async def test_fnd_12_accounts_have_owners(api: Api) -> None:
    """An admin declares them, at the opening or later, and he alone sees them."""
    body = {"account_id": "alice", "owner_id": "ann"}
    opened = await api("POST /v1/accounts", body, status=201)
    api.keys["alice"] = opened["api_key"]
    assert opened["owner_id"] == "ann"
    await api.open("bob", "0")
    assert (await api("GET /v1/accounts/bob"))["owner_id"] is None
    changed = await api("PATCH /v1/accounts/bob", {"owner_id": "ann"})
    assert (changed["owner_id"], changed["position_mode"]) == ("ann", "one_way")
    listed = {
        one["account_id"]: one["owner_id"] for one in (await api("GET /v1/accounts"))["items"]
    }
    assert listed == {"alice": "ann", "bob": "ann"}
    assert "owner_id" not in await api("GET /v1/accounts/bob", key="bob")
    mode = await api("PATCH /v1/accounts/bob", {"position_mode": "hedge"}, key="bob")
    assert "owner_id" not in mode
    refused = await api.refused("PATCH /v1/accounts/bob", {"owner_id": None}, key="bob")
    assert refused == (403, "forbidden")
    for both in ({}, {"owner_id": "ann", "position_mode": "hedge"}, {"owner_id": "-"}):
        refused = await api.refused("PATCH /v1/accounts/bob", both)
        assert refused == (400, "malformed_body")
    assert (await api("PATCH /v1/accounts/bob", {"owner_id": None}))["owner_id"] is None
    for number in range(99):
        body = {"account_id": f"sub-{number}", "owner_id": "ann"}
        await api("POST /v1/accounts", body, status=201)
    assert await api.refused("PATCH /v1/accounts/bob", {"owner_id": "ann"}) == (
        422, "too_many_accounts"
    )  # fmt: skip


async def test_fnd_12_profit_is_held(api: Api) -> None:
    """The refusal says how much, and until when."""
    policy = {"profit_hold_seconds": 600, "max_net_notional_ratio": "10"}
    await api("PATCH /v1/insurance-funds/usdt-major", {"policy": policy})
    await api.seed_fund("usdt-major", "100000")
    for account, amount in (("alice", "6100"), ("bob", "100000"), ("carol", "100000")):
        await api.open(account, amount)
    await api.mark("BTCUSDT", "60000")
    await api.configure("alice", 10)
    await api.order("bob", "sell", "1", "60000")
    await api.order("alice", "buy", "1", "60000")
    await api.mark("BTCUSDT", "53000")
    await api.order("carol", "sell", "0.1", "53000")
    await api.order("bob", "buy", "0.1", "53000")
    body = {"asset": "USDT", "amount": "100000"}
    answer = await api.send("POST /v1/accounts/bob/withdrawals", body, key="bob")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "profit_held")
    assert (problem["context"]["held"], problem["context"]["amount"]) == ("700", "100000")
    assert problem["context"]["available"] == "99985.35"
    held_for = parse_time(problem["context"]["free_at"]) - datetime.now(UTC)
    assert timedelta(minutes=5) < held_for <= timedelta(minutes=10)
    body = {"asset": "USDT", "amount": "99985.35"}
    await api("POST /v1/accounts/bob/withdrawals", body, key="bob", status=201)


async def test_fnd_12_self_dealing_is_reported(api: Api) -> None:
    """By owner and contract: what the fund paid for it, and what it won there at the same time."""
    await api("PATCH /v1/insurance-funds/usdt-major", {"policy": {"max_net_notional_ratio": "10"}})
    await api.seed_fund("usdt-major", "100000")
    for account, amount in (("m1", "6100"), ("m2", "100000"), ("carol", "100000")):
        await api.open(account, amount)
    await api("PATCH /v1/accounts/m1", {"owner_id": "mallory"})
    await api.mark("BTCUSDT", "60000")
    await api.configure("m1", 10)
    await api.order("m2", "sell", "1", "60000")
    await api.order("m1", "buy", "1", "60000")
    await api.mark("BTCUSDT", "53000")
    await api("PATCH /v1/accounts/m2", {"owner_id": "mallory"})
    await api.order("carol", "sell", "0.1", "53000")
    await api.order("m2", "buy", "0.1", "53000")
    (line,) = (await api("GET /v1/self-dealing"))["items"]
    # Long 1 at 60,000 with 6,100 less 30 of fee: bankrupt at 53,930, and the mark is 53,000.
    assert line == {
        "owner_id": "mallory", "symbol": "BTCUSDT", "fund": "usdt-major", "asset": "USDT",
        "fund_paid": "930", "treasury_paid": "0", "won": "700", "lost": "6070",
    }  # fmt: skip
    listed = await api("GET /v1/self-dealing?owner_id=mallory&limit=1")
    assert listed == {"items": [line], "next_cursor": None}
    assert (await api("GET /v1/self-dealing?owner_id=carol"))["items"] == []
    assert (await api("GET /v1/self-dealing?to=2020-01-01T00:00:00Z"))["items"] == []
    wide = "GET /v1/self-dealing?from=2020-01-01T00:00:00Z"
    assert await api.refused(wide) == (422, "query_too_wide")
    assert await api.refused("GET /v1/self-dealing", key="carol") == (403, "forbidden")

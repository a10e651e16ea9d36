"""Nobody drains a fund, over HTTP (FND-12)."""

from __future__ import annotations

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

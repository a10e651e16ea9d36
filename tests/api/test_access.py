"""Who may do what: keys, scopes, other people's things."""

from __future__ import annotations

from tests.api.conftest import Api

ADMIN_ONLY = [
    ("GET /v1/accounts", None),
    ("POST /v1/accounts", {"account_id": "eve"}),
    ("POST /v1/accounts/alice/deposits", {"asset": "USDT", "amount": "1"}),
    ("POST /v1/contracts", {}),
    ("PATCH /v1/contracts/BTCUSDT", {}),
    ("POST /v1/contracts/import", {}),
    ("GET /v1/api-keys", None),
    ("POST /v1/api-keys", {"name": "x", "scope": "admin"}),
    ("DELETE /v1/api-keys/abc", None),
    ("POST /v1/insurance-funds", {}),
    ("PATCH /v1/insurance-funds/usdt-major", {}),
    ("POST /v1/insurance-funds/usdt-major/contributions", {}),
    ("GET /v1/treasury", None),
    ("GET /v1/treasury/history", None),
    ("GET /v1/treasury/history-head", None),
    ("POST /v1/treasury/contributions", {}),
    ("GET /v1/alerts", None),
]

PUBLIC = [
    "/v1/contracts",
    "/v1/contracts/BTCUSDT",
    "/v1/contracts/BTCUSDT/book",
    "/v1/contracts/BTCUSDT/adl-queue",
    "/v1/contracts/BTCUSDT/adl-risk",
    "/v1/prices",
    "/v1/trades?symbol=BTCUSDT",
    "/v1/liquidations",
    "/v1/clearance-fees",
    "/v1/adl-events",
    "/v1/insurance-funds",
    "/v1/insurance-funds/usdt-major",
    "/v1/insurance-fund-history",
    "/healthz",
    "/readyz",
    "/leaderz",
    "/docs",
    "/openapi.json",
]


async def test_admin_only(api: Api) -> None:
    await api.open("alice")
    for call, body in ADMIN_ONLY:
        assert await api.refused(call, body, key=None) == (401, "unauthorized"), call
        for key in ("alice", "feed"):
            assert await api.refused(call, body, key=key) == (403, "forbidden"), call


async def test_public(api: Api) -> None:
    for path in PUBLIC:
        assert (await api.send(f"GET {path}", key=None)).status_code == 200, path


async def test_unknown_keys(api: Api) -> None:
    for empty in ("", "Bearer", "Bearer "):
        answer = await api.send("GET /v1/accounts", headers={"Authorization": empty}, key=None)
        assert answer.status_code == 401, empty
    for key in ("wrong", "bk_" + "x" * 43, "\x7f", "é"):
        headers = {b"Authorization": f"Bearer {key}".encode("latin-1")}
        answer = await api.client.get("/v1/accounts", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        # A public route does not ignore a key that is wrong.
        assert (await api.client.get("/v1/liquidations", headers=headers)).status_code == 401
    basic = {"Authorization": f"Basic {api.keys['admin']}"}
    assert (await api.client.get("/v1/accounts", headers=basic)).status_code == 401


async def test_feed_sends_prices_and_nothing_else(api: Api) -> None:
    await api.open("alice")
    tick = {"symbol": "BTCUSDT", "mark_price": "60000"}
    assert (await api("POST /v1/prices", tick, key="feed"))["mark_price"] == "60000"
    assert await api.refused("POST /v1/prices", tick, key="alice") == (403, "forbidden")
    assert await api.refused("POST /v1/prices/batch", {"ticks": [tick]}, key=None) == (
        401, "unauthorized",
    )  # fmt: skip
    for path in ("/v1/accounts/alice", "/v1/accounts/alice/ledger", "/v1/orders", "/v1/orders/1"):
        assert await api.refused(f"GET {path}", key="feed") == (403, "forbidden"), path
    assert await api.refused("POST /v1/orders", {}, key="feed") == (403, "forbidden")


TRADERS_THINGS = [
    ("GET /v1/accounts/{}", None),
    ("GET /v1/accounts/{}/ledger", None),
    ("GET /v1/accounts/{}/positions", None),
    ("GET /v1/orders?account_id={}", None),
    ("GET /v1/trades?account_id={}", None),
    ("GET /v1/liquidations?account_id={}", None),
    ("GET /v1/adl-events?account_id={}", None),
    ("DELETE /v1/orders?account_id={}", None),
    ("POST /v1/accounts/{}/withdrawals", {"asset": "USDT", "amount": "1"}),
    ("PATCH /v1/accounts/{}", {"position_mode": "one_way"}),
    ("PUT /v1/accounts/{}/contracts/BTCUSDT", {"leverage": 5}),
    ("POST /v1/accounts/{}/contracts/BTCUSDT/margin", {"amount": "1"}),
]


async def test_another_account_is_an_unknown_one(api: Api) -> None:
    """A trader gets the very same bytes for another's account as for one that does not exist."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice")
    await api.open("bob")
    for call, body in TRADERS_THINGS:
        anothers = await api.send(call.format("bob"), body, key="alice")
        nobodys = await api.send(call.format("nobody"), body, key="alice")
        assert anothers.status_code == 404, call
        assert anothers.content == nobodys.content, call
        assert anothers.json()["code"] == "unknown_account"
        assert (await api.send(call.format("alice"), body, key="alice")).status_code != 404, call
        if "?" not in call:
            assert (await api.send(call.format("bob"), body, key=None)).status_code == 401, call


async def test_another_order_is_an_unknown_one(api: Api) -> None:
    await api.mark("BTCUSDT", "60000")
    await api.open("alice")
    await api.open("bob")
    order = await api.order("bob", "buy", "0.01", "59000")
    for method in ("GET", "DELETE"):
        anothers = await api.send(f"{method} /v1/orders/{order['order_id']}", key="alice")
        nobodys = await api.send(f"{method} /v1/orders/999", key="alice")
        assert anothers.status_code == 404
        assert anothers.content == nobodys.content
        assert anothers.json()["code"] == "unknown_order"
    body = {
        "account_id": "bob", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.01", "price": "59000",
    }  # fmt: skip
    for path in ("/v1/orders", "/v1/orders/preview"):
        anothers = await api.send(f"POST {path}", body, key="alice")
        nobodys = await api.send(f"POST {path}", {**body, "account_id": "nobody"}, key="alice")
        assert anothers.status_code == 404
        assert anothers.content == nobodys.content
    results = await api("POST /v1/orders/batch", {"orders": [body]}, key="alice")
    assert results["results"][0]["status"] == 404
    assert results["results"][0]["problem"]["code"] == "unknown_account"
    assert (await api(f"GET /v1/orders/{order['order_id']}", key="bob"))["status"] == "new"


async def test_keys_are_shown_once_and_revoked_at_once(api: Api) -> None:
    made = await api("POST /v1/api-keys", {"name": "second", "scope": "admin"}, status=201)
    secret = made["api_key"]
    assert await api("GET /v1/accounts", key=secret)
    listed = await api("GET /v1/api-keys")
    assert made["key_id"] in [key["key_id"] for key in listed["items"]]
    assert secret not in str(listed)
    assert "digest" not in str(listed)
    await api(f"DELETE /v1/api-keys/{made['key_id']}", status=204)
    assert await api.refused("GET /v1/accounts", key=secret) == (401, "unauthorized")
    assert await api.refused(f"DELETE /v1/api-keys/{made['key_id']}") == (404, "unknown_key")
    shown = {key["key_id"]: key for key in (await api("GET /v1/api-keys"))["items"]}
    assert shown[made["key_id"]]["revoked_at"] is not None


async def test_a_traders_second_key(api: Api) -> None:
    await api.open("alice")
    body = {"name": "bot", "scope": "trader", "account_id": "alice"}
    made = await api("POST /v1/api-keys", body, status=201)
    assert (await api("GET /v1/accounts/alice", key=made["api_key"]))["account_id"] == "alice"


IMPOSSIBLE_KEYS: list[tuple[dict[str, str], tuple[int, str]]] = [
    ({"name": "x", "scope": "trader"}, (422, "invalid_key")),
    ({"name": "x", "scope": "feed", "account_id": "a"}, (422, "invalid_key")),
    ({"name": "x", "scope": "trader", "account_id": "nobody"}, (404, "unknown_account")),
    ({"name": "x", "scope": "root"}, (400, "malformed_body")),
    ({"name": "", "scope": "feed"}, (400, "malformed_body")),
    ({"name": "a\x00b", "scope": "feed"}, (400, "malformed_body")),
    ({"scope": "feed"}, (400, "malformed_body")),
]


async def test_keys_that_cannot_be(api: Api) -> None:
    for body, expected in IMPOSSIBLE_KEYS:
        assert await api.refused("POST /v1/api-keys", body) == expected, body

"""The style that every route keeps: problems, strict bodies, pages."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import PROBLEM, Api

ORDER: dict[str, Any] = {
    "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
    "quantity": "0.01", "price": "60000",
}  # fmt: skip
DEPOSIT = "POST /v1/accounts/alice/deposits"

NOT_DECIMALS: list[Any] = [
    1, 1.5, 0, True, None, [], {}, "", " 1", "1 ", "+1", "1e3", "1E400", "NaN", "Infinity",
    "-Infinity", "1_000", "1,5", ".5", "5.", "--1", "0x10", "١٢", "1" + "0" * 15,
    "0.0000000000001", "9" * 41, "1" * 500, "-", "-.1", "\x00", "1\x00",
]  # fmt: skip


async def test_unknown_routes_and_methods(api: Api) -> None:
    assert await api.refused("GET /v1/nothing") == (404, "not_found")
    assert await api.refused("GET /") == (404, "not_found")
    assert await api.refused("GET /v1/contracts/") == (404, "not_found")
    assert await api.refused("GET /v1/prices/batch/x") == (404, "not_found")
    for call, allowed in (
        ("PUT /v1/accounts", {"GET", "POST"}),
        ("DELETE /v1/prices", {"GET", "POST"}),
        ("PATCH /v1/orders", {"GET", "POST", "DELETE"}),
    ):
        answer = await api.send(call)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), call
        assert set(answer.headers["allow"].split(", ")) == allowed, call


async def test_decimals_are_strings(api: Api) -> None:
    """NUM-1 at the edge, in a lean route and in the others."""
    await api.open("alice")
    await api.mark("BTCUSDT", "60000")
    for value in NOT_DECIMALS:
        body = {"asset": "USDT", "amount": value}
        assert await api.refused(DEPOSIT, body) == (400, "malformed_body"), value
        if value is not None:
            for name in ("quantity", "price"):
                refused = await api.refused("POST /v1/orders", {**ORDER, name: value}, key="alice")
                assert refused == (400, "malformed_body"), value
    for value in ("0", "-0", "-1", "0.0", "-999999999999999.99"):
        body = {"asset": "USDT", "amount": value}
        assert await api.refused(DEPOSIT, body) == (422, "amount_not_positive"), value
    body = {"asset": "USDT", "amount": "0.000000001"}
    assert await api.refused(DEPOSIT, body) == (422, "too_many_decimals")
    for value, shown in (("1.000000000000000000000", "1"), ("007.50", "7.5"), ("0.00000001",) * 2):
        moved = await api(DEPOSIT, {"asset": "USDT", "amount": value}, status=201)
        assert moved["amount"] == shown
    moved = await api(DEPOSIT, {"asset": "USDT", "amount": "9" * 15 + ".99999999"}, status=201)
    assert moved["amount"] == "9" * 15 + ".99999999"


NOT_FIELDS: list[tuple[str, Any]] = [
        ("account_id", "a b"), ("account_id", ""), ("account_id", "../x"), ("account_id", "a\x00"),
        ("account_id", "x" * 65), ("account_id", 5), ("symbol", "btcusdt"), ("symbol", "B/C"),
        ("side", "long"), ("side", None), ("type", "stop_loss"), ("time_in_force", "GTC"),
        ("reduce_only", "true"), ("reduce_only", 1), ("position_side", "up"),
        ("client_order_id", "x" * 65), ("client_order_id", "a\x00b"), ("client_order_id", 7),
        ("self_trade_prevention", "none"), ("surprise", 1),
]  # fmt: skip


async def test_fields_of_an_order(api: Api) -> None:
    for name, value in NOT_FIELDS:
        refused = await api.refused("POST /v1/orders", {**ORDER, name: value})
        assert refused == (400, "malformed_body"), (name, value)


BROKEN = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"1",
    b'"x"',
    b'{"asset": "USDT", "amount": "\xff"}',
    b'{"asset": "USDT", "amount": NaN}',
    b'{"asset": "USDT", "amount": Infinity}',
    b'{"asset": "USDT", "amount": "1", "reference": "\\ud800"}',
    b'{"asset": "USDT", "amount": "1", "reference": "\\u0000"}',
    b'{"asset": "USDT", "amount": "1"} x',
    b'{"asset": "USDT", "amount": 1e999999999}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    '{"asset": "USDT", "amount": "1"}'.encode("utf-16"),
]


async def test_bodies_that_are_not_json(api: Api) -> None:
    await api.open("alice", "0")
    for content in BROKEN:
        for call in (
            DEPOSIT, "POST /v1/orders", "POST /v1/orders/batch", "POST /v1/prices/batch",
            "POST /v1/contracts/import", "PATCH /v1/insurance-funds/usdt-major",
        ):  # fmt: skip
            refused = await api.refused(call, content=content)
            assert refused == (400, "malformed_body"), (call, content[:60])
    assert (await api("GET /v1/accounts/alice"))["wallets"] == []


async def test_content_type_does_not_matter(api: Api) -> None:
    """`curl -d` sends a form's content type."""
    await api.open("alice")
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
        answer = await api.send(
            DEPOSIT, content=b'{"asset": "USDT", "amount": "1"}', headers={"Content-Type": kind}
        )
        assert answer.status_code == 201, kind


async def test_paths_that_name_nothing(api: Api) -> None:
    for path, code in {
        "/v1/contracts/NOPE": "unknown_contract",
        "/v1/contracts/b%00": "unknown_contract",
        "/v1/contracts/NOPE/book": "unknown_contract",
        "/v1/contracts/NOPE/adl-queue": "unknown_contract",
        "/v1/prices/NOPE": "unknown_contract",
        "/v1/accounts/nobody": "unknown_account",
        "/v1/accounts/a%00b": "unknown_account",
        "/v1/accounts/nobody/ledger": "unknown_account",
        "/v1/accounts/nobody/positions": "unknown_account",
        "/v1/orders/0": "unknown_order",
        "/v1/orders/x": "unknown_order",
        "/v1/orders/99999999999999999999999": "unknown_order",
        "/v1/liquidations/7": "unknown_liquidation",
        "/v1/liquidations/-7": "unknown_liquidation",
        "/v1/adl-events/7": "unknown_adl_event",
        "/v1/insurance-funds/nope": "unknown_fund",
        "/v1/insurance-funds/%F0%9F%98%80": "unknown_fund",
    }.items():
        assert await api.refused(f"GET {path}") == (404, code), path
    assert await api.refused("GET /v1/prices/BTCUSDT") == (404, "no_mark")
    body = {"leverage": 5}
    await api.open("alice")
    assert await api.refused("PUT /v1/accounts/alice/contracts/NOPE", body) == (
        404, "unknown_contract",
    )  # fmt: skip
    assert await api.refused("PATCH /v1/contracts/NOPE", {"status": "halted"}) == (
        404, "unknown_contract",
    )  # fmt: skip
    assert await api.refused("PATCH /v1/insurance-funds/nope", {"name": "x"}) == (
        404, "unknown_fund",
    )  # fmt: skip


NOT_QUERIES = [
        "limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e2", "limit=", "cursor=",
        "cursor=!!", "cursor=abc", "cursor=WyJhIl0%3D", "cursor=" + "A" * 400, "surprise=1",
        "limit=5&limit=6", "limit=" + "9" * 5000, "cursor=bnVsbA", "cursor=WzFd",
        "cursor=WyJhXHUwMDAwIl0",
]  # fmt: skip


async def test_queries(api: Api) -> None:
    for query in NOT_QUERIES:
        refused = await api.refused(f"GET /v1/contracts?{query}")
        assert refused == (400, "malformed_query"), query


async def test_queries_of_the_other_lists(api: Api) -> None:
    for path in (
        "/v1/orders?status=lost", "/v1/orders?symbol=btc", "/v1/orders?cursor=WyJhIl0",
        "/v1/orders?cursor=Wy0xXQ", "/v1/orders?cursor=WzFlOTldXQ", "/v1/trades",
        "/v1/orders?cursor=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMF0",
        "/v1/trades?symbol=%00", "/v1/liquidations?outcome=x", "/v1/liquidations?fund=%00",
        "/v1/insurance-fund-history?interval=1m", "/v1/insurance-fund-history?interval=2h",
        "/v1/insurance-fund-history?from=yesterday", "/v1/insurance-fund-history?from=2026-01-01",
        "/v1/insurance-fund-history?from=2026-13-01T00:00:00Z",
        "/v1/insurance-fund-history?to=0001-01-01T00:00:00%2B14:00",
        "/v1/insurance-fund-history?kind=gift", "/v1/insurance-fund-history?format=xml",
        "/v1/insurance-fund-history?interval=1d&fund=usdt-major&asset=USDT&kind=top_up",
        "/v1/insurance-fund-history?cursor=WyJ4IiwieCIsMV0",
        "/v1/contracts/BTCUSDT/book?depth=0", "/v1/contracts/BTCUSDT/book?depth=1001",
    ):  # fmt: skip
        assert await api.refused(f"GET {path}") == (400, "malformed_query"), path
    assert await api.refused("DELETE /v1/orders") == (400, "malformed_query")
    assert await api.refused("DELETE /v1/orders?acount_id=a") == (400, "malformed_query")
    assert await api.refused("POST /v1/orders?x=1", ORDER) == (400, "malformed_query")


async def test_pages(api: Api) -> None:
    """Every list continues where its page ended, and ends with a null cursor."""
    for number in range(5):
        await api.open(f"trader-{number}", "0")
    seen: list[str] = []
    path = "/v1/accounts?limit=2"
    while True:
        page = await api(f"GET {path}")
        assert len(page["items"]) <= 2
        seen += [item["account_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        path = f"/v1/accounts?limit=2&cursor={page['next_cursor']}"
    assert seen == [f"trader-{number}" for number in range(5)]
    assert (await api("GET /v1/accounts?limit=5"))["next_cursor"] is None
    symbols = [one["symbol"] for one in (await api("GET /v1/contracts?limit=1000"))["items"]]
    assert symbols == sorted(symbols)


async def test_too_large(api: Api) -> None:
    """8 MiB, announced or not; one byte less only is malformed."""
    limit = 8 * 1024 * 1024
    body = b'{"asset": "USDT", "amount": "' + b"1" * limit
    for call in (DEPOSIT, "POST /v1/orders", "POST /v1/contracts/import"):
        assert await api.refused(call, content=body) == (413, "body_too_large"), call
        assert await api.refused(call, content=b" " * limit) == (400, "malformed_body"), call
    assert await api.refused("GET /v1/contracts", content=body) == (413, "body_too_large")


async def test_headers_of_every_answer(api: Api) -> None:
    """The same of a lean route as of any other, answered or refused."""
    tick = {"symbol": "BTCUSDT", "mark_price": "60000"}
    for call, body, status in (
        ("POST /v1/prices", tick, 200), ("POST /v1/prices", {}, 400),
        ("GET /v1/contracts", None, 200), ("GET /nothing", None, 404),
    ):  # fmt: skip
        answer = await api.send(call, body)
        assert answer.status_code == status
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert answer.headers["content-length"] == str(len(answer.content))
        assert answer.headers["content-type"] == ("application/json" if status == 200 else PROBLEM)

"""Accounts: money, settings, isolated margin, positions, the ledger."""

from __future__ import annotations

from decimal import Decimal

from tests.api.conftest import Api
from tests.runner.conftest import until


async def test_opening(api: Api) -> None:
    opened = await api("POST /v1/accounts", {"account_id": "alice"}, status=201)
    assert opened["account_id"] == "alice"
    assert opened["position_mode"] == "one_way"
    assert opened["api_key"].startswith("bk_")
    body = {"account_id": "alice", "position_mode": "one_way"}
    assert await api.refused("POST /v1/accounts", body) == (409, "account_exists")
    for body, expected in (
        ({"account_id": "bob", "position_mode": "both"}, (400, "malformed_body")),
        ({"account_id": "b/b"}, (400, "malformed_body")),
    ):
        assert await api.refused("POST /v1/accounts", body) == expected
    own = opened["api_key"]
    patched = await api("PATCH /v1/accounts/alice", {"position_mode": "one_way"}, key=own)
    assert patched == {name: opened[name] for name in patched}
    assert await api("GET /v1/accounts/alice", key=opened["api_key"]) == {
        **patched, "cancel_at": None, "wallets": [],
    }  # fmt: skip
    assert (await api("GET /v1/accounts"))["items"] == [{**patched, "owner_id": None}]
    unknown = await api.refused("PATCH /v1/accounts/bob", {"position_mode": "one_way"})
    assert unknown == (404, "unknown_account")


async def test_money_in_and_out(api: Api) -> None:
    await api.open("alice", "0")
    moved = await api(
        "POST /v1/accounts/alice/deposits",
        {"asset": "USDT", "amount": "100.5", "reference": "bank 17"}, status=201,
    )  # fmt: skip
    assert (moved["asset"], moved["amount"], moved["balance"]) == ("USDT", "100.5", "100.5")
    out = await api(
        "POST /v1/accounts/alice/withdrawals", {"asset": "USDT", "amount": "0.5"},
        key="alice", status=201,
    )  # fmt: skip
    assert out["balance"] == "100"
    for call, body, expected in (
        ("withdrawals", {"asset": "USDT", "amount": "100.00000001"}, "insufficient_balance"),
        ("withdrawals", {"asset": "USDC", "amount": "1"}, "insufficient_balance"),
        ("deposits", {"asset": "XYZ", "amount": "1"}, "unknown_asset"),
    ):
        refused = await api.refused(f"POST /v1/accounts/alice/{call}", body)
        assert refused == (422, expected)
    ledger = await api("GET /v1/accounts/alice/ledger", key="alice")
    assert [(one["kind"], one["amount"], one["balance_after"]) for one in ledger["items"]] == [
        ("withdrawal", "-0.5", "100"), ("deposit", "100.5", "100.5"),
    ]  # fmt: skip
    assert ledger["items"][1]["reference"] == "bank 17"
    assert ledger["items"][1]["transfer_id"] == moved["transfer_id"]
    only = await api("GET /v1/accounts/alice/ledger?kind=deposit&asset=USDT")
    assert only["items"] == ledger["items"][1:]
    assert (await api("GET /v1/accounts/alice/ledger?asset=USDC"))["items"] == []


async def test_cancel_all_after(api: Api) -> None:
    """ORD-14: each call sets when the open orders are cancelled; the account says when."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "0")
    call = "POST /v1/accounts/alice/cancel-all-after"
    assert (await api("GET /v1/accounts/alice"))["cancel_at"] is None
    first = await api(call, {"seconds": 3600}, key="alice", headers={"Idempotency-Key": "a"})
    assert (await api("GET /v1/accounts/alice", key="alice"))["cancel_at"] == first["cancel_at"]
    again = await api(call, {"seconds": 86400})
    assert again["cancel_at"] > first["cancel_at"]
    same = await api(call, {"seconds": 3600}, key="alice", headers={"Idempotency-Key": "a"})
    assert same == first
    assert (await api("GET /v1/accounts/alice"))["cancel_at"] == again["cancel_at"]
    assert await api(call, {"seconds": 0}, key="alice") == {"cancel_at": None}
    for body, expected in (
        ({"seconds": -1}, (422, "countdown_out_of_range")),
        ({"seconds": 86401}, (422, "countdown_out_of_range")),
        ({"seconds": 2**31}, (400, "malformed_body")),
        ({"seconds": "30"}, (400, "malformed_body")),
        ({"seconds": 1.5}, (400, "malformed_body")),
        ({"seconds": None}, (400, "malformed_body")),
        ({}, (400, "malformed_body")),
    ):
        assert await api.refused(call, body, key="alice") == expected, body
    assert await api.refused(call, {"seconds": 1}, key="bob") == (404, "unknown_account")
    assert await api.refused(call, {"seconds": 1}, key="feed") == (403, "forbidden")
    unknown = await api.refused(call.replace("alice", "carol"), {"seconds": 1})
    assert unknown == (404, "unknown_account")
    order = await api.order("alice", "buy", "0.01", "59000")
    await api(call, {"seconds": 1}, key="alice")
    await until(lambda: not api.runner.engine.state.orders)
    assert await api.refused(f"DELETE /v1/orders/{order['order_id']}", key="alice") == (
        422, "order_not_open",
    )  # fmt: skip
    ended = await api(f"GET /v1/orders/{order['order_id']}", key="alice")
    assert (ended["status"], ended["reason"]) == ("canceled", "cancel_all_after")
    assert (await api("GET /v1/accounts/alice"))["cancel_at"] is None


async def test_wallet_and_position_figures(api: Api) -> None:
    """A cross long of 0.1 at 60,000, 20x, marked at 59,000; and an open bid."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "10000")
    await api.order("bob", "sell", "0.1", "60000")
    await api.order("alice", "buy", "0.1", "60000")
    await api.mark("BTCUSDT", "59000")
    await api.order("alice", "buy", "0.01", "58000")
    account = await api("GET /v1/accounts/alice", key="alice")
    (wallet,) = account["wallets"]
    assert wallet == {
        "asset": "USDT",
        "wallet_balance": "997",  # less the taker fee, 0.05 % of 6,000
        "unrealized_profit": "-100",
        "equity": "897",
        "initial_margin": "324",  # (5,900 + 580) / 20
        "maintenance_margin": "23.6",  # 0.4 % of 5,900
        "margin_ratio": "0.02630992",
        "available_balance": "573",
    }
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert position == {
        "symbol": "BTCUSDT", "position_side": "both", "quantity": "0.1", "entry_price": "60000",
        "mark_price": "59000", "notional": "5900", "unrealized_profit": "-100",
        "margin_mode": "cross", "isolated_wallet": None, "leverage": 20, "initial_margin": "295",
        "maintenance_margin": "23.6",
        "liquidation_price": "50230.92369478",  # 997 + 0.1 p - 6,000 = 0.0004 p
        "bankruptcy_price": "50030", "adl_quantile": 4,
    }  # fmt: skip
    (short,) = (await api("GET /v1/accounts/bob/positions", key="bob"))["items"]
    assert short["quantity"] == "-0.1"
    assert short["unrealized_profit"] == "100"


async def test_settings_and_isolated_margin(api: Api) -> None:
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "10000")
    path = "/v1/accounts/alice/contracts/BTCUSDT"
    body = {"leverage": 10, "margin_mode": "isolated"}
    assert await api(f"PUT {path}", body, key="alice") == {"symbol": "BTCUSDT", **body}
    assert (await api(f"PUT {path}", {"leverage": 12}, key="alice"))["margin_mode"] == "isolated"
    for wrong, expected in (
        ({"leverage": 0}, (422, "leverage_too_low")),
        ({"leverage": 1000}, (422, "leverage_too_high")),
        ({"leverage": 2**31}, (400, "malformed_body")),
        ({"leverage": "10"}, (400, "malformed_body")),
        ({"leverage": 10.0}, (400, "malformed_body")),
        ({"leverage": True}, (400, "malformed_body")),
        ({"leverage": None}, (400, "malformed_body")),
        ({"margin_mode": "portfolio"}, (400, "malformed_body")),
    ):
        assert await api.refused(f"PUT {path}", wrong, key="alice") == expected, wrong
    margin = f"POST {path}/margin"
    refused = await api.refused(margin, {"amount": "1"}, key="alice")
    assert refused == (422, "no_isolated_position")
    await api.order("bob", "sell", "0.01", "60000")
    await api.order("alice", "buy", "0.01", "60000")
    added = await api(margin, {"amount": "25"}, key="alice", status=201)
    assert (added["amount"], added["balance"]) == ("25", "75")
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert (position["margin_mode"], position["isolated_wallet"]) == ("isolated", "75")
    back = await api(margin, {"amount": "-25", "position_side": "both"}, key="alice", status=201)
    assert back["balance"] == "50"
    refused = await api.refused(margin, {"amount": "-1"}, key="alice")
    assert refused == (422, "insufficient_margin")
    shared = await api(f"PUT {path}", {"margin_mode": "cross"}, key="alice")
    assert shared == {"symbol": "BTCUSDT", "leverage": 12, "margin_mode": "cross"}
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert (position["margin_mode"], position["isolated_wallet"]) == ("cross", None)
    ledger = (await api("GET /v1/accounts/alice/ledger", key="alice"))["items"]
    moved = [(one["kind"], one["wallet"], one["amount"]) for one in ledger[:2]]
    assert sorted(moved) == [("margin_out", "BTCUSDT:both", "-50"), ("margin_out", "cross", "50")]
    await api(f"PUT {path}", {"margin_mode": "isolated", "leverage": 20}, key="alice")
    (position,) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert (position["margin_mode"], position["isolated_wallet"]) == ("isolated", "30")


async def test_a_margin_mode_that_would_put_somebody_at_risk(api: Api) -> None:
    """ORD-3: with the numbers that decided."""
    await api.mark("BTCUSDT", "60000")
    await api.mark("ETHUSDT", "2000")
    await api.open("alice", "1000")
    await api.open("bob", "100000")
    for symbol, quantity, price in (("BTCUSDT", "0.1", "60000"), ("ETHUSDT", "1", "2000")):
        for name, side in (("bob", "sell"), ("alice", "buy")):
            await api.order(name, side, quantity, price, symbol=symbol)
    await api.mark("ETHUSDT", "3000")
    await api.mark("BTCUSDT", "49000")
    path = "/v1/accounts/alice/contracts/ETHUSDT"
    body = {"margin_mode": "isolated"}
    refused = await api(f"PUT {path}", body, key="alice", status=422)
    context = refused["context"]
    assert refused["code"] == "would_be_at_risk"
    assert (context["margin_mode"], context["equity"]) == ("cross", "-104")  # fees of 4
    assert Decimal(context["maintenance_margin"]) > 0
    (position, _) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    assert position["margin_mode"] == "cross"


async def test_the_ledger_adds_up(api: Api) -> None:
    """Each wallet's entries sum to its last balance; both sides of a transfer show."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "10000")
    await api.configure("alice", 10, "isolated")
    await api.order("bob", "sell", "0.01", "60000")
    await api.order("alice", "buy", "0.01", "60000")
    await api.order("bob", "buy", "0.01", "60100")
    await api.order("alice", "sell", "0.01", "60100")
    everything = (await api("GET /v1/accounts/alice/ledger?limit=1000"))["items"]
    assert await api.listed("/v1/accounts/alice/ledger?limit=1") == everything
    wallets = {entry["wallet"] for entry in everything}
    assert wallets == {"cross", "BTCUSDT:both"}
    for wallet in wallets:
        entries = [entry for entry in everything if entry["wallet"] == wallet]
        total = sum(Decimal(entry["amount"]) for entry in entries)
        assert total == Decimal(entries[0]["balance_after"])
    kinds = [entry["kind"] for entry in everything]
    assert kinds.count("margin_in") == 2
    account = await api("GET /v1/accounts/alice")
    assert Decimal(account["wallets"][0]["wallet_balance"]) == Decimal(
        next(entry["balance_after"] for entry in everything if entry["wallet"] == "cross")
    )

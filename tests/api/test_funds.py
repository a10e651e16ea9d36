"""Insurance funds, the treasury, alerts."""

from __future__ import annotations

import asyncio

from tests.api.conftest import Api, crash


async def test_the_default_funds(api: Api) -> None:
    funds = (await api("GET /v1/insurance-funds?limit=1000", key=None))["items"]
    ids = [fund["fund_id"] for fund in funds]
    assert ids == sorted(ids)
    assert {"usdt-major", "usdt-75x", "usdt-other", "usdc", "coin-btc"} <= set(ids)
    major = next(fund for fund in funds if fund["fund_id"] == "usdt-major")
    assert major["contracts"] == ["BNBUSDT", "BTCUSDT", "ETHUSDT"]
    assert major["wallets"] == []
    assert major["adl"] == {"active": True, "reason": "no_balance", "distance": "0"}
    assert (await api("GET /v1/insurance-funds?symbol=BTCUSDT"))["items"] == [major]
    assert (await api("GET /v1/insurance-funds?symbol=NOPE"))["items"] == []
    assert await api("GET /v1/insurance-funds/usdt-major") == major


DEFAULTS = {
    "max_net_notional_ratio": "1", "share_below_minimum": "1", "share_above_minimum": "0.5",
    "trading_fee_share": "0", "liquidation_surplus": "trader", "counterparty_first": False,
    "drawdown_breaker": None, "automatic_top_up": False, "offload": None,
    "max_payout_per_event": None, "max_payout_per_day": None, "profit_hold_seconds": None,
    "adl_policy": "current", "warn_at": ["0.5", "0.8", "0.95"],
    "review_interval_days": 90,
}  # fmt: skip


async def test_create_change_pay(api: Api) -> None:
    body = {"fund_id": "usdt-new", "name": "New", "policy": {"share_above_minimum": "0.25"}}
    made = await api("POST /v1/insurance-funds", body, status=201)
    assert made["policy"] == {**DEFAULTS, "share_above_minimum": "0.25"}
    assert await api.refused("POST /v1/insurance-funds", body) == (409, "fund_exists")

    await api.seed_fund("usdt-new", "750")
    path = "/v1/insurance-funds/usdt-new"
    change = {"required_minimum": {"USDT": "1000"}, "policy": {"max_net_notional_ratio": "2.5"}}
    changed = await api(f"PATCH {path}", change)
    assert changed["policy"] == {
        **DEFAULTS, "max_net_notional_ratio": "2.5", "share_above_minimum": "0.25"
    }  # fmt: skip
    assert changed["balances"] == [
        {"asset": "USDT", "balance": "750", "required_minimum": "1000", "coverage": "0.75",
         "excess": "0", "calibration_id": None, "review_due_at": None, "overdue": False}
    ]  # fmt: skip
    (alert,) = (await api("GET /v1/alerts"))["items"]
    assert (alert["kind"], alert["fund"], alert["asset"]) == (
        "fund_below_minimum", "usdt-new", "USDT",
    )  # fmt: skip

    top_up = {"asset": "USDT", "amount": "500", "kind": "top_up"}
    refused = await api.refused(f"POST {path}/contributions", top_up)
    assert refused == (422, "insufficient_balance")
    paid = await api(
        "POST /v1/treasury/contributions", {"asset": "USDT", "amount": "800"}, status=201
    )
    assert paid["balance"] == "800"
    for wallet, kind in (("main", "top_up"), ("second", "adjustment")):
        body = {"wallet": wallet, "asset": "USDT", "amount": "500", "kind": kind}
        await api(f"POST {path}/contributions", body, status=201)
    fund = await api(f"GET {path}")
    assert [(one["wallet"], one["balance"]) for one in fund["wallets"]] == [
        ("main", "1250"), ("second", "500"),
    ]  # fmt: skip
    assert fund["balances"][0]["balance"] == "1750"
    assert fund["balances"][0]["coverage"] == "1.75"
    assert fund["balances"][0]["excess"] == "750"
    assert (await api("GET /v1/treasury"))["items"] == [
        {"asset": "USDT", "treasury": "300", "revenue": "0"}
    ]
    removed = await api(f"PATCH {path}", {"required_minimum": {"USDT": None}, "name": "Newer"})
    assert removed["name"] == "Newer"
    assert removed["balances"][0] == {
        "asset": "USDT", "balance": "1750", "required_minimum": None, "coverage": None,
        "excess": None, "calibration_id": None, "review_due_at": None, "overdue": False,
    }  # fmt: skip


async def test_fnd_7_a_fund_is_topped_up_by_itself(api: Api) -> None:
    """FND-7: at the end of the cascade in which it fell, and as soon as the treasury has money."""
    await api("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "5"}, status=201)
    policy = {"policy": {"automatic_top_up": True}, "required_minimum": {"USDT": "1000"}}
    fund = await api("PATCH /v1/insurance-funds/usdt-major", policy)
    assert fund["balances"][0]["coverage"] == "0.005"
    await crash(api)
    await api("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "2"}, status=201)
    await api.mark("BTCUSDT", "47000")
    fund = await api("GET /v1/insurance-funds/usdt-major")
    assert fund["balances"][0]["balance"] == "996.5"
    await api("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "20"}, status=201)
    fund = await api("GET /v1/insurance-funds/usdt-major")
    assert fund["balances"][0]["balance"] == "1000"
    assert (await api("GET /v1/treasury"))["items"][0]["treasury"] == "16.5"
    history = (await api("GET /v1/insurance-fund-history?fund=usdt-major"))["items"]
    assert [f"{row['kind']} {row['amount']}" for row in reversed(history)] == [
        "top_up 5", "seed_capital 1000", "bankruptcy_loss -10.5", "top_up 2", "top_up 3.5",
    ]  # fmt: skip
    alerts = (await api("GET /v1/alerts?kind=fund_below_minimum"))["items"]
    assert [alert["detail"]["balance"] for alert in alerts] == ["996.5", "5"]


async def test_fnd_9_and_liq_8_a_fund_has_its_share_of_fees_and_surplus(api: Api) -> None:
    """FND-9, LIQ-8: where its policy says so."""
    policy = {"trading_fee_share": "0.5", "liquidation_surplus": "to_fund"}
    await api("PATCH /v1/insurance-funds/usdt-major", {"policy": policy})
    await crash(api, fund="0", cushion="1")
    terms = {"min_notional": "47600", "clearance_fee_rate": "0"}
    await api("PATCH /v1/contracts/BTCUSDT", terms)
    shares = (await api("GET /v1/insurance-fund-history?kind=trading_fee_share"))["items"]
    assert [share["amount"] for share in shares] == ["7", "10.5"]  # of 0.05 % and 0.02 %
    await api.mark("BTCUSDT", "47680")
    (liquidation,) = (await api("GET /v1/liquidations"))["items"]
    assert (liquidation["outcome"], liquidation["fund_amount"]) == ("closed", "500")
    told = await api(f"GET /v1/liquidations/{liquidation['liquidation_id']}", key="alice")
    assert {"kind": "liquidation_surplus", "detail": {"amount": "500"}} in [
        {"kind": step["kind"], "detail": {"amount": step.get("detail", step).get("amount")}}
        for step in told["steps"]
    ]


async def test_changes_at_once_lose_nothing(api: Api) -> None:
    """Each names what it changes only; whatever waits beside it, all of them are there."""
    path = "PATCH /v1/insurance-funds/usdt-major"
    changes: list[dict[str, object]] = [
        {"policy": {"max_net_notional_ratio": "2.5"}},
        {"policy": {"share_below_minimum": "0.75"}},
        {"policy": {"share_above_minimum": "0.25"}},
        {"policy": {}},
        {"required_minimum": {"USDT": "1000"}},
        {"required_minimum": {"USDC": "10"}},
        {"name": "Newer"},
    ]
    await asyncio.gather(*(api(path, change) for change in changes))
    fund = await api("GET /v1/insurance-funds/usdt-major")
    assert fund["name"] == "Newer"
    assert fund["policy"] == {
        **DEFAULTS, "max_net_notional_ratio": "2.5", "share_below_minimum": "0.75",
        "share_above_minimum": "0.25",
    }  # fmt: skip
    assert [(one["asset"], one["required_minimum"]) for one in fund["balances"]] == [
        ("USDC", "10"), ("USDT", "1000"),
    ]  # fmt: skip


async def test_a_policy_is_changed_field_by_field_and_parts_as_a_whole(api: Api) -> None:
    path = "PATCH /v1/insurance-funds/usdt-major"
    given: dict[str, object] = {
        "offload": {"fraction": "0.2"}, "drawdown_breaker": {}, "warn_at": ["0.75"],
        "max_payout_per_day": "1000", "adl_policy": "pro_rata", "counterparty_first": True,
    }  # fmt: skip
    fund = await api(path, {"policy": given})
    assert fund["policy"] == {
        **DEFAULTS, **given,
        "offload": {
            "interval_seconds": 60, "fraction": "0.2", "full_size_notional": "1000",
            "max_depth_share": "0.25", "max_slippage": "0.01", "stop_profit": None,
        },
        "drawdown_breaker": {"window_hours": 8, "stop": "0.3", "resume": "0.25"},
    }  # fmt: skip
    off = {"offload": None, "drawdown_breaker": None, "max_payout_per_day": None}
    fund = await api(path, {"policy": off})
    assert fund["policy"] == {**DEFAULTS, **given, **off}


async def test_what_cannot_be(api: Api) -> None:
    path = "/v1/insurance-funds/usdt-major"
    pay = {"asset": "USDT", "amount": "1", "kind": "seed_capital"}
    for call, body, expected in (
        (f"POST {path}/contributions", {**pay, "amount": "0"}, (422, "amount_not_positive")),
        (f"POST {path}/contributions", {**pay, "amount": "-1"}, (422, "amount_not_positive")),
        (f"POST {path}/contributions", {**pay, "amount": "0.000000001"},
         (422, "too_many_decimals")),
        (f"POST {path}/contributions", {**pay, "asset": "XYZ"}, (422, "unknown_asset")),
        (f"POST {path}/contributions", {**pay, "kind": "bankruptcy_loss"},
         (400, "malformed_body")),
        (f"POST {path}/contributions", {**pay, "wallet": "Main"}, (400, "malformed_body")),
        ("POST /v1/insurance-funds/nope/contributions", pay, (404, "unknown_fund")),
        (f"PATCH {path}", {"name": None}, (400, "malformed_body")),
        (f"PATCH {path}", {"policy": None}, (400, "malformed_body")),
        (f"PATCH {path}", {"policy": {"share_above_minimum": None}}, (400, "malformed_body")),
        (f"PATCH {path}", {"policy": {"shares": "1"}}, (400, "malformed_body")),
        ("PATCH /v1/insurance-funds/nope", {"policy": {"share_above_minimum": "1"}},
         (404, "unknown_fund")),
        ("PATCH /v1/insurance-funds/nope", {}, (404, "unknown_fund")),
        (f"PATCH {path}", {"policy": {"share_above_minimum": "1.1"}}, (422, "invalid_policy")),
        (f"PATCH {path}", {"policy": {"max_net_notional_ratio": "-1"}}, (422, "invalid_policy")),
        (f"PATCH {path}", {"required_minimum": {"usdt": "1"}}, (400, "malformed_body")),
        (f"PATCH {path}", {"required_minimum": {"USDT": "-1"}}, (422, "amount_not_positive")),
        ("POST /v1/insurance-funds", {"fund_id": "UP", "name": "x"}, (400, "malformed_body")),
        ("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "-1"},
         (422, "amount_not_positive")),
    ):  # fmt: skip
        assert await api.refused(call, body) == expected, (call, body)
    assert (await api(f"GET {path}"))["wallets"] == []


async def test_inventory_and_distance(api: Api) -> None:
    """After a takeover: what the fund holds, its cap, and how near it is to ADL."""
    await crash(api)
    fund = await api("GET /v1/insurance-funds/usdt-major")
    assert fund["adl"] == {"active": False, "reason": None, "distance": "1000"}
    await api.mark("BTCUSDT", "47000")
    fund = await api("GET /v1/insurance-funds/usdt-major")
    assert fund["inventory"] == [
        {"symbol": "BTCUSDT", "quantity": "0.021", "cost": "987", "mark_price": "47000",
         "unrealized_profit": "0"}
    ]  # fmt: skip
    assert fund["balances"][0]["balance"] == "989.5"
    assert (fund["net_notional"], fund["max_net_notional"]) == ("987", "989.5")
    assert fund["adl"] == {"active": False, "reason": None, "distance": "2.5"}
    await api.mark("BTCUSDT", "50000")
    fund = await api("GET /v1/insurance-funds/usdt-major")
    (held,) = fund["inventory"]
    assert held["unrealized_profit"] == "63"
    assert (fund["net_notional"], fund["max_net_notional"]) == ("1050", "1052.5")  # 989.5 + 63
    assert fund["cap_use"] == "0.9976247"
    assert fund["adl"]["distance"] == "2.5"  # 989.5 + 63 - 1,050
    await api("PATCH /v1/insurance-funds/usdt-major", {"policy": {"max_net_notional_ratio": "0.5"}})
    fund = await api("GET /v1/insurance-funds/usdt-major")
    assert fund["adl"] == {"active": True, "reason": "net_notional_cap", "distance": "0"}


async def test_what_holds_a_fund_back(api: Api) -> None:
    """Limits bound a takeover (FND-3, FND-12); what is left of them is shown, and warned of."""
    path = "/v1/insurance-funds/usdt-major"
    limits = {"max_payout_per_day": "8", "max_payout_per_event": "6", "drawdown_breaker": {}}
    await api(f"PATCH {path}", {"policy": limits})
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    fund = await api(f"GET {path}")
    assert (fund["balances"][0]["balance"], fund["paid_out"]) == ("994", "6")
    assert (fund["drawdown"], fund["cap_use"]) == ("0.006", "0.56740443")
    assert fund["adl"] == {"active": False, "reason": None, "distance": "2"}
    (event,) = (await api("GET /v1/adl-events"))["items"]
    assert event["quantity"] == "0.988"
    await asyncio.sleep(1.1)
    await api.mark("BTCUSDT", "47000")
    (warning,) = (await api("GET /v1/alerts?kind=adl_warning"))["items"]
    assert warning["detail"] == {
        "measure": "cap_use", "level": "0.5", "amount": "564", "limit": "994", "distance": "2",
        "reason": "",
    }  # fmt: skip
    for policy, reason in (
        ({"max_payout_per_day": "6"}, "payout_limit"),
        ({"drawdown_breaker": {"stop": "0.005", "resume": "0.005"}}, "drawdown_breaker"),
        ({"counterparty_first": True}, "counterparty_first"),
    ):
        await api(f"PATCH {path}", {"policy": policy})
        fund = await api(f"GET {path}")
        assert fund["adl"] == {"active": True, "reason": reason, "distance": "0"}


async def test_alerts_have_filters(api: Api) -> None:
    for fund in ("usdt-major", "usdc"):
        asset = "USDC" if fund == "usdc" else "USDT"
        await api(f"PATCH /v1/insurance-funds/{fund}", {"required_minimum": {asset: "1"}})
    alerts = (await api("GET /v1/alerts"))["items"]
    assert [alert["fund"] for alert in alerts] == ["usdc", "usdt-major"]
    assert (await api("GET /v1/alerts?fund=usdc"))["items"] == alerts[:1]
    assert (await api("GET /v1/alerts?kind=adl"))["items"] == []
    page = await api("GET /v1/alerts?limit=1")
    rest = await api(f"GET /v1/alerts?limit=1&cursor={page['next_cursor']}")
    assert page["items"] + rest["items"] == alerts

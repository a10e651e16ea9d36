"""Offloading over HTTP (FND-5): the plan, the steps when it is time, what they bring."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.api.conftest import Api, crash
from tests.api.test_settlements import passes, wake
from tests.runner.conftest import until

FUND = "/v1/insurance-funds/usdt-major"


async def takes_over(api: Api) -> None:
    """The fund holds 1 BTCUSDT, taken over at 47,500 and marked at 47,000."""
    await crash(api, fund="100000")
    await api.mark("BTCUSDT", "47000")


async def test_without_a_policy_nothing_is_sold(api: Api) -> None:
    await takes_over(api)
    (plan,) = (await api(f"GET {FUND}/offload", key=None))["items"]
    assert plan == {
        "symbol": "BTCUSDT", "held": "1", "mark_price": "47000", "entry_price": None,
        "profit": None, "next_at": None, "side": None, "quantity": None, "limit_price": None,
        "expected_profit": None, "reason": "no_policy",
    }  # fmt: skip
    assert await api(f"GET {FUND}/offload-steps") == {"items": [], "next_cursor": None}
    for path in ("offload", "offload-steps"):
        refused = await api.refused(f"GET /v1/insurance-funds/nobody/{path}")
        assert refused == (404, "unknown_fund")


async def test_a_step_is_planned_then_done(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth at 46,900, which is 100 below mark: 10 less for the fund."""
    await api(f"PATCH {FUND}", {"policy": {"offload": {"interval_seconds": 3600}}})
    await takes_over(api)
    await api.open("dan", "100000")
    bid = {"account_id": "dan", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
           "quantity": "0.5", "price": "46900"}  # fmt: skip
    await api("POST /v1/orders", bid, status=201)
    (plan,) = (await api(f"GET {FUND}/offload?symbol=BTCUSDT", key=None))["items"]
    assert plan.pop("next_at").endswith("00:00.000000Z")
    assert plan == {
        "symbol": "BTCUSDT", "held": "1", "mark_price": "47000", "entry_price": "47000",
        "profit": "0", "side": "sell", "quantity": "0.1", "limit_price": "46530",
        "expected_profit": "-10", "reason": None,
    }  # fmt: skip
    assert (await api(f"GET {FUND}/offload?symbol=ETHUSDT"))["items"] == []
    await passes(monkeypatch, timedelta(hours=1))
    await wake(api)

    async def done() -> bool:
        return bool((await api(f"GET {FUND}/offload-steps", key=None))["items"])

    await until(done)
    (step,) = (await api(f"GET {FUND}/offload-steps?symbol=BTCUSDT", key=None))["items"]
    assert step.pop("time")
    assert step == {
        "symbol": "BTCUSDT", "side": "sell", "held": "1", "mark_price": "47000",
        "quantity": "0.1", "limit_price": "46530", "filled_quantity": "0.1",
        "average_price": "46900", "profit": "-10", "reason": None,
    }  # fmt: skip
    rows = (await api("GET /v1/insurance-fund-history?kind=offload_pnl", key=None))["items"]
    assert [(row["amount"], row["symbol"]) for row in rows] == [("-10", "BTCUSDT")]
    (trade, *_) = (await api("GET /v1/trades?symbol=BTCUSDT", key=None))["items"]
    assert (trade["offload"], trade["liquidation"], trade["taker_side"]) == (True, False, "sell")
    (own,) = (await api("GET /v1/trades?account_id=dan", key="dan"))["items"]
    assert (own["role"], own["side"], own["quantity"]) == ("maker", "buy", "0.1")
    (held,) = (await api(f"GET {FUND}"))["inventory"]
    assert (held["quantity"], held["cost"]) == ("0.9", "42300")


async def test_what_sinks_the_fund_is_an_adl_without_a_liquidation(api: Api) -> None:
    """500 of 1,000 are left when it takes 1 over; at 46,000 that has lost 1,000."""
    await api(f"PATCH {FUND}", {"policy": {"max_net_notional_ratio": "1000"}})
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    assert (await api(f"GET {FUND}"))["balances"][0]["balance"] == "500"
    assert (await api.mark("BTCUSDT", "46000"))["accounts_at_risk"] == 0
    (event,) = (await api("GET /v1/adl-events", key=None))["items"]
    assert event["liquidation_id"] is None
    assert (event["fund"], event["side"], event["quantity"]) == ("usdt-major", "long", "1")
    assert (event["bankruptcy_price"], event["deficit"]) == ("46500", "500")
    detail = await api(f"GET /v1/adl-events/{event['adl_event_id']}")
    parts = {part["account_id"]: part["quantity"] for part in detail["counterparties"]}
    assert parts == {"bob": "0.6", "carol": "0.4"}
    fund = await api(f"GET {FUND}", key=None)
    assert (fund["balances"][0]["balance"], fund["inventory"]) == ("0", [])

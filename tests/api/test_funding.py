"""Funding over HTTP (FPY-1): terms, rates, payments, corrections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.runner.clock import Clock
from tests.api.conftest import Api
from tests.runner.conftest import until

HOURLY: dict[str, Any] = {"funding_interval_hours": 1}


@pytest.fixture
async def market(api: Api) -> Api:
    """Alice is long 1, Bob short 1, at 60,000; the contract has a funding every hour."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "10000")
    await api.open("bob", "10000")
    await api.order("bob", "sell", "1", "60000")
    await api.order("alice", "buy", "1", "60000")
    await api("PATCH /v1/contracts/BTCUSDT", HOURLY)
    return api


async def an_hour_passes(api: Api, monkeypatch: pytest.MonkeyPatch, hours: int = 1) -> None:
    """The clock goes on; what follows is after it."""
    now = Clock.now
    monkeypatch.setattr(Clock, "now", lambda clock: now(clock) + timedelta(hours=hours))


async def fundings(api: Api, count: int) -> list[Any]:
    """So many of the contract's fundings, as soon as they are settled and durable."""
    found: list[Any] = []

    async def told() -> bool:
        found[:] = (await api("GET /v1/funding-rates?symbol=BTCUSDT", key=None))["items"]
        return len(found) >= count

    await until(told)
    assert len(found) == count, found
    return found


async def test_a_funding_is_settled_and_listed(
    market: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = await market("GET /v1/contracts/BTCUSDT")
    assert contract["funding_interval_hours"] == 1
    assert (contract["funding_rate_cap"], contract["funding_rate_floor"]) == (None, None)
    rate = {"symbol": "BTCUSDT", "rate": "0.0001"}
    given = await market("POST /v1/funding-rates", rate, key="feed")
    assert (given["symbol"], given["rate"]) == ("BTCUSDT", "0.0001")
    next_time = datetime.fromisoformat(given["time"])
    assert next_time - datetime.now(UTC) <= timedelta(hours=1)
    assert next_time.minute == next_time.second == next_time.microsecond == 0
    await an_hour_passes(market, monkeypatch)
    await market("POST /v1/accounts/alice/deposits", {"asset": "USDT", "amount": "1"}, status=201)
    (settled,) = await fundings(market, 1)
    assert settled == {
        "time": given["time"], "symbol": "BTCUSDT", "rate": "0.0001", "mark_price": "60000",
        "residue": "0", "average_premium": None,
    }  # fmt: skip
    path = "GET /v1/accounts/alice/funding-payments"
    (paid,) = (await market(path, key="alice"))["items"]
    assert paid == {
        "time": given["time"], "symbol": "BTCUSDT", "position_side": "both", "quantity": "1",
        "mark_price": "60000", "rate": "0.0001", "amount": "-6",
    }  # fmt: skip
    (received,) = (await market("GET /v1/accounts/bob/funding-payments?symbol=BTCUSDT"))["items"]
    assert (received["quantity"], received["amount"]) == ("-1", "6")
    assert (await market("GET /v1/accounts/bob/funding-payments?symbol=ETHUSDT"))["items"] == []
    (entry,) = (await market("GET /v1/accounts/bob/ledger?kind=funding"))["items"]
    assert (entry["amount"], entry["symbol"]) == ("6", "BTCUSDT")
    assert (await market("GET /v1/funding-rates?symbol=ETHUSDT"))["items"] == []
    assert await market.refused(path, key="bob") == (404, "unknown_account")
    assert await market.refused(path, key=None) == (401, "unauthorized")
    await corrections(market, given["time"])


async def corrections(market: Api, time: str) -> None:
    """The treasury pays, and takes back, as far as it has it."""
    call, amount = "POST /v1/funding-corrections", "5"
    body = {"symbol": "BTCUSDT", "time": time, "account_id": "alice", "reason": "wrong rate"}
    assert await market.refused(call, body | {"amount": amount}) == (422, "insufficient_balance")
    await market("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "5"}, status=201)
    moved = await market(call, body | {"amount": amount}, status=201)
    assert (moved["asset"], moved["amount"]) == ("USDT", "5")
    act = (await market("GET /v1/admin-acts"))["items"][0]
    assert (act["kind"], act["reference"]) == ("CorrectFunding", "wrong rate")
    (entry,) = (await market("GET /v1/accounts/alice/ledger?kind=funding_correction"))["items"]
    seconds = datetime.fromisoformat(time).isoformat(timespec="microseconds")[:26]
    assert entry["reference"] == f"funding/{seconds}Z: wrong rate"
    for changed, expected in (
        ({"amount": "0"}, (422, "amount_not_positive")),
        ({"amount": "0.000000001"}, (422, "too_many_decimals")),
        ({"amount": 5}, (400, "malformed_body")),
        ({"time": "2020-01-01T00:00:00Z"}, (422, "unknown_funding")),
        ({"symbol": "ETHUSDT"}, (422, "unknown_funding")),
        ({"account_id": "nobody"}, (404, "unknown_account")),
        ({"reason": ""}, (400, "malformed_body")),
    ):
        sent = body | {"amount": "-1"} | changed
        assert await market.refused(call, sent) == expected, changed
    assert await market.refused(call, body | {"amount": "1"}, key="alice") == (403, "forbidden")
    funds = (await market("GET /v1/insurance-fund-history?fund=usdt-major"))["items"]
    assert funds == []


async def test_a_derived_rate_is_shown_as_it_stands_and_settled(
    market: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark is 0.1 % above the index; the book has nothing like an impact notional."""
    price = "GET /v1/prices/BTCUSDT"
    before = await market(price, key=None)
    assert (before["funding_rate"], before["next_funding_time"][14:]) == ("0", "00:00.000000Z")
    terms = await market("PATCH /v1/contracts/BTCUSDT", {"funding_mode": "derived"})
    assert (terms["funding_mode"], terms["interest_rate"]) == ("derived", None)
    assert (await market(price))["funding_rate"] == "0.0000125"
    await market("PATCH /v1/contracts/BTCUSDT", {"interest_rate": "0.0001"})
    tick = {"symbol": "BTCUSDT", "mark_price": "60060", "index_price": "60000"}
    await market("POST /v1/prices", tick, key="feed")
    shown = await market(price)
    assert (shown["funding_rate"], shown["index_price"]) == ("0.0005", "60000")
    assert shown in (await market("GET /v1/prices"))["items"]
    call, rate = "POST /v1/funding-rates", {"symbol": "BTCUSDT", "rate": "0.0001"}
    assert await market.refused(call, rate, key="feed") == (422, "funding_rate_is_derived")
    refused = await market.refused("POST /v1/prices", tick | {"funding_rate": "0.0001"})
    assert refused == (422, "funding_rate_is_derived")
    await an_hour_passes(market, monkeypatch)
    await market("POST /v1/accounts/alice/deposits", {"asset": "USDT", "amount": "1"}, status=201)
    (settled,) = await fundings(market, 1)
    # A minute of an hour was sampled at most: of less than half, what is missing counts as zero.
    average = Decimal(settled["average_premium"])
    assert 0 < average <= Decimal("0.00003334")
    assert (settled["rate"], settled["time"]) == ("0.0001", shown["next_funding_time"])


async def test_a_rate_comes_with_a_tick(market: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    tick = {"symbol": "BTCUSDT", "mark_price": "60000"}
    ticks = [tick | {"funding_rate": rate} for rate in ("0.0001", "0.03", "-0.0002")]
    ticks.append({"symbol": "ETHUSDT", "mark_price": "3000", "funding_rate": "0.0001"})
    answer = await market("POST /v1/prices/batch", {"ticks": ticks}, key="feed")
    assert answer["refused"] == [
        {"index": 1, "code": "funding_rate_out_of_range"},
        {"index": 3, "code": "no_funding"},
    ]
    assert (await market("GET /v1/prices/BTCUSDT"))["funding_rate"] == "-0.0002"
    await market("POST /v1/prices", tick | {"funding_rate": "0.0003"})
    await an_hour_passes(market, monkeypatch)
    await market("POST /v1/prices", tick)
    (settled,) = await fundings(market, 1)
    assert settled["rate"] == "0.0003"
    await market("PATCH /v1/contracts/BTCUSDT", {"funding_interval_hours": None})
    bare = await market("GET /v1/prices/BTCUSDT")
    assert (bare["funding_rate"], bare["next_funding_time"]) == (None, None)


async def test_pages_of_fundings(market: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Newest first, each once."""
    for hour in range(1, 4):
        rate = {"symbol": "BTCUSDT", "rate": f"0.000{hour}"}
        await market("POST /v1/funding-rates", rate)
        await an_hour_passes(market, monkeypatch)
        await market("POST /v1/accounts/bob/deposits", {"asset": "USDT", "amount": "1"}, status=201)
        await fundings(market, hour)
    for path in ("/v1/funding-rates", "/v1/accounts/alice/funding-payments"):
        rates, query = [], "?limit=1"
        for _ in range(3):
            page = await market(f"GET {path}{query}")
            rates += [item["rate"] for item in page["items"]]
            query = f"?limit=1&cursor={page['next_cursor']}"
        assert query.endswith("=None")
        assert rates == ["0.0003", "0.0002", "0.0001"], path


async def test_what_is_refused(api: Api) -> None:
    call = "POST /v1/funding-rates"
    rate = {"symbol": "BTCUSDT", "rate": "0.0001"}
    assert await api.refused(call, rate, key="feed") == (422, "no_funding")
    for hours in (0, 2, -8, 24):
        change = {"funding_interval_hours": hours}
        refused = await api.refused("PATCH /v1/contracts/BTCUSDT", change)
        assert refused == (422, "invalid_contract"), hours
    text = {"funding_interval_hours": "8"}
    assert await api.refused("PATCH /v1/contracts/BTCUSDT", text) == (400, "malformed_body")
    limits: dict[str, Any] = {"funding_rate_cap": "0.001", "funding_rate_floor": "0.002"}
    assert await api.refused("PATCH /v1/contracts/BTCUSDT", limits) == (422, "invalid_contract")
    for terms in ({"funding_mode": "derived"}, HOURLY | {"interest_rate": "1"}):
        refused = await api.refused("PATCH /v1/contracts/BTCUSDT", terms)
        assert refused == (422, "invalid_contract"), terms
    word = {"funding_mode": "guessed"}
    assert await api.refused("PATCH /v1/contracts/BTCUSDT", word) == (400, "malformed_body")
    terms = await api("PATCH /v1/contracts/BTCUSDT", HOURLY | {"funding_rate_cap": "0.001"})
    assert (terms["funding_rate_cap"], terms["funding_rate_floor"]) == ("0.001", None)
    for changed, expected in (
        ({"rate": "0.0011"}, (422, "funding_rate_out_of_range")),
        ({"rate": "-0.021"}, (422, "funding_rate_out_of_range")),
        ({"symbol": "NOPE"}, (422, "unknown_contract")),
        ({"rate": 0.0001}, (400, "malformed_body")),
        ({"rate": "NaN"}, (400, "malformed_body")),
        ({"more": "1"}, (400, "malformed_body")),
    ):
        assert await api.refused(call, rate | changed, key="feed") == expected, changed
    await api.open("alice")
    assert await api.refused(call, rate, key="alice") == (403, "forbidden")
    assert (await api("GET /v1/funding-rates", key=None))["items"] == []

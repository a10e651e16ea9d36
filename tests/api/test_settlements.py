"""Delivery over HTTP (DLV-1): terms, index prices, settlements, a price for one that is held."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.engine.handlers.indexes import WINDOW
from app.runner.clock import Clock
from tests.api.conftest import Api
from tests.runner.conftest import until

SYMBOL = "BTCUSDT_261225"


@pytest.fixture
async def at(api: Api) -> datetime:
    """A contract that is delivered in a day; Alice is long 1 at 60,000, Bob short 1."""
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    terms = await api("GET /v1/contracts/BTCUSDT")
    dated = {
        "symbol": SYMBOL, "kind": "delivery", "delivery_at": at.isoformat(),
        "settlement_fee_rate": "0.001",
    }  # fmt: skip
    undated = {**terms, "symbol": SYMBOL, "kind": "delivery"}
    assert await api.refused("POST /v1/contracts", undated) == (422, "invalid_contract")
    made = await api("POST /v1/contracts", {**terms, **dated}, status=201)
    assert (made["kind"], made["settlement_fee_rate"]) == ("delivery", "0.001")
    assert datetime.fromisoformat(made["delivery_at"]) == at
    await api.mark(SYMBOL, "60000")
    await api.open("alice", "10000")
    await api.open("bob", "10000")
    for account, side in (("bob", "sell"), ("alice", "buy")):
        order = {"account_id": account, "symbol": SYMBOL, "side": side, "type": "limit",
                 "quantity": "1", "price": "60000"}  # fmt: skip
        await api("POST /v1/orders", order, status=201)
    return at


async def passes(monkeypatch: pytest.MonkeyPatch, time: timedelta) -> None:
    """The clock goes on."""
    now = Clock.now
    monkeypatch.setattr(Clock, "now", lambda clock: now(clock) + time)


async def wake(api: Api) -> None:
    """Something comes, and what is due before it (the runner sleeps by the real clock)."""
    await api("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "1"}, status=201)


async def is_settled(api: Api) -> None:
    """Wait until that is durable, which is later than in the engine."""

    async def told() -> bool:
        return bool((await api("GET /v1/settlements"))["items"])

    await until(told)


async def test_a_contract_is_settled_at_the_mean_of_the_index(
    api: Api, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    await passes(monkeypatch, at - datetime.now(UTC) - timedelta(seconds=25))
    for number in range(12):
        index = "61000" if number % 2 else "61100"
        tick = {"symbol": SYMBOL, "mark_price": "60500", "index_price": index}
        await api("POST /v1/prices", tick, key="feed")
        await passes(monkeypatch, timedelta(seconds=1))
    call = f"GET /v1/settlements?symbol={SYMBOL}"
    assert (await api(call))["items"] == []
    sampled = await api(f"GET /v1/settlements/{SYMBOL}/samples?limit=5", key=None)
    assert [one["price"] for one in sampled["items"]] == [
        "61000",
        "61100",
        "61000",
        "61100",
        "61000",
    ]
    assert sampled["next_cursor"]
    await passes(monkeypatch, timedelta(seconds=30))
    await wake(api)
    await is_settled(api)
    await the_statements(api, at)


async def the_statements(api: Api, at: datetime) -> None:
    """The contract's for everybody, an account's for its owner."""
    (settled,) = (await api(f"GET /v1/settlements?symbol={SYMBOL}", key=None))["items"]
    settled_at = datetime.fromisoformat(settled.pop("settled_at"))
    assert at <= settled_at < at + timedelta(minutes=5)
    assert datetime.fromisoformat(settled.pop("time")) == at
    assert settled == {
        "symbol": SYMBOL, "settlement_price": "61050", "given_by": "index", "reason": None,
        "samples": 12, "index_mean": "61050", "residue": "0",
    }  # fmt: skip
    path = "GET /v1/accounts/alice/settlements"
    (mine,) = (await api(path, key="alice"))["items"]
    assert datetime.fromisoformat(mine.pop("time")) == at
    assert mine == {
        "symbol": SYMBOL, "position_side": "both", "quantity": "1", "entry_price": "60000",
        "settlement_price": "61050", "profit": "1050", "fee": "61.05",
    }  # fmt: skip
    (theirs,) = (await api(f"GET /v1/accounts/bob/settlements?symbol={SYMBOL}"))["items"]
    assert (theirs["quantity"], theirs["profit"]) == ("-1", "-1050")
    assert (await api("GET /v1/accounts/bob/settlements?symbol=BTCUSDT"))["items"] == []
    assert await api.refused(path, key="bob") == (404, "unknown_account")
    assert await api.refused(path, key=None) == (401, "unauthorized")
    assert await api.refused("GET /v1/accounts/none/settlements") == (404, "unknown_account")
    assert await api.refused("GET /v1/settlements/NONE/samples") == (404, "unknown_contract")
    (fee,) = (await api("GET /v1/accounts/alice/ledger?kind=settlement_fee"))["items"]
    assert fee["amount"] == "-61.05"
    assert await api.refused("POST /v1/prices", {"symbol": SYMBOL, "mark_price": "1"}) == (
        422, "contract_not_trading",
    )  # fmt: skip
    change: dict[str, Any] = {"status": "trading"}
    assert await api.refused(f"PATCH /v1/contracts/{SYMBOL}", change) == (
        422, "contract_not_trading",
    )  # fmt: skip


async def test_a_contract_without_an_index_waits_for_an_admin(
    api: Api, at: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, body = (
        f"POST /v1/contracts/{SYMBOL}/settlement",
        {"price": "59000.5", "reason": "no index"},
    )
    assert await api.refused(call, body) == (422, "settlement_not_held")
    assert await api.refused("POST /v1/contracts/NONE/settlement", body) == (
        404, "unknown_contract",
    )  # fmt: skip
    await passes(monkeypatch, at - datetime.now(UTC) + WINDOW)
    await wake(api)
    await until(lambda: _phase(api) == "held")
    await wake(api)  # what was before it is durable
    (alert,) = [
        one for one in (await api("GET /v1/alerts"))["items"] if one["kind"] == "settlement_held"
    ]
    assert alert["detail"] == {"symbol": SYMBOL, "samples": "0", "status": "trading"}
    order = {
        "account_id": "alice",
        "symbol": SYMBOL,
        "side": "sell",
        "type": "market",
        "quantity": "1",
    }
    assert await api.refused("POST /v1/orders", order) == (422, "settlement_held")
    assert await api.refused(call, body, key="feed") == (403, "forbidden")
    assert await api.refused(call, {**body, "price": "0"}) == (422, "price_not_positive")
    assert await api.refused(call, {"price": "59000.5"}) == (400, "malformed_body")
    priced = await api(call, body)
    assert (priced["symbol"], priced["price"]) == (SYMBOL, "59000.5")
    assert datetime.fromisoformat(priced["time"]) == at
    act = (await api("GET /v1/admin-acts"))["items"][0]
    assert (act["kind"], act["reference"]) == ("SettleContract", "no index")
    await is_settled(api)
    (settled,) = (await api("GET /v1/settlements"))["items"]
    assert (settled["given_by"], settled["reason"]) == ("admin", "no index")
    assert (settled["samples"], settled["index_mean"]) == (0, None)
    assert await api.refused(call, body) == (422, "settlement_not_held")


def _phase(api: Api) -> str:
    delivery = api.runner.engine.state.markets[SYMBOL].delivery
    assert delivery is not None
    return delivery.phase

"""ADL over HTTP: events, notices, the queues as they stand, and by the funds' policies."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest

from app.engine.figures import ranking
from app.engine.numbers import EXACT, plain
from tests.api.conftest import Api, crash


async def test_adl_events(api: Api) -> None:
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    (event,) = (await api("GET /v1/adl-events", key=None))["items"]
    assert (event["side"], event["quantity"], event["deficit"]) == ("long", "0.979", "489.5")
    detail = await api(f"GET /v1/adl-events/{event['adl_event_id']}", key=None)
    assert detail == {**event, "queue": detail["queue"], "counterparties": detail["counterparties"]}
    assert event["ranked_at"] == event["time"]
    assert [place["rank"] for place in detail["queue"]] == [1, 2]
    closed = sum(Decimal(part["quantity"]) for part in detail["counterparties"])
    assert closed == Decimal(event["quantity"])
    seen = await api("GET /v1/adl-events/1", key="carol")
    assert [part.get("account_id") for part in seen["counterparties"]] == [None, "carol"]
    seen = await api("GET /v1/adl-events/1")
    assert [part["account_id"] for part in seen["counterparties"]] == ["bob", "carol"]
    # Each counterparty finds the events that deleveraged it; the liquidated account is none.
    assert len((await api("GET /v1/adl-events?account_id=bob", key="bob"))["items"]) == 1
    of = event["symbol"], event["fund"]
    assert len((await api("GET /v1/adl-events?symbol={}&fund={}".format(*of)))["items"]) == 1
    assert not (await api("GET /v1/adl-events?fund=coin-btc"))["items"]
    assert (await api("GET /v1/adl-events?account_id=alice", key="alice"))["items"] == []


async def test_the_adl_queue(api: Api) -> None:
    """Ranked as an event ranks: before the crash the queue shows who would be first."""
    await crash(api)
    await api.mark("BTCUSDT", "49000")
    queue = (await api("GET /v1/contracts/BTCUSDT/adl-queue", key="carol"))["items"]
    assert [(place["side"], place["rank"], place["quantity"], place["own"]) for place in queue] == [
        ("long", 1, "1", False), ("short", 1, "0.6", False), ("short", 2, "0.4", True),
    ]  # fmt: skip
    assert [place["quantile"] for place in queue] == [4, 4, 2]
    page = await api("GET /v1/contracts/BTCUSDT/adl-queue?limit=2", key="carol")
    rest = await api(
        f"GET /v1/contracts/BTCUSDT/adl-queue?cursor={page['next_cursor']}", key="carol"
    )
    assert page["items"] + rest["items"] == queue
    (position,) = (await api("GET /v1/accounts/carol/positions", key="carol"))["items"]
    assert position["adl_quantile"] == 2
    await api.mark("BTCUSDT", "47000")
    event = await api("GET /v1/adl-events/1")
    assert [place["quantity"] for place in event["queue"]] == ["0.6", "0.4"]


async def test_the_same_queue_as_the_engine(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """ADL-1, NUM-2: what readers see, from committed rows, is what the engine would deleverage by.

    2.5 at 3,100.00000001 are 7,750.000000025: half to even, 7,750.00000002. The three holders come
    in two parts.
    """
    monkeypatch.setattr("app.store.loader.CHUNK", 2)
    await crash(api)
    await api.mark("ETHUSDT", "3000")
    for account, side in (("bob", "buy"), ("carol", "sell")):
        await api.order(account, side, "2.5", "3000", symbol="ETHUSDT")
    await api.mark("ETHUSDT", "3100.00000001")
    await api.mark("BTCUSDT", "48123.4")
    state = api.runner.engine.state
    for symbol in ("BTCUSDT", "ETHUSDT"):
        market = state.markets[symbol]
        with localcontext(EXACT):
            expected = sorted(
                (
                    "long" if position.quantity > 0 else "short",
                    ranking.place_of(state, market, position, "current")[0],
                    account,
                )
                for (account, _), position in market.positions.items()
            )
        queue = (await api(f"GET /v1/contracts/{symbol}/adl-queue"))["items"]
        assert [(place["side"], place["score"]) for place in queue] == [
            (side, plain(-score)) for side, score, _ in expected
        ]


async def choose(api: Api, policy: str) -> None:
    """How the fund of BTCUSDT chooses counterparties."""
    body = {"policy": {"adl_policy": policy}}
    await api("PATCH /v1/insurance-funds/usdt-major", body)


async def test_notices(api: Api) -> None:
    """ADL-3: who was deleveraged is told how much, at what price and why; nobody else is."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    (notice,) = (await api("GET /v1/accounts/bob/adl-notices", key="bob"))["items"]
    time = notice.pop("time")
    assert time == (await api("GET /v1/adl-events/1"))["time"]
    assert notice == {
        "adl_event_id": "1", "symbol": "BTCUSDT", "fund": "usdt-major", "adl_policy": "current",
        "side": "short", "position_side": "both", "rank": 1, "quantity_before": "0.6",
        "quantity": "0.6", "price": "47500", "mark_price": "47000", "realized_profit": "1500",
        "reason": "bankruptcy_price", "score": notice["score"],
    }  # fmt: skip
    assert (await api("GET /v1/accounts/alice/adl-notices", key="alice"))["items"] == []
    wrong = await api.refused("GET /v1/accounts/bob/adl-notices", key="carol")
    assert wrong == (404, "unknown_account")
    assert await api.refused("GET /v1/accounts/nobody/adl-notices") == (404, "unknown_account")
    other = await api("GET /v1/accounts/bob/adl-notices?symbol=ETHUSDT", key="bob")
    assert other["items"] == []


async def test_notices_go_on_at_a_cursor(api: Api) -> None:
    """Newest first."""
    await crash(api, fund="0")
    await api.mark("BTCUSDT", "47000")
    await api.configure("alice", 20, "isolated")
    await api.order("bob", "sell", "0.1", "47000")
    await api.order("alice", "buy", "0.1", "47000")
    await api.mark("BTCUSDT", "44000")
    page = await api("GET /v1/accounts/bob/adl-notices?limit=1", key="bob")
    assert [notice["adl_event_id"] for notice in page["items"]] == ["2"]
    rest = await api(f"GET /v1/accounts/bob/adl-notices?cursor={page['next_cursor']}", key="bob")
    assert [notice["adl_event_id"] for notice in rest["items"]] == ["1"]
    assert rest["next_cursor"] is None


async def test_one_side_of_the_queue_and_the_own_places(api: Api) -> None:
    """A page of its own rank costs its owner no walk through the whole queue."""
    await crash(api)
    await api.mark("BTCUSDT", "49000")
    path = "GET /v1/contracts/BTCUSDT/adl-queue"
    whole = (await api(path, key="carol"))["items"]
    for side in ("long", "short"):
        found = (await api(f"{path}?side={side}", key="carol"))["items"]
        assert found == [place for place in whole if place["side"] == side], side
    own = (await api(f"{path}?own=true", key="carol"))["items"]
    assert own == [place for place in whole if place["own"]]
    assert (await api(f"{path}?own=true&side=long", key="carol"))["items"] == []
    for key in (None, "admin"):
        assert await api.refused(f"{path}?own=true", key=key) == (400, "malformed_query")


async def test_by_the_policy_of_the_fund(api: Api) -> None:
    """ADL-1: shown and used is what the fund's policy says; carol is left with little beside her
    profit, and is the first by `legacy`."""
    await crash(api)
    await api.mark("BTCUSDT", "49000")
    await choose(api, "legacy")
    await api(
        "POST /v1/accounts/carol/withdrawals", {"asset": "USDT", "amount": "95000"}, status=201
    )
    await api.mark("BTCUSDT", "48900")
    queue = (await api("GET /v1/contracts/BTCUSDT/adl-queue?side=short", key="carol"))["items"]
    assert [place["own"] for place in queue] == [True, False]
    # A fee of 4 paid: 440 / 4,996 x (0.4 x 48,900 x 0.004 = 78.24) / 5,436
    assert Decimal(queue[0]["score"]).quantize(Decimal("0.00000001")) == Decimal("0.00126759")
    await api.mark("BTCUSDT", "47000")
    event = await api("GET /v1/adl-events/1")
    assert event["adl_policy"] == "legacy"
    assert [part["account_id"] for part in event["counterparties"]] == ["carol", "bob"]


async def test_a_contracts_risk(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """ADL-3: 1,000 in the fund. alice's long of 1, at 50,000 with 2,500 isolated, maintains 0.4 %:
    it is near from where her equity is below 0.8 %."""
    await crash(api)
    path = "GET /v1/contracts/BTCUSDT/adl-risk"
    nobody = {"positions": 0, "notional": "0"}
    assert await api(path, key=None) == {
        "symbol": "BTCUSDT", "risk": "low", "fund": "usdt-major", "asset": "USDT",
        "adl_policy": "current", "balance": "1000", "balance_at_mark": "1000",
        "net_notional": "0", "max_net_notional": "1000", "cap_use": "0", "carries": "1000",
        "distance": "1000", "reason": None, "near_long": nobody, "near_short": nobody,
    }  # fmt: skip
    await api.mark("BTCUSDT", "47800")  # 300 left, less than 382.4
    monkeypatch.setattr(api.app.state.services.rankings, "_known", {})
    found = await api(path, key=None)
    assert (found["risk"], found["near_long"]) == ("high", {"positions": 1, "notional": "47800"})
    await api.seed_fund("usdt-major", "60000")
    assert (await api(path, key=None))["risk"] == "medium"
    await api.seed_fund("usdt-major", "60000")
    assert (await api(path, key=None))["risk"] == "low"
    await api("PATCH /v1/insurance-funds/usdt-major", {"policy": {"max_net_notional_ratio": "0"}})
    found = await api("GET /v1/contracts/ETHUSDT/adl-risk", key=None)
    assert (found["risk"], found["cap_use"], found["carries"]) == ("medium", None, "0")
    assert await api.refused("GET /v1/contracts/NOPE/adl-risk") == (404, "unknown_contract")


async def test_a_risk_with_inventory(api: Api) -> None:
    """The fund took 0.021 over; what they are worth is used of its cap."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    found = await api("GET /v1/contracts/BTCUSDT/adl-risk")
    assert (found["balance"], found["net_notional"]) == ("989.5", "987")
    assert (found["cap_use"], found["carries"], found["risk"]) == ("0.99747347", "2.5", "low")


async def test_what_each_policy_would_have_done(api: Api) -> None:
    """ADL-1: 0.979 of bob's 0.6 and carol's 0.4. By rank the first is closed whole, by size each
    for 97.9 %. Who is who only an admin and each himself are told."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    path = "GET /v1/adl-events/1/counterfactual"
    found = await api(path)
    assert (found["places_kept"], found["queue_length"], found["complete"]) == (2, 2, True)
    assert (found["adl_policy"], found["deficit"]) == ("current", "489.5")
    parts = {
        one["policy"]: {part["account_id"]: part["quantity"] for part in one["counterparties"]}
        for one in found["policies"]
    }
    assert parts == {
        "current": {"bob": "0.6", "carol": "0.379"},
        "legacy": {"bob": "0.6", "carol": "0.379"},
        "pro_rata": {"bob": "0.588", "carol": "0.391"},
    }
    current, legacy, pro_rata = found["policies"]
    assert [one["actual"] for one in found["policies"]] == [True, False, False]
    event = await api("GET /v1/adl-events/1")
    for one in (current, legacy, pro_rata):  # all sold at 50,000: 0.979 x 3,000 - 489.5
        assert (one["quantity"], one["left"], one["overshoot"]) == ("0.979", "0", "2447.5")
    assert event["overshoot"] == "2447.5"
    public = (await api.send(path, key=None)).text
    assert "account" not in public
    own = await api(path, key="carol")
    assert [part.get("account_id") for part in own["policies"][0]["counterparties"]] == [
        None, "carol",
    ]  # fmt: skip
    assert await api.refused("GET /v1/adl-events/9/counterfactual") == (404, "unknown_adl_event")

"""Admin acts: every change with an admin's key is recorded with who, when and why, once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from app.api import access
from tests.api.conftest import Api

PATH = "/v1/admin-acts"
WHY = "ticket 7"
EXCHANGE = {"exchange_info": {"symbols": []}, "leverage_brackets": []}
LISTED = {"name": "desk", "scope": "feed"}
MONEY = {"asset": "USDT", "amount": "10"}

ROUTES: dict[str, tuple[str, Any, str]] = {
    "POST /v1/accounts": ("", {"account_id": "new"}, "OpenAccount"),
    "POST /v1/accounts/{account_id}/deposits": ("", MONEY, "Deposit"),
    "POST /v1/contracts": ("", {}, "CreateContract"),
    "PATCH /v1/contracts/{symbol}": ("", {"taker_fee_rate": "0.001"}, "UpdateContract"),
    "POST /v1/contracts/import": ("", EXCHANGE, "ImportContracts"),
    "POST /v1/insurance-funds": ("", {"fund_id": "f", "name": "F"}, "CreateFund"),
    "PATCH /v1/insurance-funds/{fund_id}": ("", {"name": "G"}, "UpdateFund"),
    "POST /v1/insurance-funds/{fund_id}/contributions": (
        "", {**MONEY, "kind": "seed_capital"}, "ContributeToFund",
    ),
    "POST /v1/insurance-funds/{fund_id}/moves": (
        "", {**MONEY, "from_wallet": "main", "to_wallet": "spare"}, "MoveInFund",
    ),
    "POST /v1/insurance-funds/{fund_id}/deployments": ("", MONEY, "DeployExcess"),
    "POST /v1/insurance-funds/rebalances": ("", {"asset": "USDT", "execute": True}, "Rebalance"),
    "POST /v1/treasury/contributions": ("", MONEY, "ContributeToTreasury"),
    "POST /v1/api-keys": ("", LISTED, "CreateKey"),
    "DELETE /v1/api-keys/{key_id}": ("?reference=ticket 7", None, "RevokeKey"),
}  # fmt: skip
"""What only an admin may change: each route with a query, a body without `reference`, and the kind
of command it gives."""

ELSEWHERE = {
    "POST /v1/funding-corrections": "test_funding",
    "POST /v1/contracts/{symbol}/settlement": "test_settlements",
    "POST /v1/incidents/{incident_id}/release": "test_incidents",
    "POST /v1/calibrations/{calibration_id}/accept": "test_verdicts",
    "POST /v1/calibrations/{calibration_id}/reject": "test_verdicts",
}
"""Where an act is looked at that needs something to change first; its `reason` is why."""

BESIDE = {
    "POST /v1/calibrations",
    "POST /v1/insurance-funds/{fund_id}/calibrations",
    "DELETE /v1/jobs/{job_id}",
    "PUT /v1/stress-scenarios/{scenario_id}",
    "POST /v1/price-history/imports",
}
"""What changes nothing of the exchange and is no command; a job says whose it is."""


def admin_routes(api: Api) -> Iterator[str]:
    included = (getattr(one, "original_router", None) for one in api.app.routes)
    for route in (route for router in included if router for route in router.routes):
        assert isinstance(route, APIRoute), route
        if asks_for_admin(route.dependant) and route.methods != {"GET"}:
            yield from (f"{method} {route.path}" for method in route.methods or ())


def asks_for_admin(dependant: Dependant) -> bool:
    return any(one.call is access._admin or asks_for_admin(one) for one in dependant.dependencies)


async def acts(api: Api, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api(f"GET {PATH}?limit=1000{query}"))["items"]
    return found


async def key_id(api: Api, name: str = "test", scope: str = "admin") -> str:
    keys = (await api("GET /v1/api-keys"))["items"]
    (found,) = (one["key_id"] for one in keys if (one["name"], one["scope"]) == (name, scope))
    return str(found)


@pytest.mark.parametrize("route", ROUTES)
async def test_every_admin_route_leaves_one_act(api: Api, route: str) -> None:
    """Who, when, why and what; sent again with its key, or refused, it leaves none."""
    await api.open("alice")
    await api.seed_fund("usdt-major", "1000")
    await api("PATCH /v1/insurance-funds/usdt-major", {"required_minimum": {"USDT": "100"}})
    terms = await api("GET /v1/contracts/BTCUSDT")
    revoked = await key_id(api, scope="feed")
    query, body, kind = ROUTES[route]
    if route == "POST /v1/contracts":
        body = {**terms, "symbol": "NEWUSDT", "base_asset": "NEW"}
    if body is not None:
        body = {**body, "reference": WHY}
    call = (
        route.format(symbol="BTCUSDT", account_id="alice", fund_id="usdt-major", key_id=revoked)
        + query
    )
    before = await acts(api)
    began = api.runner.now()
    answer = await api.send(call, body, headers={"Idempotency-Key": "k"})
    assert answer.is_success, answer.text
    act, *rest = await acts(api)
    assert rest == before
    assert (act["kind"], act["reference"]) == (kind, WHY)
    assert act["key_id"] == await key_id(api)
    assert began <= datetime.fromisoformat(act["time"]) <= api.runner.now()
    assert await api(f"GET {PATH}/{act['act_id']}") == act
    if call.startswith("POST"):
        await api.send(call, body, headers={"Idempotency-Key": "k"})
        assert (await acts(api))[0] == act
    if body is not None:
        wrong = {**body, "reference": "two\nlines"}
        assert await api.refused(call, wrong) == (400, "malformed_body")
    assert (await acts(api))[0] == act


async def test_those_are_all_routes_of_admins(api: Api) -> None:
    assert {*ROUTES, *ELSEWHERE, *BESIDE} == set(admin_routes(api))


async def test_what_is_refused_is_no_act(api: Api) -> None:
    before = await acts(api)
    body = {"asset": "USDT", "amount": "1", "kind": "top_up", "reference": WHY}
    call = "POST /v1/insurance-funds/usdt-major/contributions"
    assert await api.refused(call, body) == (422, "insufficient_balance")
    assert await acts(api) == before


async def test_an_admin_in_a_traders_name(api: Api) -> None:
    """Money and settings are his acts; orders and prices are none, nor is what others do."""
    await api.open("alice")
    await api.mark("BTCUSDT", "60000")
    before = len(await acts(api))
    out = "POST /v1/accounts/alice/withdrawals"
    settings = "PUT /v1/accounts/alice/contracts/BTCUSDT"
    for key in ("alice", "admin"):
        await api(out, {**MONEY, "reference": "he asked"}, status=201, key=key)
        await api(settings, {"leverage": 7}, key=key)
        order = {"account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
                 "quantity": "0.1", "price": "59000"}  # fmt: skip
        await api("POST /v1/orders", order, status=201, key=key)
        await api("DELETE /v1/orders?account_id=alice", key=key)
    owned = {"owner_id": "carol-ltd", "reference": "papers of 4 May"}
    await api("PATCH /v1/accounts/alice", owned)
    await api("POST /v1/prices", {"symbol": "BTCUSDT", "mark_price": "60001"})
    owner, *found = await acts(api)
    assert (owner["kind"], owner["reference"]) == ("DeclareOwner", "papers of 4 May")
    assert [(act["kind"], act["reference"]) for act in found[:-before]] == [
        ("CancelOrders", None), ("ConfigureContract", None), ("Withdraw", "he asked"),
    ]  # fmt: skip
    assert found[0]["body"] == {"account_id": "alice", "symbol": None}


async def test_secrets_are_not_shown(api: Api) -> None:
    made = await api("POST /v1/api-keys", {**LISTED, "reference": WHY}, status=201)
    await api.open("alice")
    first, second = (await acts(api))[1:3]
    assert second["body"] == {
        "key": {"key_id": made["key_id"], "name": "desk", "scope": "feed", "account_id": None}
    }
    assert first["body"]["key"]["account_id"] == "alice"
    assert "digest" not in (await api.send(f"GET {PATH}?limit=1000")).text


async def test_filters_and_pages(api: Api) -> None:
    for number in range(4):
        await api(
            "POST /v1/treasury/contributions", {**MONEY, "reference": f"{number}"}, status=201
        )
        await api.seed_fund("usdt-major", "1")
    everything = await acts(api)
    money = [act for act in everything if act["kind"] == "ContributeToTreasury"]
    assert [act["reference"] for act in money] == ["3", "2", "1", "0"]
    assert await acts(api, "&kind=ContributeToTreasury") == money
    own = await key_id(api)
    assert await acts(api, f"&key={own}") == everything
    assert await acts(api, f"&key={own}&kind=ContributeToTreasury") == money
    assert await acts(api, "&key=nobody") == await acts(api, "&kind=RevokeKey") == []
    since, until = money[2]["time"], money[0]["time"]
    there = [act for act in everything if since <= act["time"] < until]
    assert await acts(api, f"&from={since}&to={until}") == there
    assert await acts(api, f"&from={since}&to={until}&kind=ContributeToTreasury") == money[1:3]
    later = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert await acts(api, f"&from={later}") == []
    assert await acts(api, f"&to={later}") == everything
    assert await api.listed(f"{PATH}?limit=3") == everything


async def test_a_long_command_is_shown_alone(api: Api) -> None:
    """An import of everything is megabytes: the list names it, and its own page has it."""
    chance, floors = random.Random(7), [0]
    for _ in range(100):
        floors.append(floors[-1] + chance.randrange(1, 10**12))
    rows = [
        {
            "notional_floor": f"{floors[number]}",
            "notional_cap": f"{floors[number + 1]}",
            "max_leverage": 100 - number,
            "maintenance_margin_rate": f"0.00{400 + number}",
        }
        for number in range(100)
    ]
    await api("PATCH /v1/contracts/BTCUSDT", {"brackets": rows})
    (act, *_) = await acts(api)
    assert (act["kind"], act["body"]) == ("UpdateContract", None)
    whole = await api(f"GET {PATH}/{act['act_id']}")
    assert len(whole["body"]["changes"]["brackets"]) == 100


async def test_only_admins_read_them(api: Api) -> None:
    for path in (PATH, f"{PATH}/1"):
        assert await api.refused(f"GET {path}", key=None) == (401, "unauthorized")
        assert await api.refused(f"GET {path}", key="feed") == (403, "forbidden")
    assert await api.refused(f"GET {PATH}/999999") == (404, "unknown_admin_act")
    for kind in ("no-such", "Nothing"):
        assert await api.refused(f"GET {PATH}?kind={kind}") == (400, "malformed_query")

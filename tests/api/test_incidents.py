"""Incidents over HTTP (REC-2): the request that failed is named, listed and released."""

from __future__ import annotations

import httpx
import pytest

from app.engine.commands.accounts import Deposit
from app.engine.handlers import accounts
from app.engine.handling import HANDLERS
from app.engine.step import Step
from tests.api.conftest import Api
from tests.runner.conftest import until

BAD = "POST /v1/accounts/alice/deposits", {"asset": "USDT", "amount": "13"}


@pytest.fixture
async def failed(api: Api, monkeypatch: pytest.MonkeyPatch) -> Api:
    """A service in which a deposit of 13 has ended a term."""

    def buggy(step: Step, command: Deposit) -> object:
        if command.amount == 13:
            raise ZeroDivisionError("thirteen")
        return accounts.deposit(step, command)

    handler = HANDLERS[Deposit]
    await api.open("alice")
    with monkeypatch.context() as patch:
        patch.setitem(HANDLERS, Deposit, handler._replace(run=buggy))
        assert await api.refused(*BAD) == (503, "not_leader")
        await until(lambda: api.runner.leading)
    return api


async def release(api: Api, incident: str = "1", **how: object) -> httpx.Response:
    return await api.send(f"POST /v1/incidents/{incident}/release", {"reason": "mended"}, **how)  # type: ignore[arg-type]


async def test_a_request_that_failed_is_answered_with_its_incident(failed: Api) -> None:
    answer = await failed.send(*BAD)
    assert answer.status_code == 500
    problem = answer.json()
    assert (problem["code"], problem["context"]) == ("incident", {"incident_id": "1"})
    (item,) = (await failed("GET /v1/incidents"))["items"]
    assert item["error"].startswith("ZeroDivisionError: thirteen (test_incidents.py:")
    fixed = {"incident_id": "1", "command": "Deposit", "blamed": "command", "times": 1}
    none = ("account_id", "margin_mode", "symbol", "position_side", "asset", "released_at")
    assert fixed.items() <= item.items()
    assert [item[name] for name in none] == [None] * len(none)
    (alert,) = (await failed("GET /v1/alerts?kind=incident"))["items"]
    assert alert["detail"] == {"incident_id": "1", "command": "Deposit", "blamed": "command"}
    assert "\nbackstop_incidents_open 1.0\n" in (await failed.send("GET /metrics")).text


async def test_released_it_is_tried_once_more(failed: Api) -> None:
    released = (await release(failed)).json()
    assert released["release_reason"] == "mended"
    act = (await failed("GET /v1/admin-acts"))["items"][0]
    assert (act["kind"], act["reference"]) == ("ReleaseIncident", "mended")
    assert released["released_at"]
    await failed(*BAD, status=201)
    assert (await failed("GET /v1/incidents"))["items"] == [released]
    assert (await release(failed)).json()["code"] == "unknown_incident"
    assert "\nbackstop_incidents_open 0.0\n" in (await failed.send("GET /metrics")).text


async def test_a_release_can_be_sent_again(failed: Api) -> None:
    headers = {"Idempotency-Key": "once"}
    first, second = [await release(failed, headers=headers) for _ in range(2)]
    assert first.status_code == 200
    assert first.json() == second.json()


async def test_only_admins_see_and_release_incidents(failed: Api) -> None:
    for key, status in ((None, 401), ("feed", 403), ("alice", 403)):
        assert (await failed.send("GET /v1/incidents", key=key)).status_code == status
        assert (await release(failed, key=key)).status_code == status
    for unknown in ("2", "x"):
        assert (await release(failed, unknown)).status_code == 404
    assert await failed.refused("POST /v1/incidents/1/release", {}) == (400, "malformed_body")


async def test_a_scope_set_aside_is_named(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is listed; that everything else goes on, the runner's tests show."""
    await api.open("alice", "0")
    await api.open("bob")
    deposit = {"asset": "USDT", "amount": "4000"}
    await api("POST /v1/accounts/alice/deposits", deposit, status=201)
    await api.mark("BTCUSDT", "60000")
    await api.configure("alice", 20, "isolated")
    await api.order("bob", "sell", "0.1", "60000")
    await api.order("alice", "buy", "0.1", "60000")

    def buggy(*_: object) -> None:
        raise ArithmeticError

    with monkeypatch.context() as patch:
        patch.setattr("app.engine.liquidation.waterfall.advance", buggy)
        body = {"symbol": "BTCUSDT", "mark_price": "50000"}
        assert await api.refused("POST /v1/prices", body, key="feed") == (503, "not_leader")
        await until(lambda: api.runner.leading)
    await api.mark("BTCUSDT", "50000")
    (item,) = (await api("GET /v1/incidents"))["items"]
    scope = {
        "blamed": "scope", "account_id": "alice", "margin_mode": "isolated", "symbol": "BTCUSDT",
        "position_side": "both", "asset": "USDT", "digest": None,
    }  # fmt: skip
    assert scope.items() <= item.items()
    (position,) = (await api("GET /v1/accounts/alice/positions"))["items"]
    assert position["quantity"] == "0.1"
    assert (await release(api)).status_code == 200

    async def is_closed() -> bool:
        return not (await api("GET /v1/accounts/alice/positions"))["items"]

    await until(is_closed)

"""Calibrations accepted and rejected over HTTP, once, by whom and why (CAL-12)."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from app.engine.commands.calibrations import VALID
from app.engine.invariants import state_hash
from app.store.loader import load_state
from app.verify.replay import verify
from tests.api.calibrated import NOW, kept
from tests.api.conftest import Api

ACCEPT, REJECT = "POST /v1/calibrations/{}/accept", "POST /v1/calibrations/{}/reject"
FUND = "GET /v1/insurance-funds/usdt-major"
WHY = {"reason": "the desk's book was booked twice"}


async def of_fund(api: Api, asset: str = "USDT") -> dict[str, Any]:
    found: list[dict[str, Any]] = (await api(FUND, key=None))["balances"]
    return next(one for one in found if one["asset"] == asset)


async def statuses(api: Api) -> list[str]:
    items = (await api("GET /v1/insurance-funds/usdt-major/calibrations", key=None))["items"]
    return [one["status"] for one in items]


async def kinds(api: Api) -> list[str]:
    return [one["kind"] for one in (await api("GET /v1/alerts"))["items"]]


async def test_what_is_accepted_is_required(api: Api, connection: asyncpg.Connection) -> None:
    """At once, with its alert; everyone sees by which, by whom and when it is to be reviewed."""
    await api.seed_fund("usdt-major", "900")
    await kept(connection, "usdt-major", minimum="1000")
    assert (await of_fund(api))["calibration_id"] is None
    accepted = await api(ACCEPT.format("c-1"), {})
    assert accepted == await api("GET /v1/calibrations/c-1", key=None)
    keys = (await api("GET /v1/api-keys"))["items"]
    (admin,) = (one["key_id"] for one in keys if one["scope"] == "admin")
    told = {name: accepted[name] for name in ("status", "decided_by", "reason")}
    assert told == {"status": "accepted", "decided_by": admin, "reason": None}
    due = datetime.fromisoformat(accepted["decided_at"]) + timedelta(days=90)
    assert datetime.fromisoformat(accepted["review_due_at"]) == due
    assert await of_fund(api) == {
        "asset": "USDT", "balance": "900", "required_minimum": "1000", "coverage": "0.9",
        "excess": "0", "calibration_id": "c-1", "review_due_at": accepted["review_due_at"],
        "overdue": False,
    }  # fmt: skip
    assert await kinds(api) == ["fund_below_minimum"]
    metrics = (await api.send("GET /metrics")).text
    assert 'backstop_calibration_overdue{fund="usdt-major",asset="USDT"} 0.0' in metrics
    assert 'backstop_fund_required_minimum{fund="usdt-major",asset="USDT"} 1000.0' in metrics


async def test_another_interval_counts_at_once(api: Api, connection: asyncpg.Connection) -> None:
    """By the policy of now, in the fund and in what was accepted."""
    await kept(connection, "usdt-major")
    accepted = await api(ACCEPT.format("c-1"), {})
    change = {"policy": {"review_interval_days": 1}}
    patched = await api("PATCH /v1/insurance-funds/usdt-major", change)
    assert patched["policy"]["review_interval_days"] == 1
    due = datetime.fromisoformat(accepted["decided_at"]) + timedelta(days=1)
    found = await api("GET /v1/calibrations/c-1")
    for told in (found["review_due_at"], (await of_fund(api))["review_due_at"]):
        assert datetime.fromisoformat(told) == due
    change = {"policy": {"review_interval_days": 0}}
    refused = await api.send("PATCH /v1/insurance-funds/usdt-major", change)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_policy")
    assert refused.json()["context"] == {"field": "review_interval_days"}


async def test_an_automatic_top_up_follows(api: Api, connection: asyncpg.Connection) -> None:
    """From the treasury, as far as it has."""
    await api("POST /v1/treasury/contributions", {"asset": "USDT", "amount": "150"}, status=201)
    policy = {"policy": {"automatic_top_up": True}}
    await api("PATCH /v1/insurance-funds/usdt-major", policy)
    await api.seed_fund("usdt-major", "900")
    await kept(connection, "usdt-major", minimum="1000")
    await api(ACCEPT.format("c-1"), {})
    fund = await of_fund(api)
    assert (fund["balance"], fund["coverage"]) == ("1000", "1")
    assert await kinds(api) == []


async def test_each_is_decided_once(api: Api, connection: asyncpg.Connection) -> None:
    """Accepting supersedes; what is decided, older or too old is not decided again."""
    for proposed in (NOW, NOW, NOW, NOW - VALID - timedelta(minutes=5), NOW):
        await kept(connection, "usdt-major", proposed=proposed)
    assert await statuses(api) == ["proposed", "expired", "proposed", "proposed", "proposed"]
    await api(ACCEPT.format("c-2"), {})
    rejected = await api(REJECT.format("c-3"), WHY)
    assert {**WHY, "status": "rejected", "review_due_at": None}.items() <= rejected.items()
    assert await statuses(api) == ["proposed", "expired", "rejected", "accepted", "superseded"]
    for call, code in (
        (ACCEPT.format("c-1"), "calibration_superseded"),
        (REJECT.format("c-1"), "calibration_superseded"),
        (ACCEPT.format("c-2"), "calibration_decided"),
        (REJECT.format("c-2"), "calibration_decided"),
        (ACCEPT.format("c-3"), "calibration_decided"),
        (ACCEPT.format("c-4"), "calibration_expired"),
        (REJECT.format("c-4"), "calibration_expired"),
    ):
        assert await api.refused(call, WHY) == (409, code)
    await api(ACCEPT.format("c-5"), {})
    assert await statuses(api) == ["accepted", "superseded", "rejected", "superseded", "superseded"]
    assert (await api("GET /v1/calibrations/c-2"))["review_due_at"] is None


async def test_accepting_and_rejecting_at_once(api: Api, connection: asyncpg.Connection) -> None:
    """One of them succeeds, whichever came first."""
    for _ in range(8):
        await kept(connection, "usdt-major")
    calls = [
        api.send(call.format(f"c-{number}"), WHY)
        for number in range(1, 9)
        for call in (ACCEPT, REJECT)
    ]
    answers = await asyncio.gather(*calls)
    for accepting, rejecting in zip(answers[::2], answers[1::2], strict=True):
        assert sorted((accepting.status_code, rejecting.status_code))[1] == 409
    final = await statuses(api)
    assert final.count("accepted") <= 1  # of some the rejection came first
    assert not {"proposed", "expired"} & set(final)


async def test_a_lower_minimum_needs_a_reason(api: Api, connection: asyncpg.Connection) -> None:
    for minimum in ("1000", "999.99"):
        await kept(connection, "usdt-major", minimum=minimum)
    await api(ACCEPT.format("c-1"), {})
    answer = await api.send(ACCEPT.format("c-2"), {})
    assert (answer.status_code, answer.json()["code"]) == (422, "reason_required")
    assert answer.json()["context"] == {"required_minimum": "999.99", "in_force": "1000"}
    assert (await api(ACCEPT.format("c-2"), WHY))["reason"] == WHY["reason"]
    assert (await of_fund(api))["required_minimum"] == "999.99"


async def test_a_number_set_by_hand(api: Api, connection: asyncpg.Connection) -> None:
    """It is not the calibration's; when that is to be reviewed stays."""
    await kept(connection, "usdt-major")
    accepted = await api(ACCEPT.format("c-1"), {})
    for minimum, told in (("2000", None), ("1000", "c-1")):
        body = {"required_minimum": {"USDT": minimum}}
        await api("PATCH /v1/insurance-funds/usdt-major", body)
        fund = await of_fund(api)
        assert (fund["calibration_id"], fund["review_due_at"]) == (told, accepted["review_due_at"])
    assert await statuses(api) == ["accepted"]
    await api("PATCH /v1/insurance-funds/usdt-major", {"required_minimum": {"USDT": None}})
    fund = await of_fund(api)
    assert (fund["calibration_id"], fund["review_due_at"], fund["overdue"]) == (None, None, False)


async def test_it_is_an_admins_act(api: Api, connection: asyncpg.Connection) -> None:
    """Who, why and what; a request that is sent again is answered as before."""
    for _ in range(2):
        await kept(connection, "usdt-major")
    for call in (ACCEPT, REJECT):
        path = call.format("c-1")
        assert await api.refused(path, WHY, key=None) == (401, "unauthorized")
        assert await api.refused(path, WHY, key="feed") == (403, "forbidden")
        assert await api.refused(call.format("c-9"), WHY) == (404, "unknown_calibration")
        assert await api.refused(call.format("1"), WHY) == (404, "unknown_calibration")
    assert await api.refused(REJECT.format("c-1"), {}) == (400, "malformed_body")
    assert await api.refused(REJECT.format("c-1"), {"reason": ""}) == (400, "malformed_body")
    key = {"Idempotency-Key": "board-of-May"}
    first = await api(ACCEPT.format("c-1"), {"reference": "board"}, headers=key)
    assert await api(ACCEPT.format("c-1"), {"reference": "board"}, headers=key) == first
    assert await api.refused(ACCEPT.format("c-2"), {}, headers=key) == (
        409, "idempotency_key_conflict",
    )  # fmt: skip
    await api(REJECT.format("c-2"), WHY)
    acts = (await api("GET /v1/admin-acts"))["items"]
    told = [(one["kind"], one["reference"]) for one in acts[:2]]
    assert told == [("RejectCalibration", WHY["reason"]), ("AcceptCalibration", "board")]
    assert acts[0]["body"]["reason"] == WHY["reason"]


async def test_the_next_leader_knows_it_and_a_replay_agrees(
    api: Api, connection: asyncpg.Connection
) -> None:
    """From the rows, and from the log alone."""
    for _ in range(2):
        await kept(connection, "usdt-major")
    await api(ACCEPT.format("c-1"), {})
    await api(REJECT.format("c-2"), WHY)
    found = await verify(connection, lambda done, total: None)
    assert found.difference is None
    assert found.state_hash == state_hash(api.runner.engine.state)
    loaded = await load_state(connection)
    assert state_hash(loaded) == found.state_hash
    assert loaded.funds["usdt-major"].calibrations["USDT"] is loaded.verdicts[1]

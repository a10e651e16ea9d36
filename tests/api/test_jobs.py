"""Jobs and calibrations as they are asked for, listed and canceled; nobody does them here."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.api.schemas.calibrating import ParametersBody
from app.api.schemas.calibration_example import PROPOSED, RESULT
from app.engine.commands.calibrations import VALID
from app.jobs import board
from app.jobs.parameters import METHOD, NAMES, Parameters, read_parameters, stored
from tests.api.calibrated import NOW, kept
from tests.api.conftest import Api

ASK = "POST /v1/calibrations"
OF_FUND = "POST /v1/insurance-funds/usdt-major/calibrations"
USDT = {"asset": "USDT"}
BTC = {"asset": "BTC"}


async def test_a_run_is_queued(api: Api) -> None:
    """A calibration for each fund of the asset, with all parameters as they will be used."""
    ticket = await api(ASK, {**USDT, "parameters": {"gap": "0.50", "seed": 7}}, status=202)
    assert ticket == {
        "job_id": "j-1", "status": "queued", "progress": 0,
        "calibration_ids": ["c-1", "c-2", "c-3"],
    }  # fmt: skip
    job = await api("GET /v1/jobs/j-1")
    assert job["request"] == {
        "asset": "USDT",
        "parameters": {**stored(Parameters()), "gap": "0.50", "seed": 7},
        "calibrations": {"usdt-75x": 1, "usdt-major": 2, "usdt-other": 3},
        "daily": False,
    }
    assert (job["status"], job["kind"], job["asset"]) == ("queued", "calibration", "USDT")
    assert job["calibration_ids"] == ticket["calibration_ids"]
    for name in ("stage", "elapsed_seconds", "started_at", "finished_at", "result", "error"):
        assert job[name] is None, name
    assert (await api("GET /v1/jobs"))["items"] == [job]


async def test_who_asked_is_for_admins(api: Api) -> None:
    """All else is public."""
    await api(OF_FUND, {}, status=202)
    job = await api("GET /v1/jobs/j-1")
    assert job["requested_by"]
    assert await api("GET /v1/jobs/j-1", key=None) == {**job, "requested_by": None}
    assert await api("GET /v1/jobs/j-1", key="feed") == {**job, "requested_by": None}
    assert (await api("GET /v1/jobs", key=None))["items"] == [{**job, "requested_by": None}]
    assert await api.refused("GET /v1/jobs", key="stranger") == (401, "unauthorized")


async def test_one_run_of_an_asset_at_a_time(api: Api) -> None:
    """By whichever way it was asked for; another asset's is none of its business."""
    await api(OF_FUND, {}, status=202)
    answer = await api.send(ASK, USDT)
    assert (answer.status_code, answer.json()["code"]) == (409, "job_running")
    assert answer.json()["context"] == USDT
    await api(ASK, BTC, status=202)
    assert (await api("DELETE /v1/jobs/j-1"))["status"] == "canceled"
    assert (await api("DELETE /v1/jobs/j-1"))["status"] == "canceled"
    await api(ASK, USDT, status=202)


async def test_the_same_request_again(api: Api) -> None:
    """The first answer, whatever became of the job; with another body it is a conflict."""
    key = {"Idempotency-Key": "q4"}
    first = await api(ASK, USDT, status=202, headers=key)
    assert await api(ASK, USDT, status=202, headers=key) == first
    await api("DELETE /v1/jobs/j-1")
    assert await api(ASK, USDT, status=202, headers=key) == first
    assert await api.refused(ASK, BTC, headers=key) == (409, "idempotency_key_conflict")
    assert await api.refused(OF_FUND, {}, headers=key) == (409, "idempotency_key_conflict")
    assert len((await api("GET /v1/jobs"))["items"]) == 1


@pytest.mark.parametrize(("given", "field"), [
    ({"confidence": "0.89"}, "confidence"),
    ({"confidence": "1"}, "confidence"),
    ({"gap": "0"}, "gap"),
    ({"stress_gap": "1.1"}, "stress_gap"),
    ({"scenarios": 9_999}, "scenarios"),
    ({"scenarios": 1_000_001}, "scenarios"),
    ({"scenarios": 99_999, "confidence": "0.9999"}, "scenarios"),
    ({"seed": -1}, "seed"),
    ({"decay_per_day": "0"}, "decay_per_day"),
    ({"horizon_hours": 0}, "horizon_hours"),
    ({"cover_n": 0}, "cover_n"),
])  # fmt: skip
async def test_parameters_that_cannot_be(api: Api, given: dict[str, Any], field: str) -> None:
    """The first that is wrong is named, and nothing is queued."""
    answer = await api.send(ASK, {**USDT, "parameters": given})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
    assert answer.json()["context"] == {"field": field}
    assert (await api("GET /v1/jobs"))["items"] == []


@pytest.mark.parametrize("given", [
    {"gap": 1}, {"scenarios": "20000"}, {"filter": "garch"}, {"gab": "1"}, {"gap": None},
    {"interval": "2h"}, {"volatility_floor": 1},
])  # fmt: skip
async def test_parameters_of_another_form(api: Api, given: dict[str, Any]) -> None:
    assert await api.refused(ASK, {**USDT, "parameters": given}) == (400, "malformed_body")


def test_each_parameter_can_be_given() -> None:
    """What the body has is what a run has; what is stored is read again as it was."""
    assert tuple(ParametersBody.model_fields) == NAMES == tuple(f.name for f in fields(Parameters))
    asked = Parameters(gap=Decimal("0.5"), interval="1h", mean_block_steps=12)
    assert read_parameters(stored(asked)) == asked


async def test_who_insures_nothing_cannot_be_calibrated(api: Api) -> None:
    assert await api.refused(ASK, {"asset": "EUR"}) == (422, "unknown_asset")
    call = "POST /v1/insurance-funds/{}/calibrations"
    assert await api.refused(call.format("nobody"), {}) == (404, "unknown_fund")
    await api("POST /v1/insurance-funds", {"fund_id": "empty", "name": "E"}, status=201)
    assert await api.refused(call.format("empty"), {}) == (422, "unknown_asset")
    assert await api.refused(OF_FUND, BTC) == (422, "unknown_asset")


async def test_a_fund_of_several_assets(api: Api) -> None:
    """Which of them must be said."""
    terms = await api("GET /v1/contracts/BTCUSD_PERP")
    body = {**terms, "symbol": "ABCUSD_PERP", "base_asset": "ABC", "settlement_asset": "ABC"}
    await api("POST /v1/contracts", {**body, "insurance_fund": "usdt-major"}, status=201)
    answer = await api.send(OF_FUND, {})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameters")
    assert answer.json()["context"] == {"field": "asset"}
    await api(OF_FUND, {"asset": "ABC"}, status=202)
    assert (await api("GET /v1/jobs/j-1"))["asset"] == "ABC"


async def test_only_an_admin_asks_and_cancels(api: Api) -> None:
    for call, body in ((ASK, USDT), (OF_FUND, {}), ("DELETE /v1/jobs/j-1", None)):
        assert await api.refused(call, body, key=None) == (401, "unauthorized")
        assert await api.refused(call, body, key="feed") == (403, "forbidden")


async def test_jobs_that_are_not_there(api: Api) -> None:
    for name in ("j-1", "1", "j-01", "c-1", "x"):
        assert await api.refused(f"GET /v1/jobs/{name}") == (404, "unknown_job")
        assert await api.refused(f"DELETE /v1/jobs/{name}") == (404, "unknown_job")


async def test_what_is_at_its_end_cannot_be_canceled(
    api: Api, connection: asyncpg.Connection
) -> None:
    """Its error and its seconds are told."""
    await api(ASK, USDT, status=202)
    assert await board.take(connection, 1) == 1
    assert (await api("GET /v1/jobs/j-1"))["elapsed_seconds"] >= 0
    await board.fail(connection, 1, board.JobFailure("no_mark", "no mark price for BTCUSDT"))
    job = await api("GET /v1/jobs/j-1")
    assert job["error"] == {"code": "no_mark", "detail": "no mark price for BTCUSDT"}
    assert (await api("GET /v1/jobs/j-1"))["elapsed_seconds"] == job["elapsed_seconds"]
    answer = await api.send("DELETE /v1/jobs/j-1")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_finished")
    assert answer.json()["context"] == {"status": "failed"}


async def test_a_long_queue(api: Api, connection: asyncpg.Connection) -> None:
    for _ in range(board.MOST_QUEUED):
        await board.request(connection, board.NewJob("stress_test", {}, None, "k"))
    assert await api.refused(ASK, USDT) == (503, "busy")


async def test_calibrations_are_listed(api: Api, connection: asyncpg.Connection) -> None:
    """Newest first, page by page, of an asset or a fund; public, and without what they rest on."""
    for fund_id, asset in (("usdt-major", "USDT"), ("coin-btc", "BTC"), ("usdt-other", "USDT")):
        await kept(connection, fund_id, asset)
    items = await api.listed("/v1/calibrations?limit=1", key=None)
    assert [one["calibration_id"] for one in items] == ["c-3", "c-2", "c-1"]
    assert items[0] == {
        "job_id": "j-3", "fund_id": "usdt-other", "asset": "USDT",
        "status": "proposed", "method_version": METHOD, "required_minimum": "1000",
        "as_of": {"sequence": 7, "time": items[0]["as_of"]["time"]},
        **PROPOSED, "calibration_id": "c-3", "proposed_at": items[0]["proposed_at"],
    }  # fmt: skip
    assert await api.listed("/v1/calibrations?asset=BTC", key=None) == [items[1]]
    of_fund = "/v1/insurance-funds/{}/calibrations?"
    assert await api.listed(of_fund.format("usdt-major"), key=None) == [items[2]]
    await api("POST /v1/insurance-funds", {"fund_id": "empty", "name": "E"}, status=201)
    assert await api.listed(of_fund.format("empty")) == []
    assert await api.refused(f"GET {of_fund.format('nobody')}") == (404, "unknown_fund")


async def test_a_calibration(api: Api, connection: asyncpg.Connection) -> None:
    """The report as it was made, with what has become of it; none while its run goes on."""
    await api(OF_FUND, {}, status=202)
    assert await api.refused("GET /v1/calibrations/c-1") == (404, "unknown_calibration")
    assert await api.refused("GET /v1/calibrations/j-1") == (404, "unknown_calibration")
    await kept(connection, "usdt-major")
    found = await api("GET /v1/calibrations/c-1", key=None)
    assert found == {
        **PROPOSED, **RESULT, "calibration_id": "c-1", "proposed_at": found["proposed_at"],
    }  # fmt: skip


async def test_a_proposal_expires(api: Api, connection: asyncpg.Connection) -> None:
    """After 7 days: the book has moved (CAL-12)."""
    margin = timedelta(minutes=5)
    await kept(connection, "usdt-major", proposed=NOW - VALID + margin)
    await kept(connection, "usdt-major", proposed=NOW - VALID - margin)
    items = await api.listed("/v1/calibrations?", key=None)
    assert [one["status"] for one in items] == ["expired", "proposed"]

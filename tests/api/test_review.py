"""Each day: is what is required of the funds outgrown (CAL-12)?"""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.calibration.runs.run import InForce
from app.calibration.tasks.calibrating import required_now
from app.jobs import board, calibrations
from app.jobs.calibrations import outgrown
from app.jobs.review import REVIEWER, look, tell_of_red
from tests.api.calibrated import a_calibration, kept
from tests.api.conftest import Api


async def looked(api: Api, connection: asyncpg.Connection) -> list[dict[str, Any]]:
    """The daily runs after a look, oldest first."""
    await look(connection, api.runner)
    rows = await connection.fetch(
        "SELECT job_id, asset, request FROM jobs WHERE requested_by = $1 ORDER BY 1", REVIEWER
    )
    return [{**row, "request": json.loads(row["request"])} for row in rows]


async def drifts(api: Api) -> list[dict[str, Any]]:
    items = (await api("GET /v1/alerts?kind=calibration_drift"))["items"]
    return [{"fund": one["fund"], **one["detail"]} for one in items]


async def test_a_day_has_one_run_of_what_is_accepted(
    api: Api, connection: asyncpg.Connection
) -> None:
    """With the parameters of the last one accepted, but fewer scenarios; none where none is."""
    await kept(connection, "usdt-major", parameters={"seed": 7, "gap": "0.5"})
    await kept(connection, "coin-btc", asset="BTC")
    assert await looked(api, connection) == []
    await api("POST /v1/calibrations/c-1/accept", {})
    (job,) = await looked(api, connection)
    assert (job["asset"], job["request"]["daily"]) == ("USDT", True)
    asked = job["request"]["parameters"]
    assert (asked["seed"], asked["gap"], asked["scenarios"]) == (7, "0.5", 20_000)
    assert await looked(api, connection) == [job]
    await board.cancel(connection, job["job_id"])
    assert await looked(api, connection) == [job]


async def test_it_waits_for_another_run_of_the_asset(
    api: Api, connection: asyncpg.Connection
) -> None:
    await kept(connection, "usdt-major")
    await api("POST /v1/calibrations/c-1/accept", {})
    ticket = await api("POST /v1/calibrations", {"asset": "USDT"}, status=202)
    assert await looked(api, connection) == []
    await api(f"DELETE /v1/jobs/{ticket['job_id']}")
    assert len(await looked(api, connection)) == 1


async def test_what_it_proposes_is_told_once(api: Api, connection: asyncpg.Connection) -> None:
    await kept(connection, "usdt-major", minimum="1000", run_id=100)
    await api("POST /v1/calibrations/c-1/accept", {})
    (job,) = await looked(api, connection)
    assert await drifts(api) == []
    await kept(connection, "usdt-major", minimum="1201", run_id=job["job_id"])
    await kept(connection, "usdt-major", minimum="1301", run_id=101)  # somebody asked for it
    await connection.execute(
        "UPDATE calibrations SET proposed_by = $1 WHERE run_id = $2", REVIEWER, job["job_id"]
    )
    yesterday = "UPDATE jobs SET request_key = 'daily/USDT/2020-01-01'"
    await connection.execute(yesterday)  # it took until after midnight
    for _ in range(2):
        await looked(api, connection)
        (drift,) = await drifts(api)
        assert drift == {
            "fund": "usdt-major", "calibration_id": "2", "proposed_minimum": "1201",
            "required_minimum": "1000",
        }  # fmt: skip


async def test_a_run_tells_what_is_in_force(api: Api, connection: asyncpg.Connection) -> None:
    """By which calibration: the last accepted, while the minimum is what that says."""
    for minimum in ("1000", "1100"):
        await kept(connection, "usdt-major", minimum=minimum)
    for number, said in ((1, "1000"), (2, "1100")):
        await api(f"POST /v1/calibrations/c-{number}/accept", {})
        found = await required_now(connection, "USDT")
        assert found == {"usdt-major": InForce(f"c-{number}", Decimal(said))}
    by_hand = {"required_minimum": {"USDT": "1000"}}  # as one said that was superseded
    await api("PATCH /v1/insurance-funds/usdt-major", by_hand)
    found = await required_now(connection, "USDT")
    assert found == {"usdt-major": InForce(None, Decimal(1000))}


@pytest.mark.parametrize(("minimum", "kept_ones"), [("1200", 0), ("1200.00000001", 1)])
async def test_a_fifth_more_is_outgrown(
    api: Api, connection: asyncpg.Connection, minimum: str, kept_ones: int
) -> None:
    """Of what a calibration asked for; a minimum that nobody calibrated cannot be outgrown."""
    await kept(connection, "usdt-major", minimum="1000")
    await api("POST /v1/calibrations/c-1/accept", {})
    by_hand = {"required_minimum": {"USDT": "1"}}
    await api("PATCH /v1/insurance-funds/usdt-other", by_hand)
    found = [a_calibration(9, fund, minimum=minimum) for fund in ("usdt-major", "usdt-other")]
    assert await outgrown(connection, "USDT", found) == found[:kept_ones]
    await calibrations.keep(connection, [], b"inputs of nothing")
    assert await connection.fetchval("SELECT count(*) FROM calibration_inputs") == 0


async def test_a_red_backtest_is_told_once_and_makes_the_review_due(
    api: Api, connection: asyncpg.Connection
) -> None:
    """Of the calibration accepted last; a new one is the review (CAL-14)."""
    reads, now = api.app.state.services.database, api.runner.now()
    later, today = now + timedelta(days=10), now.replace(hour=0, minute=0, second=0, microsecond=0)
    await kept(connection, "usdt-major")
    await api("POST /v1/calibrations/c-1/accept", {})
    await tell_of_red(reads, api.runner, later)
    assert (await api("GET /v1/alerts?kind=backtest_red"))["items"] == []
    for day in (2, 5):
        await connection.execute(
            "INSERT INTO fund_flows VALUES"
            " ('usdt-major', 'USDT', '1d', $1, 'bankruptcy_loss', 0, $2, $2)",
            today + timedelta(days=day), Decimal(10) ** 12,
        )  # fmt: skip
    await tell_of_red(reads, api.runner, later)
    (red,) = (await api("GET /v1/alerts?kind=backtest_red"))["items"]
    assert (red["fund"], red["asset"]) == ("usdt-major", "USDT")
    assert red["detail"] == {"calibration_id": "1", "days": "9", "exceedances": "2"}
    await tell_of_red(reads, api.runner, later)
    assert (await api("GET /v1/alerts?kind=backtest_red"))["items"] == [red]
    (fund,) = (await api("GET /v1/insurance-funds/usdt-major"))["balances"]
    assert (fund["review_due_at"], fund["overdue"]) == (red["time"], True)
    assert (await api("GET /v1/calibrations/c-1"))["review_due_at"] == red["time"]
    metrics = (await api.send("GET /metrics")).text
    assert 'backstop_calibration_overdue{fund="usdt-major",asset="USDT"} 1.0' in metrics
    await kept(connection, "usdt-major", minimum="2000")
    await api("POST /v1/calibrations/c-2/accept", {})
    (fund,) = (await api("GET /v1/insurance-funds/usdt-major"))["balances"]
    assert (fund["calibration_id"], fund["overdue"]) == ("c-2", False)

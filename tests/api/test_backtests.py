"""Backtests of calibrations, as they are read (CAL-14)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg

from app.api.schemas.backtests import EXAMPLE
from app.api.schemas.calibration_example import LOSSES, RESULT
from app.jobs import calibrations
from app.jobs.backtests import keep_backtests
from app.jobs.calibrations import NewCalibration
from app.jobs.parameters import METHOD
from app.store.queries.backtests import daily_deficits
from tests.api.conftest import Api, crash

ONE = "GET /v1/calibrations/c-1/backtest"
DAYS = [["2025-10-09", "0"], ["2025-10-10", "58000000"], ["2025-10-11", "200000000"]]
BODY: dict[str, Any] = {"days": DAYS, "walk_forward": EXAMPLE["walk_forward"]}


async def kept(connection: asyncpg.Connection, body: dict[str, Any] | None) -> None:
    """A calibration of the example's figures, with a backtest or without."""
    now = datetime.now(UTC)
    scenarios = [{**RESULT["stressed"]["scenarios"][0], "loss": "58000000"}]
    result = {**RESULT, "stressed": {**RESULT["stressed"], "scenarios": scenarios}}
    row = NewCalibration(
        1, 1, "usdt-major", "USDT", METHOD, "{}", 7, now, "b", "p", "s", "1", "2",
        json.dumps(result), json.dumps(LOSSES), Decimal(116000000), "k", now,
    )  # fmt: skip
    await calibrations.keep(connection, [row], None)
    if body is not None:
        await keep_backtests(connection, {1: body})


async def test_a_backtest(api: Api, connection: asyncpg.Connection) -> None:
    """Public; events and days are held against the minimum, events against the one in force too."""
    await kept(connection, BODY)
    await api("PATCH /v1/insurance-funds/usdt-major", {"required_minimum": {"USDT": "40000000"}})
    found = await api(ONE, key=None)
    assert (found["required_minimum"], found["in_force"]) == ("116000000", "40000000")
    (event,) = found["events"]
    assert event["loss"] == "58000000"
    assert (event["share_of_minimum"], event["covered"]) == ("0.5", True)
    assert (event["share_of_in_force"], event["covered_by_in_force"]) == ("1.45", False)
    assert found["walk_forward"] == EXAMPLE["walk_forward"]
    assert [(day["date"], day["covered"]) for day in found["days"]] == [
        ("2025-10-11", False), ("2025-10-10", True), ("2025-10-09", True),
    ]  # fmt: skip
    assert found["days"][1]["share_of_minimum"] == "0.5"


async def test_days_that_are_asked_for(api: Api, connection: asyncpg.Connection) -> None:
    """In their order; the first is inclusive, the last is not."""
    await kept(connection, BODY)
    found = await api(f"{ONE}?from=2025-10-10&to=2025-10-12")
    assert [day["date"] for day in found["days"]] == ["2025-10-10", "2025-10-11"]
    found = await api(f"{ONE}?to=2025-10-10")
    assert [day["date"] for day in found["days"]] == ["2025-10-09"]
    assert await api.refused(f"{ONE}?from=soon") == (400, "malformed_query")


async def test_a_calibration_that_was_made_without_one(
    api: Api, connection: asyncpg.Connection
) -> None:
    assert await api.refused(ONE) == (404, "unknown_calibration")
    await kept(connection, None)
    found = await api(ONE)
    assert (found["days"], found["walk_forward"], found["in_force"]) == ([], None, None)
    assert found["events"][0]["covered_by_in_force"] is None


async def accept(connection: asyncpg.Connection, time: datetime) -> None:
    await connection.execute(
        "INSERT INTO calibration_verdicts (calibration_id, fund_id, asset, accepted, sequence,"
        " time, required_minimum) VALUES (1, 'usdt-major', 'USDT', TRUE, 1, $1, 116000000)",
        time,
    )


async def test_live_days(api: Api, connection: asyncpg.Connection) -> None:
    """Each against the quantile in force, from kept sums and what ADL covered; public (CAL-14)."""
    one = "GET /v1/insurance-funds/usdt-major/backtest"
    found = await api(one, key=None)
    assert (found["days"], found["light"], found["confidence"]) == (0, "green", None)
    await kept(connection, BODY)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    await accept(connection, today - timedelta(days=10, hours=-1))
    quantile = Decimal(RESULT["simulated"]["quantile"])
    for back, paid in ((2, quantile + 9), (3, quantile + 1), (4, quantile), (12, quantile * 2)):
        await connection.execute(
            "INSERT INTO fund_flows VALUES"
            " ('usdt-major', 'USDT', '1d', $1, 'bankruptcy_loss', 0, $2, $2)",
            today - timedelta(days=back), paid,
        )  # fmt: skip
    found = await api(one, key=None)
    first, last = today - timedelta(days=9), today - timedelta(days=1)
    assert (found["days"], found["first"], found["last"]) == (
        9, first.date().isoformat(), last.date().isoformat(),
    )  # fmt: skip
    assert (found["exceedances"], found["expected"], found["light"]) == (2, "0.009", "red")
    assert found["exceeded"][0] == {
        "date": (today - timedelta(days=3)).date().isoformat(), "loss": str(quantile + 1),
        "quantile": RESULT["simulated"]["quantile"], "calibration_id": "c-1",
    }  # fmt: skip
    assert await api.refused("GET /v1/insurance-funds/nobody/backtest") == (404, "unknown_fund")


async def test_what_adl_covered_is_a_loss(api: Api) -> None:
    """By the day on which it was, of a fund and an asset (ADL-4)."""
    await crash(api)
    await api.mark("BTCUSDT", "47000")
    now = api.app.state.services.runner.now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    async with api.app.state.services.database.connect() as reading:
        assert await daily_deficits(reading, "usdt-major", "USDT", today) == {
            today: Decimal("489.5")
        }
        later = today + timedelta(days=1)
        assert await daily_deficits(reading, "usdt-major", "USDT", later) == {}
        assert await daily_deficits(reading, "usdt-major", "BTC", today) == {}
        assert await daily_deficits(reading, "usdt-other", "USDT", today) == {}

"""Calibrations as a worker would have stored them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg

from app.api.schemas.calibration_example import LOSSES, RESULT
from app.jobs import calibrations
from app.jobs.calibrations import NewCalibration
from app.jobs.parameters import METHOD

NOW = datetime.now(UTC)


def a_calibration(
    number: int,
    fund_id: str,
    asset: str = "USDT",
    proposed: datetime = NOW,
    minimum: str = "1000",
    *,
    parameters: Mapping[str, Any] | None = None,
    run_id: int | None = None,
) -> NewCalibration:
    """One of another report than its row says."""
    return NewCalibration(
        number, run_id or number, fund_id, asset, METHOD, json.dumps(parameters or {}), 7, NOW,
        "b", "p", "s", "1", "2", json.dumps(RESULT), json.dumps(LOSSES), Decimal(minimum), "k",
        proposed,
    )  # fmt: skip


async def kept(
    connection: asyncpg.Connection,
    fund_id: str,
    asset: str = "USDT",
    proposed: datetime = NOW,
    minimum: str = "1000",
    *,
    parameters: Mapping[str, Any] | None = None,
    run_id: int | None = None,
) -> None:
    """It is stored, with the next number."""
    number = await connection.fetchval("SELECT count(*) + 1 FROM calibrations")
    one = a_calibration(
        number, fund_id, asset, proposed, minimum, parameters=parameters, run_id=run_id
    )
    await calibrations.keep(connection, [one], None)

"""Calibrations as a worker would have stored them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg

from app.api.schemas.calibration_example import LOSSES, RESULT
from app.jobs import calibrations
from app.jobs.calibrations import NewCalibration
from app.jobs.parameters import METHOD

NOW = datetime.now(UTC)


async def kept(
    connection: asyncpg.Connection,
    fund_id: str,
    asset: str = "USDT",
    proposed: datetime = NOW,
    minimum: str = "1000",
) -> None:
    """A calibration, as a worker would have stored it; of another report than its row says."""
    number = await connection.fetchval("SELECT count(*) + 1 FROM calibrations")
    row = NewCalibration(
        number, number, fund_id, asset, METHOD, "{}", 7, NOW, "b", "p", "s", "1", "2",
        json.dumps(RESULT), json.dumps(LOSSES), Decimal(minimum), "k", proposed,
    )  # fmt: skip
    await calibrations.keep(connection, [row], None)

"""Calibrations as the service knows them: how one is asked for, kept, and what became of it.

A run covers all funds of a settlement asset, and gives one calibration for each. Their numbers are
drawn when it is asked for, so that the answer can name them; there is nothing under such a number
before the run is done, and never if it is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import asyncpg

from app.engine.commands.calibrations import VALID
from app.jobs import board, parameters
from app.jobs.board import NewJob
from app.jobs.parameters import Parameters
from app.runner.answers import AnswerKey

CalibrationStatus = Literal["proposed", "accepted", "superseded", "rejected", "expired"]


OUTGROWN = Decimal("1.2")
"""So many times what is required of a fund is much more than that."""


class NothingToCalibrate(Exception):
    """No fund insures a contract that settles in the asset."""

    def __init__(self, asset: str) -> None:
        super().__init__(f"no fund insures a contract that settles in {asset}")
        self.asset = asset


class NewCalibration(NamedTuple):
    """A row of `calibrations`, as the worker makes it: what is answered is there as JSON."""

    calibration_id: int
    run_id: int
    fund_id: str
    asset: str
    method_version: str
    parameters: str
    as_of_sequence: int
    as_of_time: datetime
    book_hash: str
    prices_hash: str
    stress_hash: str
    code_version: str
    numpy_version: str
    result: str
    losses: str
    required_minimum: Decimal
    proposed_by: str
    proposed_at: datetime


def calibration_text(number: int) -> str:
    """A calibration's identifier, as it is answered."""
    return f"c-{number}"


async def wanted(
    connection: asyncpg.Connection, asset: str, asked: Parameters, by: str, *, daily: bool = False
) -> NewJob:
    """A run for all funds of an asset, as a job; draws the numbers of its calibrations.

    A `daily` one keeps those alone that say that a fund's minimum is outgrown. Raises
    `NothingToCalibrate`.
    """
    rows = await connection.fetch(_NUMBERS, asset)
    if not rows:
        raise NothingToCalibrate(asset)
    request = {
        "asset": asset,
        "parameters": parameters.stored(asked),
        "calibrations": {row["fund_id"]: row["number"] for row in rows},
        "daily": daily,
    }
    return NewJob("calibration", request, asset, by)


async def ask(
    connection: asyncpg.Connection,
    asset: str,
    asked: Parameters,
    by: str,
    key: AnswerKey | None,
    *,
    daily: bool = False,
) -> int:
    """Queue a run, and return the job's number; under a `key` used before, the first one's.

    Raises `NothingToCalibrate`, and what `board.request` does.
    """
    before = await board.known(connection, by, key)
    if before is not None:
        return before
    job = await wanted(connection, asset, asked, by, daily=daily)
    return await board.request(connection, job, key)


async def number_for(
    connection: asyncpg.Connection, request: Mapping[str, Any], fund_id: str
) -> int:
    """A fund's calibration's number; a new one for a fund that was not there at the request."""
    known: int | None = request["calibrations"].get(fund_id)
    return known or await connection.fetchval(f"SELECT {_NEXT}")


async def outgrown(
    connection: asyncpg.Connection, asset: str, found: Sequence[NewCalibration]
) -> list[NewCalibration]:
    """Those that ask for much more than is required of a fund by a calibration (CAL-12)."""
    rows = await connection.fetch(_REQUIRED, asset)
    required = {row["fund_id"]: row["required_minimum"] for row in rows}
    return [
        one
        for one in found
        if one.fund_id in required and one.required_minimum > OUTGROWN * required[one.fund_id]
    ]


async def keep(
    connection: asyncpg.Connection, found: Sequence[NewCalibration], inputs: bytes | None
) -> None:
    """Store what a run found and, if they are few enough, its inputs; in the job's transaction."""
    await connection.executemany(_KEEP, found)
    if found and inputs is not None:
        query = "INSERT INTO calibration_inputs (run_id, body) VALUES ($1, $2)"
        await connection.execute(query, found[0].run_id, inputs)


def status_of(row: Mapping[str, Any], now: datetime) -> CalibrationStatus:
    """What has become of a stored calibration, as the engine would judge it now (CAL-12)."""
    if row["accepted"] is False:
        return "rejected"
    if row["last_accepted"] is not None and row["calibration_id"] < row["last_accepted"]:
        return "superseded"
    if row["accepted"]:
        return "accepted"
    return "expired" if now > row["proposed_at"] + VALID else "proposed"


def review_due_at(row: Mapping[str, Any]) -> datetime | None:
    """When what was accepted is to be reviewed, by its fund's policy or since its backtest is red;
    None for all others."""
    if row["calibration_id"] != row["last_accepted"]:
        return None
    decided_at: datetime = row["decided_at"]
    by_policy = decided_at + timedelta(days=row["interval_days"])
    return by_policy if row["red_at"] is None else min(by_policy, row["red_at"])


_NEXT = "nextval(pg_get_serial_sequence('calibrations', 'calibration_id'))"
_NUMBERS = f"""
    SELECT fund_id, {_NEXT} AS number FROM (
        SELECT fund_id FROM funds WHERE EXISTS (
            SELECT FROM contracts
            WHERE insurance_fund = fund_id AND settlement_asset = $1 AND status <> 'settled'
        ) ORDER BY fund_id COLLATE "C"
    ) AS insuring
"""  # noqa: S608 - names of our own
_KEEP = f"""
    INSERT INTO calibrations ({", ".join(NewCalibration._fields)})
    VALUES ({", ".join(f"${place}" for place in range(1, len(NewCalibration._fields) + 1))})
"""  # noqa: S608 - names of our own
_REQUIRED = """
    SELECT fund_id, (required_minimum ->> $1)::numeric AS required_minimum FROM funds
    WHERE required_minimum ->> $1 IS NOT NULL AND EXISTS (
        SELECT FROM calibration_verdicts AS verdict
        WHERE verdict.fund_id = funds.fund_id AND verdict.asset = $1 AND accepted
    )
"""

"""The leader's daily look at what is required of funds (CAL-12, CAL-14).

Once a day (UTC) a run of fewer scenarios is queued for each asset in which a calibration was
accepted, with the parameters of the last one. Where it asks for much more than is required of a
fund, that is proposed, and the operators are told. So they are where a fund has lost more than its
calibrations said on too many days. The first look of a day is whoever's leads; what was done is in
the database, so the next leader goes on from there.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from app.engine.commands.calibrations import VALID, ReportDrift
from app.jobs import calibrations
from app.jobs.board import JobRunning, TooManyJobs
from app.jobs.calibrations import NothingToCalibrate
from app.jobs.live import red_backtests
from app.jobs.parameters import Parameters, read_parameters
from app.runner.answers import AnswerKey
from app.runner.runner import Busy, NotLeader, Runner
from app.store import database
from app.store.database import UNREACHABLE
from app.store.reads import NoSlot, Reads

log = logging.getLogger("backstop.jobs")

REVIEWER = "system"
"""In the place of a key."""
SCENARIOS = 20_000
LOOK_SECONDS = 60.0
LATER = (*UNREACHABLE, asyncpg.TooManyConnectionsError, NotLeader, Busy, NoSlot)
"""How it shows that it is to be tried again with the next look."""


class Reviews:
    """One instance's, from `start` to `stop`; it does nothing while another leads."""

    def __init__(self, runner: Runner, address: str, engine: AsyncEngine) -> None:
        self._runner, self._address = runner, address
        self._reads, self._tested = Reads(engine), date.min
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._look_for_ever())

    async def stop(self) -> None:
        """Look no more, if it did."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _look_for_ever(self) -> None:
        while True:
            if self._runner.leading:
                try:
                    await self._connect_and_look()
                except LATER as error:
                    log.warning("the daily review waits: %r", error)
                except Exception:
                    log.exception("the daily review waits after a fault")
            await asyncio.sleep(LOOK_SECONDS)

    async def _connect_and_look(self) -> None:
        connection = await database.connect(self._address)
        try:
            await look(connection, self._runner)
        finally:
            connection.terminate()
        now = self._runner.now()
        if now.date() > self._tested:  # they are of whole days, so no look before tomorrow differs
            await tell_of_red(self._reads, self._runner, now)
            self._tested = now.date()


async def look(connection: asyncpg.Connection, runner: Runner) -> None:
    """Queue what is not yet queued today, and tell of what came of it."""
    today = runner.now()
    for row in await connection.fetch(_ACCEPTED):
        asked = read_parameters(json.loads(row["parameters"]))
        await _daily_run(connection, row["asset"], asked, today)
    await _tell_of_drift(connection, runner)


async def _daily_run(
    connection: asyncpg.Connection, asset: str, asked: Parameters, today: datetime
) -> None:
    """Today's run is queued, if it was not and can be."""
    key = AnswerKey(REVIEWER, f"daily/{asset}/{today:%Y-%m-%d}", "")
    least = int(10 / (1 - asked.confidence)) + 1
    fewer = replace(asked, scenarios=min(asked.scenarios, max(SCENARIOS, least)))
    with suppress(NothingToCalibrate, JobRunning, TooManyJobs):
        await calibrations.ask(connection, asset, fewer, REVIEWER, key, daily=True)


async def _tell_of_drift(connection: asyncpg.Connection, runner: Runner) -> None:
    """An alert for each fund of which a run that is done proposes more; once, on whatever day."""
    for row in await connection.fetch(_PROPOSED, REVIEWER, VALID):
        command = ReportDrift(
            fund_id=row["fund_id"],
            asset=row["asset"],
            calibration_id=row["calibration_id"],
            proposed_minimum=row["required_minimum"],
        )
        await runner.submit([command])


async def tell_of_red(reads: Reads, runner: Runner, now: datetime) -> None:
    """An alert for each calibration accepted last whose live backtest is red; once."""
    async with reads.connect() as reading:
        found = await red_backtests(reading, now)
    if found:
        await runner.submit(found)


_ACCEPTED = """
    SELECT DISTINCT ON (asset) asset, parameters
    FROM calibration_verdicts AS verdict JOIN calibrations USING (calibration_id, asset)
    WHERE accepted ORDER BY asset, calibration_id DESC
"""
_PROPOSED = """
    SELECT fund_id, asset, calibration_id, required_minimum FROM calibrations
    WHERE proposed_by = $1 AND proposed_at > now() - $2::interval AND NOT EXISTS (
        SELECT FROM alerts
        WHERE kind = 'calibration_drift' AND alerts.fund_id = calibrations.fund_id
            AND detail ->> 'calibration_id' = calibration_id::text
    )
    ORDER BY calibration_id
"""
"""What daily runs propose, and can be decided, that nobody was told of."""

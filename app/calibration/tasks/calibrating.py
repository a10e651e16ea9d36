"""A calibration from the database's book and prices to the rows that propose it (CAL-11)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from app.calibration.backtests.result import backtests
from app.calibration.inputs.history import Closes, InsufficientHistory
from app.calibration.inputs.prices import read_closes
from app.calibration.inputs.snapshot import NoBook, read_book
from app.calibration.runs import result
from app.calibration.runs.pool import Pool
from app.calibration.runs.result import Told
from app.calibration.runs.run import Calibration, InForce, Progress, Run, calibrate, prepare
from app.calibration.tasks.kept import MOST_BYTES, RunInputs, pack
from app.engine.numbers import plain
from app.jobs import calibrations
from app.jobs.backtests import keep_backtests
from app.jobs.calibrations import NewCalibration
from app.jobs.library import read_library
from app.jobs.parameters import Parameters, read_parameters
from app.jobs.working import Found, JobFailed, Task

if TYPE_CHECKING:
    from app.calibration.runs.cluster import Cluster

BEFORE, BEHIND = 0.1, 0.95
"""Which shares of a job are done when its run begins, and when it ends."""
SHARED_OUT = 50_000
"""Positions from which on it pays to begin more processes."""


class CalibratedRun(NamedTuple):
    """A run, what it was made from, and what it says of each fund of its book."""

    inputs: RunInputs
    run: Run
    found: Sequence[Calibration]


async def calibration(task: Task) -> Found:
    """A job's run; what it gives is kept with the job's end."""
    request, daily = task.job.request, task.job.request.get("daily", False)
    asked = read_parameters(request["parameters"])
    cluster = task.dask_scheduler
    asset = request["asset"]
    done = await run(task.connection, asset, asked, task.tell, cluster)
    task.tell("backtest", BEHIND)
    tested = await asyncio.to_thread(backtests, done.run)
    inputs = await asyncio.to_thread(pack, done.inputs)
    found = await _rows(task, done)
    rows = await calibrations.outgrown(task.connection, asset, found) if daily else found
    proposed = [
        {
            "calibration_id": calibrations.calibration_text(one.calibration_id),
            "fund_id": one.fund_id,
            "required_minimum": plain(one.required_minimum),
        }
        for one in rows
    ]
    body = inputs if len(inputs) <= MOST_BYTES else None
    beside = {
        row.calibration_id: tested[one.fund]
        for row, one in zip(found, done.found, strict=True)
        if row in rows
    }
    return Found({"calibrations": proposed}, partial(_keep, rows=rows, inputs=body, beside=beside))


async def _keep(
    connection: asyncpg.Connection,
    *,
    rows: Sequence[NewCalibration],
    inputs: bytes | None,
    beside: Mapping[int, Told],
) -> None:
    await calibrations.keep(connection, rows, inputs)
    await keep_backtests(connection, beside)


async def run(
    connection: asyncpg.Connection,
    asset: str,
    asked: Parameters,
    tell: Progress,
    cluster: str | None = None,
) -> CalibratedRun:
    """All that is read is committed; raises `JobFailed` where there is too little of it."""
    tell("book", 0.0)
    try:
        book = await read_book(connection, asset)
    except NoBook as error:
        raise JobFailed(error.code, error.detail) from error
    last_import = await connection.fetchval(_LAST_IMPORT)
    in_force = await required_now(connection, asset)
    library = await read_library(connection)
    disabled = {one.crash.scenario_id: one.reason or "" for one in library.disabled}
    inputs = RunInputs(book, last_import, library.enabled, disabled, in_force)
    return await work_out(connection, inputs, asked, tell, cluster)


async def work_out(
    connection: asyncpg.Connection,
    inputs: RunInputs,
    asked: Parameters,
    tell: Progress,
    cluster: str | None = None,
) -> CalibratedRun:
    """A run over given inputs, and the past prices that it asks for; raises `JobFailed`.

    `cluster` is the address of a Dask scheduler whose workers do it.
    """
    tell("prices", BEFORE / 2)
    prices = await read_closes(connection, inputs.book, asked)
    try:
        made, found = await asyncio.to_thread(
            _calibrated, inputs, prices, asked, _within(tell), cluster
        )
    except InsufficientHistory as error:
        raise JobFailed(error.code, error.detail) from error
    return CalibratedRun(inputs, made, found)


def _calibrated(
    inputs: RunInputs, prices: Closes, asked: Parameters, tell: Progress, cluster: str | None
) -> tuple[Run, list[Calibration]]:
    made = prepare(
        inputs.book,
        prices,
        asked,
        inputs.events,
        disabled=inputs.disabled,
        in_force=inputs.in_force,
    )
    if cluster is None and len(inputs.book.quantity) < SHARED_OUT:
        return made, calibrate(made, progress=tell)
    with shared_out(cluster) as each:
        return made, calibrate(made, each, tell)


def shared_out(cluster: str | None) -> Pool | Cluster:
    """Who does a run's work: this machine's cores, or a cluster's; raises `JobFailed`."""
    if cluster is None:
        return Pool()
    from app.calibration.runs.cluster import Cluster  # noqa: PLC0415 - an extra, which takes time

    try:
        return Cluster(cluster)
    except OSError as error:
        raise JobFailed("cluster_unreachable", f"no Dask scheduler at {cluster}") from error


def documents(done: CalibratedRun) -> list[Told]:
    """What is answered of each fund, but for its calibration's number."""
    return [result.document(done.run, one) for one in done.found]


def _within(tell: Progress) -> Progress:
    return lambda stage, share: tell(stage, BEFORE + (BEHIND - BEFORE) * share)


async def required_now(connection: asyncpg.Connection, asset: str) -> dict[str, InForce]:
    """What each fund must hold now, and by which calibration."""
    rows = await connection.fetch(_IN_FORCE, asset)
    return {
        row["fund_id"]: InForce(
            row["calibration_id"] and calibrations.calibration_text(row["calibration_id"]),
            row["required_minimum"],
        )
        for row in rows
    }


async def _rows(task: Task, done: CalibratedRun) -> list[NewCalibration]:
    now: datetime = await task.connection.fetchval("SELECT now()")
    made = done.run
    found = []
    for one in done.found:
        told = result.document(made, one)
        fund_id = told["fund_id"]
        number = await calibrations.number_for(task.connection, task.job.request, fund_id)
        found.append(
            NewCalibration(
                calibration_id=number,
                run_id=task.job.job_id,
                fund_id=fund_id,
                asset=made.book.asset,
                method_version=told["method_version"],
                parameters=json.dumps(told["parameters"]),
                as_of_sequence=made.book.sequence,
                as_of_time=made.book.time,
                book_hash=told["hashes"]["book"],
                prices_hash=told["hashes"]["prices"],
                stress_hash=told["hashes"]["stress"],
                code_version=told["code_version"],
                numpy_version=told["numpy_version"],
                result=json.dumps(told),
                losses=json.dumps(result.losses(made, one)),
                required_minimum=one.required_minimum,
                proposed_by=task.job.requested_by,
                proposed_at=now,
            )
        )
    return found


_LAST_IMPORT = "SELECT COALESCE(max(import_id), 0) FROM price_imports"
_IN_FORCE = """
    SELECT fund_id, minimum AS required_minimum,
        CASE WHEN last.required_minimum = minimum THEN last.calibration_id END AS calibration_id
    FROM funds AS fund, LATERAL (SELECT (fund.required_minimum ->> $1)::numeric) AS found (minimum)
    LEFT JOIN LATERAL (
        SELECT calibration_id, required_minimum FROM calibration_verdicts AS verdict
        WHERE verdict.fund_id = fund.fund_id AND asset = $1 AND accepted
        ORDER BY calibration_id DESC LIMIT 1
    ) AS last ON true
    WHERE minimum IS NOT NULL
"""
"""Which calibration a minimum is by: the last accepted, while it is as that says (CAL-12)."""

"""Calibrations: how big a fund must be (CAL)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Admin
from app.api.calibration_views import calibration_item, calibration_view
from app.api.changing import Changes, Posting
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.paging import Paged, Paging
from app.api.problems import Problem, busy, refused, unknown
from app.api.routing import keyed, problems, router
from app.api.schemas.base import ASSET_PATTERN, Page
from app.api.schemas.calibrating import (
    CalibrationBody,
    CalibrationItem,
    FundCalibrationBody,
    ParametersBody,
)
from app.api.schemas.calibrations import CalibrationView
from app.api.schemas.jobs import CALIBRATION_PATTERN, JobTicket, job_text, number_of
from app.api.services import Reading, Services, ServicesDep
from app.engine.rejections import Code, Rejection
from app.jobs.board import JobRunning, TooManyJobs
from app.jobs.calibrations import NothingToCalibrate, ask
from app.jobs.parameters import InvalidParameters, Parameters
from app.store.queries import Row, Rows
from app.store.queries import funds as fund_queries
from app.store.queries import jobs as queries

calibrations = router("calibrations")

CalibrationPath = Annotated[str, Path(pattern=CALIBRATION_PATTERN, examples=["c-31"])]

QUEUE_SECONDS = 10
"""After which it may be asked again for what was one job too many."""
ASKED = (
    Fault.malformed_body,
    Fault.idempotency_key_conflict,
    Fault.invalid_parameters,
    Fault.job_running,
    Code.unknown_asset,
)


@calibrations.post(
    "/calibrations",
    status_code=202,
    responses=keyed(*ASKED),
    summary="Calibrate the funds of an asset",
)
async def calibrate_asset(
    _: Admin, services: ServicesDep, changes: Posting, body: CalibrationBody
) -> JobTicket:
    """Queue a run over all funds of a settlement asset: it proposes what each must hold.

    A process of its own does it, beside the leader or a standby, and it changes nothing. There is
    one of an asset at a time. What it finds is stored whole or not at all.
    """
    return await _ask(services, changes, body.asset, body.parameters)


@calibrations.post(
    "/insurance-funds/{fund_id}/calibrations",
    status_code=202,
    responses=keyed(*ASKED, Code.unknown_fund),
    summary="Calibrate the funds of a fund's asset",
)
async def calibrate_fund(
    _: Admin, services: ServicesDep, changes: Posting, fund_id: FundPath, body: FundCalibrationBody
) -> JobTicket:
    """The same, for the asset in which the contracts settle that the fund insures.

    It covers all funds of the asset, for a cross account may owe several of them.
    """
    asset = await _asset_of(services, fund_id, body.asset)
    return await _ask(services, changes, asset, body.parameters)


@calibrations.get("/calibrations", responses=problems(), summary="List calibrations")
async def list_calibrations(
    reading: Reading,
    services: ServicesDep,
    paging: Paged,
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN, examples=["USDT"])] = None,
) -> Page[CalibrationItem]:
    """What was ever found, newest first, whatever became of it."""
    rows = await queries.list_calibrations(
        reading, paging.fetch, asset=asset, before=paging.before_id()
    )
    return _page(services, paging, rows)


@calibrations.get(
    "/insurance-funds/{fund_id}/calibrations",
    responses=problems(Code.unknown_fund),
    summary="List a fund's calibrations",
)
async def list_fund_calibrations(
    reading: Reading, services: ServicesDep, paging: Paged, fund_id: FundPath
) -> Page[CalibrationItem]:
    """Those of one fund, newest first."""
    rows = await queries.list_calibrations(
        reading, paging.fetch, fund_id=fund_id, before=paging.before_id()
    )
    if not rows and not await fund_queries.fund_exists(reading, fund_id):
        raise unknown("fund_id")
    return _page(services, paging, rows)


@calibrations.get(
    "/calibrations/{calibration_id}",
    responses=problems(Fault.unknown_calibration),
    summary="One calibration",
)
async def get_calibration(
    reading: Reading, services: ServicesDep, calibration_id: CalibrationPath
) -> CalibrationView:
    """A fund's required minimum, and all that it rests on. There is none before its run is done."""
    return await calibration_of(reading, services, calibration_id)


async def calibration_of(
    reading: AsyncConnection, services: Services, calibration_id: str
) -> CalibrationView:
    """A calibration with what has become of it; raises 404."""
    return calibration_view(await stored(reading, calibration_id), services.runner.now())


async def stored(reading: AsyncConnection, calibration_id: str) -> Row:
    """A calibration's row; raises 404."""
    row = await queries.get_calibration(reading, number_of(calibration_id))
    if row is None:
        raise unknown("calibration_id")
    return row


async def _asset_of(services: Services, fund_id: str, asset: str | None) -> str:
    """The one that a run for a fund is of; raises 404 and 422."""
    async with services.database.connect() as reading:
        if not await fund_queries.fund_exists(reading, fund_id):
            raise unknown("fund_id")
        assets = await queries.assets_of(reading, fund_id)
    if asset is not None and asset not in assets:
        raise _unknown_asset(f"{fund_id} insures no contract that settles in {asset}", asset)
    if not assets:
        raise _unknown_asset(f"{fund_id} insures no contract", fund_id)
    if asset is None and len(assets) > 1:
        detail = f"{fund_id} insures contracts in {', '.join(assets)}: name one of them"
        raise Problem(Fault.invalid_parameters, detail, {"field": "asset"})
    return asset or assets[0]


async def _ask(
    services: Services, changes: Changes, asset: str, given: ParametersBody
) -> JobTicket:
    assert changes.admin is not None
    try:
        asked = Parameters(**{name: getattr(given, name) for name in given.model_fields_set})
        async with services.writing() as connection:
            job_id = await ask(connection, asset, asked, changes.admin, changes.key)
    except InvalidParameters as error:
        raise Problem(Fault.invalid_parameters, error.detail, {"field": error.field}) from error
    except JobRunning as error:
        raise Problem(Fault.job_running, str(error), {"asset": asset}) from error
    except TooManyJobs as error:
        raise busy("too many jobs are waiting", QUEUE_SECONDS) from error
    except NothingToCalibrate as error:
        raise _unknown_asset(str(error), asset) from error
    services.wake_jobs()
    async with services.database.connect() as reading:
        row = await queries.get_job(reading, job_id)
    assert row is not None
    numbers = [*row["request"]["calibrations"].values()]
    return JobTicket(job_id=job_text(job_id), status="queued", progress=0, calibration_ids=numbers)


def _unknown_asset(detail: str, asset: str) -> Problem:
    return refused(Rejection.of(Code.unknown_asset, detail, asset=asset))


def _page(services: Services, paging: Paging, rows: Rows) -> Page[CalibrationItem]:
    now = services.runner.now()
    return paging.page(rows, lambda row: calibration_item(row, now), "calibration_id")

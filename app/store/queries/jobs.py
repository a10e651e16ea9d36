"""Jobs, and what calibrations they gave."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.queries import Row, Rows
from app.store.tables import calibrations, contracts, jobs

_END = func.coalesce(jobs.c.finished_at, func.now())
_JOB = select(*jobs.c, func.date_part("epoch", _END - jobs.c.started_at).label("elapsed_seconds"))

LISTED = (
    "calibration_id",
    "run_id",
    "fund_id",
    "asset",
    "method_version",
    "as_of_sequence",
    "as_of_time",
    "required_minimum",
    "proposed_at",
)
_LISTED = select(*(calibrations.c[name] for name in LISTED))


async def list_jobs(connection: AsyncConnection, limit: int, *, before: int | None) -> Rows:
    """Jobs, newest first."""
    query = _JOB.order_by(jobs.c.job_id.desc()).limit(limit)
    if before is not None:
        query = query.where(jobs.c.job_id < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def get_job(connection: AsyncConnection, job_id: int) -> Row | None:
    """One job."""
    query = _JOB.where(jobs.c.job_id == job_id)
    row: Row | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def list_calibrations(
    connection: AsyncConnection,
    limit: int,
    *,
    fund_id: str | None = None,
    asset: str | None = None,
    before: int | None = None,
) -> Rows:
    """Calibrations, newest first, without their reports."""
    query = _LISTED.order_by(calibrations.c.calibration_id.desc()).limit(limit)
    if fund_id is not None:
        query = query.where(calibrations.c.fund_id == fund_id)
    if asset is not None:
        query = query.where(calibrations.c.asset == asset)
    if before is not None:
        query = query.where(calibrations.c.calibration_id < before)
    rows: Rows = (await connection.execute(query)).mappings().all()
    return rows


async def get_calibration(connection: AsyncConnection, calibration_id: int) -> Row | None:
    """One calibration, with its report."""
    query = _LISTED.add_columns(calibrations.c.result)
    query = query.where(calibrations.c.calibration_id == calibration_id)
    row: Row | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def get_losses(connection: AsyncConnection, calibration_id: int) -> Any:
    """A calibration's largest losses, and how all are spread; None, where there is none."""
    query = select(calibrations.c.losses).where(calibrations.c.calibration_id == calibration_id)
    return (await connection.execute(query)).scalar_one_or_none()


async def assets_of(connection: AsyncConnection, fund_id: str) -> list[str]:
    """In which assets the contracts settle that a fund insures, by name."""
    query = (
        select(contracts.c.settlement_asset)
        .where(contracts.c.insurance_fund == fund_id, contracts.c.status != "settled")
        .distinct()
        .order_by(contracts.c.settlement_asset)
    )
    return [row[0] for row in await connection.execute(query)]

"""Jobs, and what calibrations they gave."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.policies import DEFAULT_POLICY
from app.store.queries import Row, Rows
from app.store.tables import (
    admin_acts,
    calibration_verdicts,
    calibrations,
    contracts,
    funds,
    jobs,
)

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
_last = calibration_verdicts.alias("last")
_LAST = (
    select(func.max(_last.c.calibration_id))
    .where(
        _last.c.fund_id == calibrations.c.fund_id,
        _last.c.asset == calibrations.c.asset,
        _last.c.accepted,
    )
    .scalar_subquery()
    .label("last_accepted")
)
_INTERVAL = funds.c.policy["review_interval_days"].as_integer()
_LISTED = (
    select(
        *(calibrations.c[name] for name in LISTED),
        calibration_verdicts.c.accepted,
        calibration_verdicts.c.time.label("decided_at"),
        calibration_verdicts.c.reason,
        calibration_verdicts.c.red_at,
        admin_acts.c.key_id.label("decided_by"),
        func.coalesce(_INTERVAL, DEFAULT_POLICY.review_interval_days).label("interval_days"),
        _LAST,
    )
    .select_from(calibrations)
    .outerjoin(
        calibration_verdicts,
        calibration_verdicts.c.calibration_id == calibrations.c.calibration_id,
    )
    .outerjoin(admin_acts, admin_acts.c.sequence == calibration_verdicts.c.sequence)
    .outerjoin(funds, funds.c.fund_id == calibrations.c.fund_id)
)
"""With what was decided of it, by whom; and which of its fund and asset was accepted last."""


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

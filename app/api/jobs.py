"""Jobs: long work in processes of its own."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path

from app.api.access import OPTIONAL_KEY, Admin, Identity, MaybeKey
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.problems import Problem, unknown
from app.api.routing import BY_KEY, keyed, problems, router
from app.api.schemas.base import Page
from app.api.schemas.jobs import JOB_PATTERN, JobView, number_of
from app.api.services import Reading, ServicesDep
from app.jobs import board
from app.store.queries import Row
from app.store.queries import jobs as queries

jobs = router("jobs")

JobPath = Annotated[str, Path(pattern=JOB_PATTERN, examples=["j-12"])]


@jobs.get("/jobs", responses=problems(*BY_KEY), openapi_extra=OPTIONAL_KEY, summary="List jobs")
async def list_jobs(reading: Reading, paging: Paged, identity: MaybeKey) -> Page[JobView]:
    """All jobs, newest first. One that ended is listed for 90 days."""
    rows = await queries.list_jobs(reading, paging.fetch, before=paging.before_id())
    return paging.page(rows, lambda row: _view(row, identity), "job_id")


@jobs.get(
    "/jobs/{job_id}",
    responses=problems(*BY_KEY, Fault.unknown_job),
    openapi_extra=OPTIONAL_KEY,
    summary="One job",
)
async def get_job(reading: Reading, job_id: JobPath, identity: MaybeKey) -> JobView:
    """How far it is, and in the end what it gave, or why it came to nothing."""
    row = await queries.get_job(reading, number_of(job_id))
    if row is None:
        raise unknown("job_id")
    return _view(row, identity)


@jobs.delete(
    "/jobs/{job_id}",
    responses=keyed(Fault.unknown_job, Fault.job_finished),
    summary="Cancel a job",
)
async def cancel_job(admin: Admin, services: ServicesDep, job_id: JobPath) -> JobView:
    """A queued job is not begun; of a running one the process is ended, and nothing is stored."""
    number = number_of(job_id)
    async with services.writing() as connection:
        status = await board.cancel(connection, number)
    if status is None:
        raise unknown("job_id")
    if status != "canceled":
        raise Problem(Fault.job_finished, f"the job is {status}", {"status": status})
    services.wake_jobs()
    async with services.database.connect() as reading:
        row = await queries.get_job(reading, number)
    assert row is not None
    return _view(row, admin)


def _view(row: Row, identity: Identity | None) -> JobView:
    calibrations: dict[str, Any] = row["request"].get("calibrations", {})
    admin = identity is not None and identity.is_admin
    found = dict(row)
    if found["result"] is not None and not admin:
        found["result"] = {**found["result"]}
        found["result"].pop("accounts", None)  # whose positions a what-if liquidates
    return JobView.of(
        found,
        calibration_ids=[*calibrations.values()],
        requested_by=row["requested_by"] if admin else None,
    )

"""Jobs: long work beside the service."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from app.api.schemas.base import CalibrationId, Time, View
from app.store.tables import JobKind, JobStatus

JOB_PATTERN = r"^j-(0|[1-9][0-9]{0,17})$"
CALIBRATION_PATTERN = r"^c-(0|[1-9][0-9]{0,17})$"


def job_text(number: int) -> str:
    """A job's identifier in an answer."""
    return f"j-{number}"


def number_of(identifier: str) -> int:
    """What an identifier of either pattern stands for."""
    return int(identifier[2:])


JobId = Annotated[
    str,
    BeforeValidator(lambda value: job_text(value) if isinstance(value, int) else value),
    Field(pattern=JOB_PATTERN, examples=["j-12"]),
]
JobProgress = Annotated[float, Field(ge=0, le=1, description="How much of it is done.")]


class JobTicket(View):
    """What was asked for is queued; the same for a request that is sent again with its key."""

    job_id: JobId
    status: JobStatus
    progress: JobProgress
    calibration_ids: list[CalibrationId] = Field(
        description="What a calibration will give, one for each fund of the asset: there once it"
        " is done. Empty for other jobs."
    )


class JobErrorView(View):
    """Why a job came to nothing."""

    code: str = Field(examples=["insufficient_price_history"])
    detail: str


class JobView(View):
    """A job. `error` says why it failed or was interrupted; it is not begun again by itself."""

    job_id: JobId
    kind: JobKind
    status: JobStatus
    asset: str | None = Field(description="Of which it is the only job that is not at its end.")
    progress: JobProgress
    stage: str | None
    elapsed_seconds: float | None = Field(description="Since it began; null while it is queued.")
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    requested_by: str | None = Field(description="A `key_id`; null but for admins.")
    request: dict[str, Any]
    calibration_ids: list[CalibrationId]
    result: dict[str, Any] | None
    error: JobErrorView | None

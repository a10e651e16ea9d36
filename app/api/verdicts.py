"""Calibrations are accepted or rejected, each once (CAL-12)."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Admin
from app.api.calibrations import CalibrationPath, calibration_of, stored
from app.api.changing import Posting
from app.api.faults import Fault
from app.api.routing import BY_POST, changing, router
from app.api.schemas.calibrations import AcceptBody, CalibrationView, RejectBody
from app.api.services import Reading, Services, ServicesDep
from app.engine.commands.calibrations import AcceptCalibration, RejectCalibration

verdicts = router("calibrations")


@verdicts.post(
    "/calibrations/{calibration_id}/accept",
    responses=changing(AcceptCalibration, Fault.unknown_calibration, *BY_POST),
    summary="Accept a calibration",
)
async def accept_calibration(
    *,
    _: Admin,
    services: ServicesDep,
    changes: Posting,
    reading: Reading,
    calibration_id: CalibrationPath,
    body: AcceptBody,
) -> CalibrationView:
    """The fund's required minimum in the asset is the calibration's from now on (FND-7).

    A fund that has less is topped up, if its policy says so, or told of. It supersedes the one
    accepted before. Within 7 days of its proposal, and with a reason where less is required than
    was.
    """
    row = await stored(reading, calibration_id)
    command = AcceptCalibration(
        fund_id=row["fund_id"],
        asset=row["asset"],
        calibration_id=row["calibration_id"],
        required_minimum=row["required_minimum"],
        proposed_at=row["proposed_at"],
        reason=body.reason,
    )
    await changes.apply(command, reference=body.reference or body.reason)
    return await _as_it_is(reading, services, calibration_id)


@verdicts.post(
    "/calibrations/{calibration_id}/reject",
    responses=changing(RejectCalibration, Fault.unknown_calibration, *BY_POST),
    summary="Reject a calibration",
)
async def reject_calibration(
    *,
    _: Admin,
    services: ServicesDep,
    changes: Posting,
    reading: Reading,
    calibration_id: CalibrationPath,
    body: RejectBody,
) -> CalibrationView:
    """It can't be accepted any more; what is required of the fund stays as it is."""
    row = await stored(reading, calibration_id)
    command = RejectCalibration(
        fund_id=row["fund_id"],
        asset=row["asset"],
        calibration_id=row["calibration_id"],
        proposed_at=row["proposed_at"],
        reason=body.reason,
    )
    await changes.apply(command, reference=body.reference or body.reason)
    return await _as_it_is(reading, services, calibration_id)


async def _as_it_is(
    reading: AsyncConnection, services: Services, calibration_id: str
) -> CalibrationView:
    """With what was just decided."""
    await reading.rollback()  # the snapshot was from before; the connection is kept (503 `busy`)
    return await calibration_of(reading, services, calibration_id)

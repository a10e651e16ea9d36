"""A calibration as readers see it: what its run found, and what has become of it since."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from app.api.schemas.calibrating import CalibrationItem
from app.api.schemas.calibrations import AsOf, CalibrationView
from app.jobs.calibrations import calibration_text, review_due_at, status_of
from app.store.queries import Row


def calibration_view(row: Row, now: datetime) -> CalibrationView:
    """All of it."""
    return CalibrationView(
        calibration_id=calibration_text(row["calibration_id"]), **_fate(row, now), **row["result"]
    )


def calibration_item(row: Row, now: datetime) -> CalibrationItem:
    """Its line in a list."""
    as_of = AsOf(sequence=row["as_of_sequence"], time=row["as_of_time"])
    return CalibrationItem.of(row, job_id=row["run_id"], as_of=as_of, **_fate(row, now))


def _fate(row: Row, now: datetime) -> dict[str, Any]:
    names = ("proposed_at", "decided_at", "decided_by", "reason")
    told = {name: row[name] for name in names}
    return {**told, "status": status_of(row, now), "review_due_at": review_due_at(row)}

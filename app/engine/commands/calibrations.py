"""Calibrations: what an admin says to one, and what follows from it by time (CAL-12).

A calibration is made elsewhere; here it is a number, with what it asks of a fund in an asset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done  # noqa: F401 - ruff looks into no string


VALID = timedelta(days=7)
"""How long after its proposal a calibration can be decided: by then the book is another one."""


@dataclass(frozen=True, slots=True)
class AcceptCalibration(CommandOf["Done"]):
    """A calibration's minimum is the fund's from now on (FND-7); it was proposed at that time."""

    fund_id: str
    asset: str
    calibration_id: int
    required_minimum: Decimal
    proposed_at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class RejectCalibration(CommandOf["Done"]):
    """A calibration that was proposed is not to be accepted any more."""

    fund_id: str
    asset: str
    calibration_id: int
    proposed_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class RemindOfReview(CommandOf["Done"]):
    """It is `time`: a fund's minimum is overdue for review. Nobody sends it."""

    fund_id: str
    asset: str
    time: datetime


@dataclass(frozen=True, slots=True)
class ReportDrift(CommandOf["Done"]):
    """The leader tells that a daily run proposes much more than is required of a fund."""

    fund_id: str
    asset: str
    calibration_id: int
    proposed_minimum: Decimal


@dataclass(frozen=True, slots=True)
class ReportBacktest(CommandOf["Done"]):
    """The leader tells that a fund has lost more on too many days than its calibrations said."""

    fund_id: str
    asset: str
    calibration_id: int
    days: int
    exceedances: int

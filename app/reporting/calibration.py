"""The report on a calibration, as a document."""

from __future__ import annotations

from urllib.parse import quote

from app.reporting import answer, distribution, evidence, record
from app.reporting.amounts import MoneyText, moment
from app.reporting.document import Drawing, Report
from app.reporting.words import Stored


def report(calibration: Stored, losses: Stored) -> Report:
    """All of a stored calibration and its losses, in words."""
    say = MoneyText.of(calibration)
    drawing = Drawing(
        distribution.drawn(calibration, losses, say),
        f"/v1/calibrations/{quote(calibration['calibration_id'])}/distribution.svg",
        distribution.description(calibration, say),
    )
    fund, asset = calibration["fund_id"], calibration["asset"]
    return Report(
        f"Insurance fund {fund}: required minimum in {asset}",
        [
            f"Calibration {calibration['calibration_id']}, {calibration['status']}",
            f"For the positions open on {moment(calibration['as_of']['time'])}",
            f"Method {calibration['method_version']}",
        ],
        [
            *answer.chapters(calibration, losses, say),
            *evidence.chapters(calibration, losses, drawing, say),
            *record.chapters(calibration, say),
        ],
    )

"""The first page of a report: what the fund must hold, why, and what that does not say."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from app.reporting import words
from app.reporting.amounts import MoneyText, level, moment, percent
from app.reporting.document import (
    Chapter,
    Column,
    Grid,
    KeyFigure,
    KeyFigures,
    Paragraph,
    ReportBlock,
)
from app.reporting.words import Stored


def chapters(calibration: Stored, losses: Stored, say: MoneyText) -> Iterator[Chapter]:
    """The answer with its warnings, the three candidates, and the plain statement."""
    yield Chapter("The answer", list(_answer(calibration, say)))
    yield Chapter(
        "Three losses, and the largest counts", list(_candidates(calibration, losses, say))
    )
    confidence = level(calibration["parameters"]["confidence"])
    yield Chapter(f"What {confidence} is not", [Paragraph(calibration["statement"])])


def _answer(calibration: Stored, say: MoneyText) -> Iterator[ReportBlock]:
    minimum, balance = calibration["required_minimum"], calibration["adl"]["balance"]
    binding = words.CANDIDATES[calibration["binding"]]
    yield KeyFigures(
        [
            KeyFigure("Required minimum", say(minimum), f"set by the {binding}, rounded up"),
            KeyFigure("The fund holds", say(balance), words.coverage(balance, minimum)),
            _in_force(calibration["in_force"], say),
            KeyFigure("Status", calibration["status"], words.STATUSES[calibration["status"]]),
        ]
    )
    yield Paragraph(
        f"The insurance fund {calibration['fund_id']} pays where a liquidated position has lost "
        "more than its trader put in. When it cannot, profitable positions on the other side are "
        "closed against their owners' will (auto-deleveraging, ADL). This report says how large "
        f"the fund should be for the positions open on {moment(calibration['as_of']['time'])}."
    )
    for code in calibration["warnings"]:
        yield words.warning(code)


def _in_force(in_force: Stored | None, say: MoneyText) -> KeyFigure:
    """What was in force when the run was made."""
    if in_force is None:
        return KeyFigure("In force before", "none", "the fund had no required minimum")
    by = in_force["calibration_id"]
    source = "set by hand" if by is None else f"by calibration {by}"
    change = in_force["change"]
    note = source if change is None else f"{source}; {percent(change, signed=True)} with this one"
    return KeyFigure("In force before", say(in_force["required_minimum"]), note)


def _candidates(calibration: Stored, losses: Stored, say: MoneyText) -> Iterator[ReportBlock]:
    parameters = calibration["parameters"]
    meanings = {
        "simulated": _simulated(parameters),
        "stressed": _stressed(calibration["stressed"]),
        "cover_n": (
            f"the {calibration['cover_n']['n']} largest owners fail together, and nothing of "
            "theirs is closed before the end of the move"
        ),
    }
    amounts = words.candidates(calibration, losses)
    yield Grid(
        "The candidates for the required minimum",
        [Column("Loss"), Column(say.asset, "number"), Column("What it is")],
        [
            (words.CANDIDATES[name].capitalize(), say.bare(amounts[name]), meaning)
            for name, meaning in meanings.items()
        ],
        marked=list(meanings).index(calibration["binding"]),
    )
    buffer = Decimal(parameters["buffer"])
    raised = f"raised by a buffer of {level(parameters['buffer'])} and " if buffer else ""
    yield Paragraph(f"The largest of them is {raised}rounded up to three digits.")


def _simulated(parameters: Stored) -> str:
    said = f"{level(parameters['confidence'])} of simulated {parameters['horizon_hours']}-hour"
    ending = "; the upper end of its draw band" if parameters["use"] == "upper" else ""
    return f"{said} periods cost less{ending}"


def _stressed(stressed: Stored) -> str:
    if stressed["worst"] is None:
        return "there are no scenarios"
    symbols = {one["scenario"]: one["symbol"] for one in stressed["scenarios"]}
    worst = words.scenario(stressed["worst"], symbols.get(stressed["worst"]))
    return f"the worst of {len(symbols)} scenarios: {worst}"

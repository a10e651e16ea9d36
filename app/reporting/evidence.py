"""What stands behind the figure: how the losses are spread, and how much hangs on what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from app.reporting import words
from app.reporting.amounts import NONE, MoneyText, level, odds, percent, plain
from app.reporting.document import Chapter, Column, Drawing, Grid, Paragraph, ReportBlock
from app.reporting.words import Stored

WORST = 5
"""Simulated periods that are told one by one."""


def chapters(
    calibration: Stored, losses: Stored, drawing: Drawing, say: MoneyText
) -> Iterator[Chapter]:
    """From the simulated losses to the assumptions."""
    yield Chapter("Simulated losses", list(_simulated(calibration, losses, drawing, say)))
    yield Chapter("Stressed scenarios", list(_stressed(calibration, say)))
    yield Chapter("Largest owners", [_owners(calibration["cover_n"], say)])
    yield Chapter("When the fund is not enough", list(_beyond(calibration, say)))
    sensitivity = list(_sensitivity(calibration["sensitivity"], say))
    yield Chapter("How much hangs on the assumptions", sensitivity)


def _simulated(
    calibration: Stored, losses: Stored, drawing: Drawing, say: MoneyText
) -> Iterator[ReportBlock]:
    found, parameters = calibration["simulated"], calibration["parameters"]
    history = "the least and the most when any eighth of the past is left out"
    other = "draws of the same past" if calibration["sample"]["steps"] > 1 else "such pasts"
    drawn = f"what other {other} could have given (95 %)"
    yield drawing
    rows = [
        (f"{level(parameters['confidence'])} quantile", found["quantile"], "the simulated loss"),
        ("Expected shortfall", found["expected_shortfall"], "the mean of losses from there on"),
        ("Draw band, from", found["draw_band"][0], drawn),
        ("Draw band, to", found["draw_band"][1], ""),
        ("History band, from", found["history_band"][0], history),
        ("History band, to", found["history_band"][1], ""),
        *_fitted(found["evt"], say),
    ]
    yield Grid(
        f"Losses in {parameters['horizon_hours']} hours",
        [Column("Figure"), Column(say.asset, "number"), Column("What it is")],
        [(name, say.bare(amount), meaning) for name, amount, meaning in rows],
    )
    yield Paragraph(
        "The draw band tells how much of the figure is chance, the history band how much of it "
        "hangs on a single stretch of the past. The second is the wider doubt, and no number of "
        "simulated periods makes it smaller."
    )
    yield _worst(losses["tail"][:WORST], calibration["sample"]["interval"], say)


def _fitted(tail: Stored | None, say: MoneyText) -> list[tuple[str, str | None, str]]:
    if tail is None:
        return []
    meaning = (
        f"a generalised Pareto tail fitted to the {tail['exceedances']} losses above "
        f"{say.bare(tail['threshold'])}: shape {plain(tail['xi'], 3)}, scale "
        f"{say.bare(tail['beta'])}"
    )
    return [
        ("Cross-check, quantile", tail["quantile"], meaning),
        ("Cross-check, shortfall", tail["expected_shortfall"], ""),
    ]


def _worst(tail: Sequence[Stored], interval: str, say: MoneyText) -> Grid:
    return Grid(
        "The worst simulated periods, and where in the past their moves are from",
        [Column("Rank"), Column(say.asset, "number"), Column("Most of it"), Column("From")],
        [
            (
                str(one["rank"]),
                say.bare(one["loss"]),
                ", ".join(part["symbol"] for part in (one["by_contract"] or [])[:3]),
                words.stretches(one["blocks"], interval),
            )
            for one in tail
        ],
    )


def _stressed(calibration: Stored, say: MoneyText) -> Iterator[ReportBlock]:
    stressed = calibration["stressed"]
    scenarios = sorted(stressed["scenarios"], key=lambda one: -Decimal(one["loss"]))
    yield Paragraph(
        "Crashes as they were measured, each as a path of 24 hours with its worst hour; the same "
        "upwards at half the size, which is what short positions fear; and each contract alone. "
        "The first amount counts. Beside it what it would be if positions were closed as late in "
        "the worst hour as in any other, and if that hour were a single jump: how far these lie "
        "apart is how much hangs on closing in time."
    )
    yield Grid(
        f"What each scenario would cost the fund, in {say.asset}",
        [
            Column("Scenario"),
            Column("Loss", "number"),
            Column("Closed late", "number"),
            Column("One jump", "number"),
            Column("Fund holds it", "number"),
        ],
        [
            (
                words.scenario(one["scenario"], one["symbol"]),
                say.bare(one["loss"]),
                say.bare(one["loss_with_gap"]),
                say.bare(one["loss_at_once"]),
                words.yes(one["covered"]),
            )
            for one in scenarios
        ],
        marked=0 if scenarios else None,
    )
    if stressed["disabled"]:
        yield Grid(
            "Scenarios that are left out",
            [Column("Scenario"), Column("Reason given")],
            [(one["scenario"], one["reason"]) for one in stressed["disabled"]],
        )


def _owners(covered: Stored, say: MoneyText) -> Paragraph:
    if covered["scenario"] is None:
        return Paragraph("There is no scenario in which owners could fail.")
    return Paragraph(
        f"If the {covered['n']} owners with the largest losses fail together in "
        f"{words.scenario(covered['scenario'])} and nothing of theirs can be closed before "
        f"its end, the fund loses {say(covered['loss'])}. The largest of them alone makes up "
        f"{percent(covered['largest_share'])} of that."
    )


def _beyond(calibration: Stored, say: MoneyText) -> Iterator[ReportBlock]:
    adl = calibration["adl"]
    hours = calibration["parameters"]["horizon_hours"]
    events = {
        "probability_at_balance": "The loss exceeds what the fund holds",
        "at_in_force": "The loss exceeds the minimum in force before",
        "at_minimum": "The loss exceeds this required minimum",
        "cap_binds": "More is bankrupt than the fund may take over",
    }
    yield Grid(
        f"Simulated {hours}-hour periods in which the fund is not enough",
        [
            Column("Event"),
            Column("Share", "number"),
            Column("That is", "number"),
            Column("Known by", "number"),
        ],
        [
            (event, percent(adl[name]), odds(adl[name]), _known_by(adl[name], adl["sampled"][name]))
            for name, event in events.items()
        ],
    )
    yield Paragraph(
        "The last row is easily forgotten: a fund may take over only so much for each unit it "
        "holds, so ADL can come while it has money. In all but the worst periods bankrupt "
        f"positions are worth at most {say(adl['bankrupt_notional_quantile'])}."
    )
    yield Paragraph(" ".join(_reversed(calibration["reverse_stress"])))


def _known_by(share: str | None, sampled: int | None) -> str:
    """Whether a share was counted, or guessed from some of those that are not surely out."""
    if share is None:
        return NONE
    return "counting" if sampled is None else f"a sample of {sampled:,}"


def _reversed(reverse: Stored) -> Iterator[str]:
    multiple, fall = reverse["multiple_of_worst"], reverse["uniform_hour"]
    if multiple is None:
        yield "Not even ten times the worst scenario takes all that the fund holds."
    else:
        large = plain(multiple, 2)
        yield f"What the fund holds is gone at {large} times the moves of the worst scenario."
    if fall is None:
        yield "No fall of all contracts within an hour does."
    else:
        yield f"It is gone, too, when all contracts move by {percent(fall)} within an hour."


def _sensitivity(sensitivity: Sequence[Stored], say: MoneyText) -> Iterator[ReportBlock]:
    yield Paragraph(
        "The simulated loss again, with one assumption changed at a time, beside what it is with "
        "none changed: both of the first simulated periods only. Where a row differs much, that "
        "assumption is what the committee decides on."
    )
    yield Grid(
        f"The simulated loss under other assumptions, in {say.asset}",
        [
            Column("Changed to"),
            Column("Loss", "number"),
            Column("Unchanged", "number"),
            Column("Difference", "number"),
            Column("Periods", "number"),
        ],
        [
            (
                words.change(one["change"]),
                say.bare(one["quantile"]),
                say.bare(one["unchanged"]),
                _against(one["quantile"], one["unchanged"]),
                f"{one['scenarios']:,}",
            )
            for one in sensitivity
        ],
    )


def _against(quantile: str, base: str) -> str:
    if not Decimal(base):
        return NONE
    return percent(str(Decimal(quantile) / Decimal(base) - 1), signed=True, places=1)

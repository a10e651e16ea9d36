"""The last pages of a report: what it was made of, who decided, and how to make it again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.reporting import words
from app.reporting.amounts import NONE, MoneyText, moment, percent, plain
from app.reporting.document import Chapter, Column, Grid, Paragraph, Points, Prompt, ReportBlock
from app.reporting.words import Stored


def chapters(calibration: Stored, say: MoneyText) -> Iterator[Chapter]:
    """Contracts, past, limits, decisions, and how to do it again."""
    yield Chapter("Contracts", list(_contracts(calibration["contracts"], say)))
    yield Chapter("The past", list(_past(calibration["sample"])))
    yield Chapter("What the model leaves out", [Points(words.LIMITS)])
    yield Chapter("Who decided", [_decisions(calibration)])
    yield Chapter("Do it again", list(_again(calibration)))


def _contracts(contracts: Sequence[Stored], say: MoneyText) -> Iterator[ReportBlock]:
    yield Grid(
        f"What stands behind the fund's contracts, in {say.asset}",
        [
            Column("Contract"),
            Column("Mark price", "number"),
            Column("Long", "number"),
            Column("Short", "number"),
            Column("The fund's own", "number"),
            Column("Share of loss", "number"),
        ],
        [
            (
                one["symbol"],
                plain(one["mark"]) + (" (old)" if one["mark_stale"] else ""),
                *map(say.bare, one["open_interest"]),
                say.bare(one["inventory"]),
                percent(one["share_of_loss"], places=1),
            )
            for one in contracts
        ],
    )
    yield Grid(
        "What their prices did, in one step",
        [
            Column("Contract"),
            Column("Moves", "number"),
            Column("0.1 % quantile", "number"),
            Column("99.9 % quantile", "number"),
            Column("Volatility now", "number"),
            Column("Long-run", "number"),
        ],
        [
            (
                one["symbol"],
                f"{one['rows']:,}",
                percent(one["q0.1%"]),
                percent(one["q99.9%"]),
                percent(one["volatility_now"]),
                percent(one["volatility_floor"]),
            )
            for one in contracts
        ],
    )
    yield Paragraph(
        "Quantiles are of plain returns, as anyone finds them in the prices. The simulation takes "
        "the larger of the two volatilities. The share of the loss is of the worst periods "
        "together; the fund's own is what funds hold of earlier takeovers, at mark."
    )


def _past(sample: Stored) -> Iterator[ReportBlock]:
    step = words.STEPS[sample["interval"]][1]
    yield Grid(
        "What the simulation knows of the past",
        [Column("Of it"), Column("There is", "number")],
        [
            ("First move ends", moment(sample["first"])),
            ("Last move ends", moment(sample["last"])),
            (f"Moves, of one {step} each", f"{sample['rows']:,}"),
            ("Moves of a simulated period", f"{sample['steps']:,}"),
            ("Independent periods in them", f"{sample['effective_rows']:,}"),
            ("Periods simulated", f"{sample['scenarios']:,}"),
            ("Seed", NONE if sample["seed"] is None else str(sample["seed"])),
        ],
    )
    if sample["steps"] == 1:
        yield Paragraph("A period is one step: each of the past is taken once, and none is drawn.")
    if sample["proxied"]:
        yield Grid(
            "Contracts that follow another one where they have no prices",
            [
                Column("Contract"),
                Column("Follows"),
                Column("Times", "number"),
                Column("Of the moves", "number"),
            ],
            [
                (
                    one["symbol"],
                    one["proxy"],
                    plain(one["multiplier"], 4),
                    percent(one["share"], places=0),
                )
                for one in sample["proxied"]
            ],
        )
    else:
        yield Paragraph("Every contract has prices of its own for all of it.")


def _decisions(calibration: Stored) -> ReportBlock:
    return Grid(
        "The life of this calibration",
        [Column("Step"), Column("When"), Column("By whom, or why")],
        [
            ("Proposed", _when(calibration, "proposed_at"), "a run"),
            ("Decided", _when(calibration, "decided_at"), calibration.get("decided_by") or NONE),
            ("Reason given", "", calibration.get("reason") or NONE),
            ("To be reviewed", _when(calibration, "review_due_at"), ""),
        ],
    )


def _when(calibration: Stored, name: str) -> str:
    return moment(calibration.get(name))


def _again(calibration: Stored) -> Iterator[ReportBlock]:
    yield Paragraph(
        "From what is stored each figure is made again to one part in a million, whatever the "
        "machine. With the service's database:"
    )
    yield Prompt(f"backstop calibrate --reproduce {calibration['calibration_id']}")
    as_of, hashes = calibration["as_of"], calibration["hashes"]
    yield Grid(
        "What it was made of",
        [Column("Input"), Column("Value", "code")],
        [
            ("Method", calibration["method_version"]),
            ("Command the book stood at", str(as_of["sequence"])),
            ("Time of it", moment(as_of["time"])),
            ("Book, SHA-256", hashes["book"]),
            ("Prices, SHA-256", hashes["prices"]),
            ("Stress scenarios, SHA-256", hashes["stress"]),
            ("Release", calibration["code_version"]),
            ("NumPy", calibration["numpy_version"]),
        ],
    )
    yield Grid(
        "Parameters",
        [Column("Parameter"), Column("Value", "number"), Column("What it is")],
        [
            (name, _value(value), words.PARAMETERS.get(name, ""))
            for name, value in calibration["parameters"].items()
        ],
    )


def _value(value: object) -> str:
    return words.yes(value) if isinstance(value, bool) else str(value)

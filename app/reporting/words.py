"""What the words of a calibration mean, for who has not read the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from app.reporting.amounts import moment, percent
from app.reporting.document import Notice

Stored = Mapping[str, Any]

STATUSES = {
    "proposed": "nothing changes before a person accepts it",
    "accepted": "this is the minimum in force",
    "superseded": "it was in force until a newer one was accepted",
    "rejected": "it never came into force",
    "expired": "nobody decided within seven days, and the positions have changed since",
}

ALONE = {"alone-down": "80 % down", "alone-up": "100 % up"}

STEPS = {"1h": (timedelta(hours=1), "hour"), "1d": (timedelta(days=1), "day")}

CANDIDATES = {
    "simulated": "simulated loss",
    "stressed": "stressed loss",
    "cover_n": "largest owners",
}

WARNINGS = {
    "sample_too_small": Notice(
        "The past is short",
        "It has fewer independent periods than a quantile this far out needs for an upper limit "
        "(3,688 for 99.9 %). However many periods are simulated, they know only these: read the "
        "history band, and the stressed scenarios beside it.",
    ),
    "daily_only": Notice(
        "Daily closes only",
        "The past has no hourly prices. A position that would have been closed on the way is "
        "taken to fall for the whole day, so the simulated loss is far above what hourly prices "
        "would give; and a fall that came back within the day is not seen at all.",
    ),
    "proxied": Notice(
        "Some prices are another contract's",
        "Contracts without a past of their own follow another one, move at least as much, and "
        "never against it. They are listed with the past.",
    ),
    "stale_marks": Notice(
        "Old prices",
        "Some mark prices were out of date when the positions were read. They are named with the "
        "contracts.",
    ),
    "scenarios_disabled": Notice(
        "Scenarios are left out",
        "Some stressed scenarios do not count here. They are listed with the reason given.",
    ),
    "no_upper_limit": Notice(
        "No upper limit",
        "The upper end of the draw band was to count, but the sample has none: the largest loss "
        "stands for it.",
    ),
    "tail_differs": Notice(
        "The cross-check disagrees",
        "A curve fitted to the largest losses gives a quantile that differs by more than a "
        "quarter. Neither is right: the tail is known badly.",
    ),
}

CHANGES = {
    "gap": "gap",
    "impact_factor": "impact",
    "filter": "volatility filter",
    "trigger": "closed only at",
}
"""What a sensitivity changes; what is not here has its own name."""

PARAMETERS = {
    "confidence": "share of simulated periods whose loss is to be covered",
    "horizon_hours": "length of a period, in hours",
    "interval": "one step: an hour or a day",
    "scenarios": "periods simulated",
    "seed": "where the draws begin",
    "mean_block_steps": "steps of the past that are kept together, on average",
    "filter": "ewma: past moves are scaled to the volatility of now; none: as they were",
    "decay_per_day": "how much of a day's volatility the next day keeps",
    "volatility_floor": "volatility is taken to be at least its long-run level",
    "lookback_days": "how far back the past goes, in days",
    "gap": "share of a step's move beyond the liquidation price before a position is out",
    "stress_gap": "the same in the worst hour of a stressed scenario",
    "impact_factor": "how much the positions' own closing moves the price they get; 0: not at all",
    "impact_cap": "the most that it moves it",
    "cover_n": "owners that fail together",
    "buffer": "what is added on top, as a share",
    "use": "point: the quantile itself; upper: the upper end of its draw band",
    "tail_count": "largest losses that the cross-check is fitted to",
}


def warning(code: str) -> Notice:
    """What a warning means; of one that has no words yet, its code."""
    return WARNINGS.get(code, Notice(code.replace("_", " ").capitalize(), ""))


def candidates(calibration: Stored, losses: Stored) -> dict[str, str]:
    """The losses of which the largest counts.

    Where the upper end of the draw band is to count and there is none, it is the largest loss.
    """
    simulated: str = calibration["simulated"]["quantile"]
    if calibration["parameters"]["use"] == "upper":
        largest = [one["loss"] for one in losses["tail"][:1]]
        simulated = calibration["simulated"]["draw_band"][1] or (largest or [simulated])[0]
    return {
        "simulated": simulated,
        "stressed": calibration["stressed"]["loss"],
        "cover_n": calibration["cover_n"]["loss"],
    }


def coverage(balance: str, minimum: str) -> str:
    """What a fund has, as a share of what it must have."""
    if not Decimal(minimum):
        return "nothing is required"
    return f"{percent(str(Decimal(balance) / Decimal(minimum)), places=1)} of the required minimum"


def scenario(name: str, symbol: str | None = None) -> str:
    """`2020-03-12-mirrored` as a reader says it; `symbol` is of one that moves alone."""
    if name in ALONE:
        return f"{symbol or 'one contract'} alone, {ALONE[name]} at once"
    day = name.removesuffix("-mirrored")
    return f"{day}, halved and upwards" if day != name else day


def stretches(blocks: Sequence[Stored], interval: str) -> str:
    """The pieces of the past that a simulated period is made of: their begin and length."""
    step, unit = STEPS[interval]
    return ", ".join(
        f"{moment(one['time'], before=step)} ({one['steps']} {unit}{'s' * (one['steps'] > 1)})"
        for one in blocks
    )


def yes(true: bool) -> str:
    """As a reader says it."""
    return "yes" if true else "no"


def change(changed: Stored) -> str:
    """The parameters that a sensitivity changes, with what they are changed to."""
    return ", ".join(f"{CHANGES.get(name, name)}: {value}" for name, value in changed.items())


LIMITS = (
    "Within the period nobody trades, adds margin or withdraws: positions are those named above.",
    "A position past its maintenance margin is closed whole in that step, never in parts.",
    "There is no order book within a step: the gap says how far beyond its price it is closed.",
    "Closing moves the price that is got, not what others see: no cascade but those of the past.",
    "Nothing is credited: no clearance fees, no gains on takeovers or inventory, no surplus.",
    "What never happened to these contracts, or those they follow, is in a scenario or nowhere.",
)

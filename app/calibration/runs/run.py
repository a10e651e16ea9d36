"""A calibration of all funds of a settlement asset: what each must hold, and why (CAL-1).

The three candidates for each fund's required minimum, the simulated loss, the stressed one and
Cover-N, with all that tells how much to believe them. A run is a pure function of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from app.calibration.losses.stress import Stress
from app.calibration.runs.contracts import Sources, sources
from app.calibration.runs.cover import Cover, cover
from app.calibration.runs.exceeding import (
    Frequency,
    Histogram,
    bankrupt_quantile,
    cap_binding,
    exceeding,
    histogram,
)
from app.calibration.runs.reverse import Reverse, reverse
from app.calibration.runs.search import Map, Search, Tasks
from app.calibration.runs.sensitivity import Changed, sensitivity
from app.calibration.runs.setup import InForce, Run, model, prepare
from app.calibration.runs.simulated import Simulated, simulated
from app.calibration.runs.stressed import Library, Stressed, stressed

__all__ = ["Calibration", "InForce", "Run", "calibrate", "money", "prepare"]

THREE_DIGITS = Context(prec=3, rounding=ROUND_CEILING)
UNIT = Decimal("0.00000001")
LEAST_EFFECTIVE_ROWS = 3688
"""Independent rows below which the 99.9 % quantile has no upper confidence limit."""
TAIL_DIFFERS = 0.25
"""A fitted tail that differs by more than this part of the quantile is warned of."""

Progress = Callable[[str, float], None]
"""Told which stage a run is at, and how much of all is done, from 0 to 1."""


class Adl(NamedTuple):
    """How often a fund would lose more than it has, or must hold: now, and if this is accepted.

    And how often more is bankrupt than it may take over (FND-2), and how much that is.
    """

    at_balance: Frequency
    at_in_force: Frequency | None
    at_minimum: Frequency
    cap_binds: Frequency
    bankrupt_notional: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a run says of one fund."""

    fund: int
    simulated: Simulated
    stressed: Stressed
    cover: Cover
    cover_scenario: str | None
    binding: str
    required_minimum: Decimal
    adl: Adl
    reverse: Reverse
    sources: Sources
    histogram: Histogram
    sensitivity: list[Changed]
    warnings: tuple[str, ...]


def money(amount: float) -> Decimal:
    """As it leaves for a report: eight decimals, half-even."""
    return Decimal(amount).quantize(UNIT, ROUND_HALF_EVEN)


def calibrate(run: Run, each: Map = map, progress: Progress | None = None) -> list[Calibration]:
    """All funds of the book's asset, in its order."""
    tell = progress or (lambda _stage, _share: None)
    funds = range(len(run.book.funds))
    tell("prepare", 0.0)
    ordinary, hour = model(run, run.parameters.gap), model(run, run.parameters.stress_gap)
    tell("bound", 0.1)
    search = Search(Tasks(ordinary, run.scenarios, len(funds)), each)
    losses = []
    for fund in funds:
        tell("refine", 0.4 + 0.4 * fund / len(funds))
        losses.append(simulated(run, search, fund))
    tell("stress", 0.8)
    both, library = Stress(ordinary, hour), Library.of(run)
    worst = stressed(run, both, library)
    backwards = reverse(run, both, library, worst)
    tell("cover", 0.9)
    covers = cover(run.book, library.logs[:, -1], ordinary.impacts, run.parameters.cover_n)
    minima = [_minimum(run, *found) for found in zip(losses, worst, covers, strict=True)]
    adl = [_adl(run, search, fund, minima[fund][1]) for fund in funds]
    places = [sources(run, search, fund, losses[fund], each) for fund in funds]
    tell("sensitivity", 0.92)
    changed = sensitivity(run, ordinary, each)
    return [
        Calibration(
            fund=fund,
            simulated=losses[fund],
            stressed=worst[fund],
            cover=covers[fund],
            cover_scenario=_named(library, covers[fund]),
            binding=minima[fund][0],
            required_minimum=minima[fund][1],
            adl=adl[fund],
            reverse=backwards[fund],
            sources=places[fund],
            histogram=histogram(search, fund),
            sensitivity=changed[fund],
            warnings=tuple(_warnings(run, fund, losses[fund])),
        )
        for fund in funds
    ]


def _minimum(run: Run, lost: Simulated, worst: Stressed, covered: Cover) -> tuple[str, Decimal]:
    """Which candidate is the largest, and what the fund must hold by it (CAL-1)."""
    candidates = {
        "simulated": lost.upper if run.parameters.use == "upper" else lost.quantile,
        "stressed": worst.loss,
        "cover_n": covered.loss,
    }
    binding = max(candidates, key=candidates.__getitem__)
    buffered = money(candidates[binding]) * (1 + run.parameters.buffer)
    return binding, THREE_DIGITS.plus(buffered)


def _named(library: Library, covered: Cover) -> str | None:
    return None if covered.scenario is None else library.names[covered.scenario]


def _adl(run: Run, search: Search, fund: int, minimum: Decimal) -> Adl:
    terms = run.book.funds[fund]
    in_force = run.in_force.get(terms.fund_id)
    return Adl(
        exceeding(search, fund, terms.balance),
        None if in_force is None else exceeding(search, fund, float(in_force.required_minimum)),
        exceeding(search, fund, float(minimum)),
        cap_binding(search, fund, terms),
        bankrupt_quantile(search, fund, run.parameters.level),
    )


def _warnings(run: Run, fund: int, lost: Simulated) -> Iterator[str]:
    """Codes of what a reader must know to believe the figures."""
    here = {number for number, one in enumerate(run.book.contracts) if one.fund == fund}
    if len(run.scenarios.returns) / run.steps < LEAST_EFFECTIVE_ROWS:
        yield "sample_too_small"
    if run.hours > 1:
        yield "daily_only"
    if any(one.contract in here for one in run.history.proxied):
        yield "proxied"
    if any(run.book.contracts[number].symbol in run.book.stale for number in here):
        yield "stale_marks"
    if run.disabled:
        yield "scenarios_disabled"
    if run.parameters.use == "upper" and lost.draw_band.high is None:
        yield "no_upper_limit"
    if lost.tail is not None:
        other = lost.tail.quantile(run.parameters.level)
        if abs(other - lost.quantile) > TAIL_DIFFERS * lost.quantile:
            yield "tail_differs"

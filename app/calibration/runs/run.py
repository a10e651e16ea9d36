"""A calibration of all funds of a settlement asset: what each must hold, and why (CAL-1).

The three candidates for each fund's required minimum, the simulated loss, the stressed one and
Cover-N, with all that tells how much to believe them. A run is a pure function of its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration import figures
from app.calibration.figures import Band, Floats, Tail
from app.calibration.inputs import history
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes, Past
from app.calibration.losses import stress
from app.calibration.losses.model import ContractModel, Model
from app.calibration.losses.stress import Stress
from app.calibration.paths import Scenarios
from app.calibration.runs.cover import Cover, cover
from app.calibration.runs.search import Map, Search
from app.catalogue.stress import LEADERS, Crash
from app.jobs.parameters import Parameters

THREE_DIGITS = Context(prec=3, rounding=ROUND_CEILING)
UNIT = Decimal("0.00000001")
LEAST_EFFECTIVE_ROWS = 3688
"""Independent rows below which the 99.9 % quantile has no upper confidence limit."""

Progress = Callable[[str, float], None]
"""Told which stage a run is at, and how much of all is done, from 0 to 1."""


class Simulated(NamedTuple):
    """The quantile of a fund's losses over the horizon, and how sure it is (CAL-8)."""

    quantile: float
    expected_shortfall: float
    draw_band: Band
    history_band: Band
    tail: Tail | None


class Stressed(NamedTuple):
    """The loss in each scenario of the library (CAL-9)."""

    losses: dict[str, float]

    @property
    def worst(self) -> str:
        """The scenario that costs most; of equals the first."""
        return max(self.losses, key=lambda name: self.losses[name])


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a run says of one fund."""

    fund: int
    simulated: Simulated
    stressed: Stressed
    cover: Cover
    cover_scenario: str
    binding: str
    required_minimum: Decimal
    warnings: tuple[str, ...]


class Run(NamedTuple):
    """A run's inputs, made ready."""

    book: PositionBook
    parameters: Parameters
    history: Past
    terms: Sequence[ContractModel]
    scenarios: Scenarios
    events: Sequence[Crash]
    hours: int


def money(amount: float) -> Decimal:
    """As it leaves for a report: eight decimals, half-even."""
    return Decimal(amount).quantize(UNIT, ROUND_HALF_EVEN)


def prepare(
    book: PositionBook, prices: Closes, parameters: Parameters, events: Sequence[Crash]
) -> Run:
    """Raises `history.InsufficientHistory`."""
    past = history.read(book, prices, parameters)
    drawn = history.scenarios(book, prices, past, parameters)
    return Run(
        book=book,
        parameters=parameters,
        history=past,
        terms=history.terms(book, prices, past),
        scenarios=drawn,
        events=events,
        hours=prices.hours,
    )


def model(run: Run, gap: Decimal) -> Model:
    """The book's model with a gap."""
    scopes, legs = run.book.scopes()
    return Model(
        run.terms,
        scopes,
        legs,
        inventory=run.book.held(),
        gap=float(gap),
        impact_factor=float(run.parameters.impact_factor),
        impact_cap=float(run.parameters.impact_cap),
    )


def calibrate(run: Run, each: Map = map, progress: Progress | None = None) -> list[Calibration]:
    """All funds of the book's asset, in its order."""
    tell = progress or (lambda _stage, _share: None)
    tell("prepare", 0.0)
    ordinary, hour = model(run, run.parameters.gap), model(run, run.parameters.stress_gap)
    tell("bound", 0.1)
    search = Search(ordinary, run.scenarios, len(run.book.funds), each)
    tell("refine", 0.4)
    simulated = []
    for fund in range(len(run.book.funds)):
        simulated.append(_simulated(run, search, fund))
        tell("refine", 0.4 + 0.4 * (fund + 1) / len(run.book.funds))
    tell("stress", 0.8)
    both = Stress(ordinary, hour)
    stressed, ends, names = _stressed(run, both)
    tell("cover", 0.9)
    covers = cover(run.book, ends, ordinary.impacts, run.parameters.cover_n)
    return [
        _result(run, fund, simulated[fund], stressed[fund], covers[fund], names)
        for fund in range(len(run.book.funds))
    ]


def _simulated(run: Run, search: Search, fund: int) -> Simulated:
    level, count = run.parameters.level, len(run.scenarios.rows)
    low, _ = figures.draw_ranks(count, level)
    tail_count = _tail_count(run)
    needed = max(count + 1 - (low or 1), tail_count + 1) if count > 1 else 1
    largest = search.largest(fund, needed)
    quantile = figures.linear_from_top(largest, count, level)
    return Simulated(
        quantile,
        float(largest[largest >= quantile].mean()),
        _draw_band(largest, count, level),
        _history_band(run, search, fund),
        figures.fit_tail(largest, tail_count, count),
    )


def _tail_count(run: Run) -> int:
    """How many of the largest losses a tail is fitted to: with one step a twentieth of them."""
    if run.scenarios.rows.shape[1] == 1:
        return len(run.scenarios.rows) // 20
    return run.parameters.tail_count


def _draw_band(largest: Floats, count: int, level: float) -> Band:
    low, high = (
        None if rank is None else float(largest[count - rank])
        for rank in figures.draw_ranks(count, level)
    )
    return Band(low, high)


def _history_band(run: Run, search: Search, fund: int) -> Band:
    """The quantile when each eighth of the history is left out."""
    rows, level = run.scenarios.rows, run.parameters.level
    part = figures.parts_of(len(run.scenarios.returns))
    found = []
    for one in range(figures.HISTORY_PARTS):
        kept: NDArray[np.bool_] = ~(part[rows] == one).any(axis=1)
        count = int(kept.sum())
        if count:
            needed = count - int(np.floor(level * (count - 1)))
            largest = search.largest(fund, needed, kept)
            found.append(figures.linear_from_top(largest, count, level))
    return Band(min(found), max(found)) if found else Band(None, None)


def _stressed(run: Run, both: Stress) -> tuple[list[Stressed], Floats, list[str]]:
    """The library's losses by fund; where places end in its crashes, and their names."""
    bases, signs = [one.base_asset for one in run.book.contracts], history.signs(run.book)
    names = [one.scenario_id for one in run.events]
    names += [f"{name}-mirrored" for name in names]
    logs = stress.price_moves(run.events, bases) * signs[:, None, None]
    funds = len(run.book.funds)
    by_fund = np.zeros((funds, logs.shape[2]))
    fund_of = np.array([one.fund for one in run.book.contracts])
    np.add.at(by_fund, fund_of, both.losses(logs))
    found = [dict(zip(names, map(float, row), strict=True)) for row in by_fund]
    for contract, terms in enumerate(run.book.contracts):
        if terms.base_asset in LEADERS:
            continue
        alone = np.zeros((funds, 2))
        np.add.at(alone, fund_of, both.alone(contract, signs=signs))
        for fund in range(funds):
            for move, loss in zip(("down", "up"), alone[fund], strict=True):
                if loss > found[fund].get(f"alone-{move}", (-1.0)):
                    found[fund][f"alone-{move}"] = float(loss)
    return [Stressed(one) for one in found], logs[:, -1], names


def _result(
    run: Run,
    fund: int,
    simulated: Simulated,
    stressed: Stressed,
    covered: Cover,
    names: Sequence[str],
) -> Calibration:
    upper = simulated.draw_band.high
    point = run.parameters.use == "point" or upper is None
    candidates = {
        "simulated": simulated.quantile if point else upper or 0.0,
        "stressed": stressed.losses[stressed.worst],
        "cover_n": covered.loss,
    }
    binding = max(candidates, key=lambda name: candidates[name])
    buffered = money(candidates[binding]) * (1 + run.parameters.buffer)
    return Calibration(
        fund=fund,
        simulated=simulated,
        stressed=stressed,
        cover=covered,
        cover_scenario=names[covered.scenario],
        binding=binding,
        required_minimum=THREE_DIGITS.plus(buffered),
        warnings=tuple(_warnings(run, simulated)),
    )


def _warnings(run: Run, simulated: Simulated) -> list[str]:
    found = []
    rows, steps = len(run.scenarios.returns), run.scenarios.rows.shape[1]
    if rows / steps < LEAST_EFFECTIVE_ROWS:
        found.append("sample_too_small")
    if run.hours > 1:
        found.append("daily_only")
    if run.history.proxied:
        found.append("proxied")
    tail = simulated.tail
    if tail is not None:
        other = tail.quantile(run.parameters.level)
        if abs(other - simulated.quantile) > 0.25 * simulated.quantile:
            found.append("tail_differs")
    return found

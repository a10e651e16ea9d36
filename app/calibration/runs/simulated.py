"""What a fund loses along the simulated paths, and how sure one can be of it (CAL-8)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration import figures
from app.calibration.figures import Band, Floats, Tail
from app.calibration.runs.search import Search
from app.calibration.runs.setup import Run


class Simulated(NamedTuple):
    """The quantile of a fund's losses over the horizon, and how sure it is.

    `worst` are the numbers of the scenarios with the `largest` losses, in falling order of these.
    """

    quantile: float
    expected_shortfall: float
    draw_band: Band
    history_band: Band
    tail: Tail | None
    largest: Floats
    worst: NDArray[np.int64]

    @property
    def upper(self) -> float:
        """The draw band's upper end; where the sample has none, the largest loss it has."""
        high = self.draw_band.high
        return float(self.largest[0]) if high is None else high


def simulated(run: Run, search: Search, fund: int) -> Simulated:
    """Of one fund, as if all scenarios had been worked out."""
    level, count = run.parameters.level, len(run.scenarios.rows)
    low, _ = figures.draw_ranks(count, level)
    tail_count = _tail_count(run)
    needed = max(count + 1 - (low or 1), tail_count + 1)
    largest = search.largest(fund, needed)
    quantile = figures.linear_from_top(largest, count, level)
    return Simulated(
        quantile=quantile,
        expected_shortfall=_expected_shortfall(largest, quantile, count),
        draw_band=_draw_band(largest, count, level),
        history_band=_history_band(run, search, fund),
        tail=figures.fit_tail(largest, tail_count, count),
        largest=largest,
        worst=search.worst(fund, len(largest)),
    )


def _tail_count(run: Run) -> int:
    """How many of the largest losses a tail is fitted to: with one step a twentieth of them."""
    if run.steps == 1:
        return len(run.scenarios.rows) // 20
    return run.parameters.tail_count


def _expected_shortfall(largest: Floats, quantile: float, count: int) -> float:
    """The mean of the losses that are not below the quantile.

    Where that is 0 all of them are not; then the few that are above 0 are among the largest.
    """
    beyond = largest[largest >= quantile]
    return float(beyond.sum()) / (len(beyond) if quantile else count)


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

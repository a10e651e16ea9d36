"""How much worse it must get before a fund is empty (CAL-13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats
from app.calibration.inputs import history
from app.calibration.losses import stress
from app.calibration.losses.stress import Stress
from app.calibration.runs.setup import Run
from app.calibration.runs.stressed import Library, Stressed, by_fund

SECTIONS = 10
PRECISION = 1e-4
MOST = 10.0
"""Times as large as the worst scenario, at most."""
DEEPEST = 0.9999
"""The deepest fall."""


class Reverse(NamedTuple):
    """Multiple of the worst scenario's log moves, and fraction that all prices lose in an hour.

    At the first of which the loss is what the fund has; None where no such one is.
    """

    multiple: float | None
    fall: float | None


def reverse(run: Run, both: Stress, library: Library, worst: list[Stressed]) -> list[Reverse]:
    """By fund."""
    return [
        Reverse(_multiple(run, both, library, one, fund), _fall(run, both, fund))
        for fund, one in enumerate(worst)
    ]


def _multiple(run: Run, both: Stress, library: Library, worst: Stressed, fund: int) -> float | None:
    if worst.worst is None:
        return None
    symbol = worst.scenarios[worst.worst].symbol
    path = library.of_scenario(run.book, worst.worst, symbol)[:, :, None]

    def losses(many: Floats) -> Floats:
        return np.asarray(by_fund(run.book, both.losses(path * many))[fund])

    return first_reaching(losses, run.book.funds[fund].balance, MOST)


def _fall(run: Run, both: Stress, fund: int) -> float | None:
    signs = history.signs(run.book)[:, None, None]

    def losses(fractions: Floats) -> Floats:
        found = stress.whole(both.step, signs * np.log1p(-fractions))
        return np.asarray(by_fund(run.book, found)[fund])

    return first_reaching(losses, run.book.funds[fund].balance, DEEPEST)


def first_reaching(losses: Callable[[Floats], Floats], target: float, most: float) -> float | None:
    """The least number up to `most` at which a loss reaches the target, to 1e-4.

    By sections, several at once: of a loss that rises and falls, the first that a section's end
    shows.
    """
    if target <= 0:
        return 0.0
    low, high = 0.0, most
    while high - low > PRECISION:
        ends = np.linspace(low, high, SECTIONS + 1)
        reached = np.flatnonzero(losses(ends[1:]) >= target)
        if not len(reached):
            return None
        low, high = float(ends[reached[0]]), float(ends[reached[0] + 1])
    return high

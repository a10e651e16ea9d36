"""How much worse it must get before a fund is empty (CAL-13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import elementwise

from app.calibration.figures import Floats, Ints
from app.calibration.inputs import history
from app.calibration.losses import stress
from app.calibration.losses.stress import Stress
from app.calibration.runs.setup import Run
from app.calibration.runs.stressed import Library, Stressed, by_fund
from app.catalogue.stress import STEPS

CLOSE: Any = {"xatol": 1e-4, "xrtol": 0.0, "fatol": 0.0, "frtol": 0.0}
"""How closely it is looked for."""
MULTIPLES = (1.0, 2.0, 4.0, 10.0)
FALLS = (0.1, 0.2, 0.35, 0.6, 0.9999)
"""Up to the first of these at which a fund is empty is looked for more closely."""

Losses = Callable[[Floats, Ints], Floats]
"""What funds lose at numbers: of each number a fund's."""


class Reverse(NamedTuple):
    """Multiple of the worst scenario's log moves, and fraction that all prices lose in an hour.

    At which the loss is what the fund has; None where no such one is.
    """

    multiple: float | None
    fall: float | None


def reverse(run: Run, both: Stress, library: Library, worst: list[Stressed]) -> list[Reverse]:
    """By fund."""
    moved = [_moves(run, library, one) for one in worst]
    signs = history.signs(run.book)[:, None, None]

    def enlarged(multiples: Floats, funds: Ints) -> Floats:
        found = np.zeros(len(funds))
        for steps in (1, STEPS):
            here = [n for n, fund in enumerate(funds) if moved[fund].shape[1] == steps]
            if here:
                logs = np.stack([moved[funds[n]] * multiples[n] for n in here], axis=2)
                found[here] = _own(by_fund(run.book, both.losses(logs)), funds[here])
        return found

    def fallen(fractions: Floats, funds: Ints) -> Floats:
        logs = signs * np.log1p(-fractions)
        return _own(by_fund(run.book, stress.whole(both.step, logs)), funds)

    balances = np.array([one.balance for one in run.book.funds])
    multiples = first_reaching(enlarged, balances, MULTIPLES)
    falls = first_reaching(fallen, balances, FALLS)
    return [Reverse(*pair) for pair in zip(multiples, falls, strict=True)]


def _moves(run: Run, library: Library, worst: Stressed) -> Floats:
    """Logs of a fund's worst scenario, (contracts, steps); none, where there is no scenario."""
    if worst.worst is None:
        return np.zeros((len(run.book.contracts), 1))
    return library.of_scenario(run.book, worst.worst, worst.scenarios[worst.worst].symbol)[..., 0]


def _own(found: Floats, funds: Ints) -> Floats:
    """Of (funds, scenarios), each scenario's loss of its fund."""
    return np.asarray(found[funds, np.arange(len(funds))])


def first_reaching(
    losses: Losses, targets: Floats, ladder: tuple[float, ...]
) -> list[float | None]:
    """For each fund a number at which its loss reaches the target, to 1e-4.

    Up to the first rung of the ladder at which it does. None: it does at none of them.
    """
    found: list[float | None] = [None if amount > 0 else 0.0 for amount in targets]
    low, high = np.zeros(len(targets)), np.zeros(len(targets))
    left = np.flatnonzero(targets > 0)
    for rung in ladder:
        if len(left):
            reached = losses(np.full(len(left), rung), left) >= targets[left]
            high[left[reached]] = rung
            left = left[~reached]
            low[left] = rung
    some = np.flatnonzero(high)
    if not len(some):
        return found

    def beyond(numbers: Floats, /, *which: Any) -> Floats:
        funds = which[0].astype(np.int64)
        return np.asarray(losses(numbers, funds) - targets[funds])

    roots = elementwise.find_root(beyond, (low[some], high[some]), args=(some,), tolerances=CLOSE)
    for one, root in zip(some, roots.x, strict=True):
        found[one] = float(np.nan_to_num(root))  # not a number: it is reached without any move
    return found

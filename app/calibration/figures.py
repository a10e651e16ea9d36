"""Quantiles of losses, and how sure one can be of them (CAL-8, CAL-14).

All that a committee may want to work out again by another tool: each figure names its definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import xlogy

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HISTORY_PARTS = 8
"""How many parts of the history are left out in turn."""
BAND = 0.95
"""The confidence of a band."""
SIZE = 0.05
"""How often a test may reject what is right."""


class Band(NamedTuple):
    """The two ends of a confidence interval; None where the sample has none."""

    low: float | None
    high: float | None


class Tail(NamedTuple):
    """A generalised Pareto distribution, fitted to the losses above a threshold."""

    threshold: float
    exceedances: int
    losses: int
    xi: float
    beta: float

    def quantile(self, level: float) -> float:
        """The loss that is exceeded with probability 1 - level."""
        beyond = self.losses / self.exceedances * (1 - level)
        if abs(self.xi) < 1e-12:
            return self.threshold - self.beta * float(np.log(beyond))
        return self.threshold + self.beta / self.xi * float(beyond**-self.xi - 1)

    def expected_shortfall(self, level: float) -> float | None:
        """The mean of the losses beyond that quantile; None where it is infinite."""
        if self.xi >= 1:
            return None
        quantile = self.quantile(level)
        return (quantile + self.beta - self.xi * self.threshold) / (1 - self.xi)


def quantile(losses: Floats, level: float) -> float:
    """The quantile with linear interpolation, NumPy's default definition (CAL-8)."""
    return float(np.quantile(losses, level, method="linear"))


def expected_shortfall(losses: Floats, level: float) -> float:
    """The mean of the losses that are not below the quantile."""
    return float(losses[losses >= quantile(losses, level)].mean())


def draw_ranks(count: int, level: float) -> tuple[int | None, int | None]:
    """Which of `count` losses, from the smallest, are the ends of the quantile's draw band.

    Exact, by the binomial distribution of how many lie below it; None: the sample has no such one.
    """
    tail = (1 - BAND) / 2
    low = int(stats.binom.ppf(tail, count, level))
    high = int(stats.binom.ppf(1 - tail, count, level)) + 1
    return low or None, high if high <= count else None


def draw_band(losses: Floats, level: float) -> Band:
    """How much the quantile hangs on the draws: two order statistics around it (CAL-8)."""
    ranks = draw_ranks(len(losses), level)
    ordered = np.sort(losses)
    low, high = (None if rank is None else float(ordered[rank - 1]) for rank in ranks)
    return Band(low, high)


def history_band(losses: Floats, touched: NDArray[np.bool_], level: float) -> Band:
    """How much it hangs on one period: the least and the most when any part is left out (CAL-8).

    `touched` says by scenario and part of the history whether the scenario has rows of that part.
    """
    found = [
        quantile(losses[~touched[:, part]], level)
        for part in range(touched.shape[1])
        if not touched[:, part].all()
    ]
    return Band(min(found), max(found)) if found else Band(None, None)


def places_of(key: Ints, count: int) -> list[Ints]:
    """Where each of the keys 0 to `count` - 1 stands in `key`, in order."""
    order = np.argsort(key, kind="stable")
    return np.split(order, np.searchsorted(key[order], np.arange(1, count)))[:count]


def parts_of(rows: int, parts: int = HISTORY_PARTS) -> NDArray[np.int64]:
    """The part of the history that each of its rows belongs to: consecutive, as even as can be."""
    sizes = [len(part) for part in np.array_split(np.arange(rows), parts)]
    return np.repeat(np.arange(parts), sizes)


def fit_tail(largest: Floats, count: int, losses: int) -> Tail | None:
    """A generalised Pareto distribution of the `count` largest of all `losses` over the next one.

    By maximum likelihood; `largest` are given in falling order. None where there are not as many,
    or they are all the same.
    """
    if not 1 < count < len(largest):
        return None
    threshold = float(largest[count])
    beyond = largest[:count] - threshold
    beyond = beyond[beyond > 0]
    if len(np.unique(beyond)) < 2:
        return None
    xi, _, beta = stats.genpareto.fit(beyond, floc=0)
    return Tail(threshold, len(beyond), losses, float(xi), float(beta))


# Backtests: are there as many exceedances as there should be? (CAL-14)


class Test(NamedTuple):
    """A likelihood ratio, and the probability of one as large or larger if all is well."""

    ratio: float
    p_value: float


def kupiec(days: int, exceedances: int, probability: float) -> Test:
    """Proportion of failures: are there as many exceedances as there should be (Kupiec 1995)?"""
    ratio = float(_proportion(days, np.array([exceedances]), probability)[0])
    return Test(ratio, float(stats.chi2.sf(ratio, 1)))


def _proportion(days: int, exceedances: Ints, probability: float) -> Floats:
    """Kupiec's ratio of each number of exceedances."""
    calm, share = days - exceedances, exceedances / days
    asked = xlogy(calm, 1 - probability) + xlogy(exceedances, probability)
    return np.asarray(-2 * (asked - xlogy(calm, 1 - share) - xlogy(exceedances, share)))


def independence(calm: int, begins: int, ends: int, goes_on: int) -> Test:
    """Do exceedances come alone (Christoffersen 1998)?

    The numbers of days without one after one without, with after without, without after with, and
    with after with.
    """
    after_calm, after_one = calm + begins, ends + goes_on
    share = (begins + goes_on) / max(1, after_calm + after_one)
    new = begins / after_calm if after_calm else 0.0
    again = goes_on / after_one if after_one else 0.0
    ratio = -2 * (
        xlogy(calm + ends, 1 - share)
        + xlogy(begins + goes_on, share)
        - xlogy(calm, 1 - new)
        - xlogy(begins, new)
        - xlogy(ends, 1 - again)
        - xlogy(goes_on, again)
    )
    return Test(float(ratio), float(stats.chi2.sf(ratio, 1)))


def coverage(first: Test, second: Test) -> Test:
    """Both at once: conditional coverage (Christoffersen 1998)."""
    ratio = first.ratio + second.ratio
    return Test(ratio, float(stats.chi2.sf(ratio, 2)))


def not_rejected(days: int, probability: float, size: float = SIZE) -> tuple[int, int]:
    """The least and the most exceedances that Kupiec's test of that size lets pass."""
    ratios = _proportion(days, np.arange(days + 1), probability)
    kept = np.flatnonzero(stats.chi2.sf(ratios, 1) >= size)
    return int(kept[0]), int(kept[-1])


def power(days: int, probability: float, true_probability: float, size: float = SIZE) -> float:
    """How probably Kupiec's test of that size finds out that the true probability is another."""
    least, most = not_rejected(days, probability, size)
    below = stats.binom.cdf(least - 1, days, true_probability)
    return float(below + stats.binom.sf(most, days, true_probability))


def linear(ordered: Sequence[float], level: float) -> float:
    """The linear quantile of losses in rising order."""
    place = level * (len(ordered) - 1)
    low = floor(place)
    lower, upper = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    return lower + (place - low) * (upper - lower)


def linear_from_top(largest: Floats, count: int, level: float) -> float:
    """The linear quantile of `count` losses from the largest of them, in falling order."""
    place = level * (count - 1)
    low = floor(place)
    lower, upper = largest[count - 1 - low], largest[max(0, count - 2 - low)]
    return float(lower + (place - low) * (upper - lower))

"""Quantiles of losses, and how sure one can be of them (CAL-8, CAL-14).

All that a committee may want to work out again by another tool: each figure names its definition.
"""

from __future__ import annotations

from math import floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HISTORY_PARTS = 8
"""How many parts of the history are left out in turn."""
BAND = 0.95
"""The confidence of a band."""


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
    calm = days - exceedances
    share = exceedances / days
    ratio = -2 * (
        _log(calm, 1 - probability)
        + _log(exceedances, probability)
        - _log(calm, 1 - share)
        - _log(exceedances, share)
    )
    return Test(ratio, float(stats.chi2.sf(ratio, 1)))


def independence(calm: int, begins: int, ends: int, goes_on: int) -> Test:
    """Do exceedances come alone (Christoffersen 1998)?

    The numbers of days without one after one without, with after without, without after with, and
    with after with.
    """
    after_calm, after_one = calm + begins, ends + goes_on
    share = (begins + goes_on) / (after_calm + after_one)
    new = begins / after_calm if after_calm else 0.0
    again = goes_on / after_one if after_one else 0.0
    ratio = -2 * (
        _log(calm + ends, 1 - share)
        + _log(begins + goes_on, share)
        - _log(calm, 1 - new)
        - _log(begins, new)
        - _log(ends, 1 - again)
        - _log(goes_on, again)
    )
    return Test(ratio, float(stats.chi2.sf(ratio, 1)))


def coverage(first: Test, second: Test) -> Test:
    """Both at once: conditional coverage (Christoffersen 1998)."""
    ratio = first.ratio + second.ratio
    return Test(ratio, float(stats.chi2.sf(ratio, 2)))


def power(days: int, probability: float, true_probability: float, size: float = 0.05) -> float:
    """How probably Kupiec's test of that size finds out that the true probability is another."""
    rejected = [n for n in range(days + 1) if kupiec(days, n, probability).p_value < size]
    return float(np.sum(stats.binom.pmf(rejected, days, true_probability)))


def light(days: int, exceedances: int, probability: float) -> str:
    """Green, yellow or red, by the probability of at most so many (BCBS 1996)."""
    cumulative = float(stats.binom.cdf(exceedances, days, probability))
    return "green" if cumulative < 0.95 else "yellow" if cumulative < 0.9999 else "red"


def _log(count: int, share: float) -> float:
    """count x log(share), where 0 x log 0 is 0."""
    return count * float(np.log(share)) if count else 0.0


def linear_from_top(largest: Floats, count: int, level: float) -> float:
    """The linear quantile of `count` losses from the largest of them, in falling order."""
    place = level * (count - 1)
    low = floor(place)
    lower, upper = largest[count - 1 - low], largest[max(0, count - 2 - low)]
    return float(lower + (place - low) * (upper - lower))

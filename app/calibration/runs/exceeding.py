"""How a fund's losses are spread, and how often it would not have enough (CAL-13)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration import figures
from app.calibration.figures import Floats, Ints
from app.calibration.inputs.book import FundTerms
from app.calibration.runs.search import EXACT, Search

MOST = 200
"""Scenarios that are worked out for one frequency, at most."""
BINS = 100


class Histogram(NamedTuple):
    """Numbers of scenarios between `edges` of losses: 100 bins of one width from 0 to the largest.

    `known` are those whose loss was worked out; of the others, which cannot matter to the quantile,
    it is a `bound` that the loss is at most.
    """

    edges: Floats
    known: Ints
    bound: Ints


class Frequency(NamedTuple):
    """The part of all scenarios in which something is so.

    Counted; or where too many are open, known of those whose loss is, and of so many `sampled` ones
    that stand for all the others.
    """

    value: float
    sampled: int | None


def exceeding(search: Search, fund: int, amount: float) -> Frequency:
    """How often the fund loses more: open are scenarios whose bound, but not whose loss, is known
    to be above the amount."""
    still = np.flatnonzero((search.stage < EXACT) & (search.bounds[fund] > amount))
    return _frequency(search, fund, still, lambda: search.losses[fund] > amount)


def cap_binding(search: Search, fund: int, terms: FundTerms) -> Frequency:
    """How often more is bankrupt than the fund may take over after its loss (FND-2)."""
    still = np.flatnonzero((search.stage < EXACT) & (search.bounds[fund] > 0))

    def binds() -> NDArray[np.bool_]:
        left = terms.balance - search.losses[fund]
        return np.asarray(search.bankrupt[fund] > terms.max_net_notional_ratio * left)

    return _frequency(search, fund, still, binds)


def _frequency(
    search: Search, fund: int, still: Ints, holds: Callable[[], NDArray[np.bool_]]
) -> Frequency:
    """Of those `still` open, as many as may be, evenly spread by their bounds, stand for all.

    What is asked holds mostly where the bound is large: so spread, few tell as much as many that
    chance would take.
    """
    known = np.flatnonzero(search.stage == EXACT)
    count = min(MOST, len(still))
    ordered = still[np.argsort(-search.bounds[fund, still], kind="stable")]
    some = ordered[((np.arange(count) + 0.5) * len(still) / max(count, 1)).astype(np.int64)]
    search.work_out(some)
    found = holds()
    hits = found[known].sum() + found[some].sum() * len(still) / max(count, 1)
    return Frequency(float(hits / len(found)), count if count < len(still) else None)


def bankrupt_quantile(search: Search, fund: int, level: float) -> float:
    """Of what is worth at mark that the fund loses by: no less than that.

    As if nothing were bankrupt in scenarios that were not worked out, which are those with the
    smallest bounds of losses.
    """
    known = np.sort(search.bankrupt[fund, search.stage == EXACT])[::-1]
    return figures.linear_from_top(known, len(search.stage), level)


def histogram(search: Search, fund: int) -> Histogram:
    """Of a fund's losses, as far as they are known."""
    known, bounds = search.stage == EXACT, search.bounds[fund]
    edges = np.linspace(0.0, float(bounds.max()) or 1.0, BINS + 1)
    inside = np.maximum(bounds, 0.0)
    exact, above = (np.histogram(inside[some], edges)[0] for some in (known, ~known))
    return Histogram(edges, exact.astype(np.int64), above.astype(np.int64))

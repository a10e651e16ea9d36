"""How a fund's losses are histogram, and how often it would not have enough (CAL-13)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats, Ints
from app.calibration.runs.search import EXACT, Search

MOST = 500
"""Scenarios that are worked out for one share, at most."""


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
    """Of the first so many scenarios: drawn ones are alike, so any first ones are a sample."""

    value: float
    scenarios: int


def exceeding(search: Search, fund: int, amount: float) -> Frequency:
    """In how many scenarios the fund loses more.

    Of all of them, where few are left whose bound is above the amount and whose loss is not known;
    else of those before the first that is too many.
    """
    open_ones = np.flatnonzero((search.stage < EXACT) & (search.bounds[fund] > amount))
    count = len(search.stage) if len(open_ones) <= MOST else int(open_ones[MOST])
    search.work_out(open_ones[:MOST])
    more = int((search.losses[fund, :count] > amount).sum())
    return Frequency(more / count, count)


def histogram(search: Search, fund: int) -> Histogram:
    """Of a fund's losses, as far as they are known."""
    known, bounds = search.stage == EXACT, search.bounds[fund]
    edges = np.linspace(0.0, float(bounds.max()) or 1.0, BINS + 1)
    inside = np.maximum(bounds, 0.0)
    exact, above = (np.histogram(inside[some], edges)[0] for some in (known, ~known))
    return Histogram(edges, exact.astype(np.int64), above.astype(np.int64))

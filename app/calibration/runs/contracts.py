"""What a fund's contracts were like, and which of them its losses come from (CAL-13)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats
from app.calibration.runs.search import Map, Search
from app.calibration.runs.setup import Run
from app.calibration.runs.simulated import Simulated

TOLD, LARGEST = 20, 50
"""Of how many losses it is told by contract, at least; and for how many it is worked out."""
PARTS = 5
"""Tasks that this is divided into."""


class Returns(NamedTuple):
    """A contract's own simple returns of a step: how many, and their extreme quantiles."""

    rows: int
    low: float | None
    high: float | None


class Sources(NamedTuple):
    """Where a fund's largest losses come from, by contract and scenario, in falling order."""

    scenarios: NDArray[np.int64]
    by_contract: Floats

    def shares(self) -> Floats:
        """Each contract's part of all of them."""
        total = self.by_contract.sum()
        part = self.by_contract.sum(axis=1)
        return np.asarray(part / total if total else part)


def sources(run: Run, search: Search, fund: int, lost: Simulated, each: Map = map) -> Sources:
    """Of the losses that are not below the quantile, or of the largest of these."""
    beyond = int((lost.largest >= lost.quantile).sum())
    some = lost.worst[: min(max(beyond, TOLD), LARGEST)]
    here = np.array([one.fund == fund for one in run.book.contracts], dtype=bool)
    parts = list(each(search.tasks.by_contract, np.array_split(some, PARTS)))
    return Sources(some, np.concatenate(parts, axis=1) * here[:, None])


def returns(run: Run) -> list[Returns]:
    """Plain ones, as anybody finds them in the prices: 0.1 % and 99.9 %, linear (CAL-8)."""
    return list(_returns(run.prices.closes[:, : len(run.book.contracts)]))


def _returns(closes: Floats) -> Iterator[Returns]:
    for own in closes.T:
        found = own[1:] / own[:-1] - 1
        found = found[~np.isnan(found)]
        if len(found):
            low, high = np.quantile(found, (0.001, 0.999), method="linear")
            yield Returns(len(found), float(low), float(high))
        else:
            yield Returns(0, None, None)


def open_interest(run: Run) -> Floats:
    """At mark: (contracts, 2), long and short."""
    values, short = np.abs(run.book.values()), run.book.quantity < 0
    side = 2 * run.book.contract + short
    return np.asarray(
        np.bincount(side, values, 2 * len(run.book.contracts)).reshape(-1, 2), np.float64
    )

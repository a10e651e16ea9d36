"""A contract's index from several sources (MRK-3): who counts just now, and what it comes to.

fresh       the sources whose newest price is at most 10 s old
the median  of their prices, by weight
weight now  that of a fresh source whose price is at most 5 % away from the median; of others 0
the index   the median of those that have weight; without any there is none
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from app.engine.contracts import Contract
from app.engine.marks import FRESH, SourcePrice
from app.engine.numbers import HALF, ONE, ZERO, ratio

DEVIATION = Decimal("0.05")
"""How far it may be from the median."""


class Weighed(NamedTuple):
    """A source as it counts at some moment; what it has not said, or is alone with, is None.

    `deviation` is how far its price is from the median of the fresh ones, as a fraction of that.
    """

    source: str
    price: SourcePrice | None
    age: timedelta | None
    deviation: Decimal | None
    weight: Decimal


def weigh(contract: Contract, prices: Mapping[str, SourcePrice], now: datetime) -> list[Weighed]:
    """Every source of the contract's index as it counts now."""
    known = [(source, prices.get(source.name)) for source in contract.index_sources]
    fresh = [(p.price, s.weight) for s, p in known if p is not None and now - p.as_of <= FRESH]
    middle = _median(fresh) if fresh else None
    found = []
    for source, price in known:
        age = deviation = None
        weight = ZERO
        if price is not None:
            age = now - price.as_of
            if middle is not None:
                deviation = ratio(price.price, middle) - ONE
                close = abs(price.price - middle) <= DEVIATION * middle
                weight = source.weight if close and age <= FRESH else ZERO
        found.append(Weighed(source.name, price, age, deviation, weight))
    return found


def index_of(weighed: list[Weighed]) -> Decimal | None:
    """The index, or None where no source has weight."""
    counted = [(one.price.price, one.weight) for one in weighed if one.price and one.weight]
    return _median(counted) if counted else None


def _median(weighted: list[tuple[Decimal, Decimal]]) -> Decimal:
    """The weighted median of (price, weight): half of all weight is on either side of it.

    Where a range of prices has that, as with two of the same weight, its middle.
    """
    ordered = sorted(weighted)
    total = sum(weight for _, weight in ordered)
    reached = [2 * part for part in accumulate(weight for _, weight in ordered)]
    low = next(place for place, part in enumerate(reached) if part >= total)
    high = next(place for place, part in enumerate(reached) if part > total)
    return (ordered[low][0] + ordered[high][0]) * HALF

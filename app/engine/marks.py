"""Prices of a contract as they are kept (part of the `state`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(slots=True, eq=False)
class Mark:
    """The newest mark price of a contract (MRK-1); `time` is when it was accepted.

    `awaited`: it stems from before a halt, and counts as stale until the next tick (MRK-4).
    `index_price` came with it; where the index has sources, it is the newest of theirs (MRK-3).
    """

    symbol: str
    price: Decimal
    time: datetime
    index_price: Decimal | None = None
    source_time: datetime | None = None
    sequence: int | None = None
    awaited: bool = False


FRESH = timedelta(seconds=10)
"""How old a source's price may be."""


@dataclass(slots=True, eq=False)
class SourcePrice:
    """The newest price of a source of a contract's index (MRK-3).

    It is as old as engine time is after `as_of`: when it was accepted, less the age it had then by
    its own `source_time`.
    """

    symbol: str
    source: str
    price: Decimal
    as_of: datetime
    source_time: datetime | None = None

    @property
    def stale_at(self) -> datetime:
        """From when on it is too old to count."""
        return self.as_of + FRESH + timedelta.resolution


@dataclass(slots=True, eq=False)
class MidSample:
    """How far the middle of a contract's book was above its index (MRK-3).

    It takes the place of an older one: there are so many places, and no more samples.
    """

    symbol: str
    place: int
    time: datetime
    basis: Decimal

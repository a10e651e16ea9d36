"""Prices of a contract as they are kept (part of the `state`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(slots=True, eq=False)
class Mark:
    """The newest mark price of a contract (MRK-1); `time` is when it was accepted.

    `awaited`: it stems from before a halt, and counts as stale until the next tick (MRK-4).
    """

    symbol: str
    price: Decimal
    time: datetime
    index_price: Decimal | None = None
    source_time: datetime | None = None
    sequence: int | None = None
    awaited: bool = False

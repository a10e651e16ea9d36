"""Ticks, and the clock that they are judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import ClockCause, CommandOf
from app.engine.contracts import LEFT_OUT

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, Ticked  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class Tick(CommandOf["Ticked"]):
    """A new mark price (MRK-1); with the source's own time and sequence where it has them.

    With `sequence_reset` the source starts its numbering anew: it need not be newer than the last.
    A `funding_rate` is for the next funding time, as `SetFundingRate` gives it (FPY-1).
    """

    symbol: str
    mark_price: Decimal
    index_price: Decimal | None = None
    source_time: datetime | None = None
    sequence: int | None = None
    sequence_reset: bool = False
    funding_rate: Decimal | None = field(default=None, metadata=LEFT_OUT)


@dataclass(frozen=True, slots=True)
class IndexTick(CommandOf["Done | Ticked"]):
    """What a source of a contract's index says (MRK-3), with its own time where it has it.

    Where that derives a mark, it is a tick.
    """

    symbol: str
    source: str
    price: Decimal
    source_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class LoseIndex(CommandOf["Done"]):
    """No source of a contract's index has a fresh price any more (MRK-3). Nobody sends it."""

    symbol: str


Price = Tick | IndexTick
"""What waits for its asset's cascade, and can begin one (MRK-2)."""


@dataclass(frozen=True, slots=True)
class ReportClock(CommandOf["Done"]):
    """Engine time is `ahead_seconds` ahead of the system's clock (MRK-6); negative: behind.

    `jump`: that was set. `start`: a leader found it so, as with a log from the future. `drift`: the
    difference became another one, as it fades.
    """

    cause: ClockCause
    ahead_seconds: Decimal

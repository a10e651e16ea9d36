"""Positions in some order, as the state holds them: derived. ADL queues (ADL-1, ADL-5) are made by
`ranking` alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

from app.engine.commands import PositionSide
from app.engine.events import QueueEntry
from app.engine.numbers import Quotient
from app.engine.policies import AdlPolicy

if TYPE_CHECKING:  # the state holds queues, and queues hold what it has
    from app.engine.traders import Position

Leg = tuple[str, PositionSide]
"""A position within its contract: account and side."""


class Ordering:
    """Legs put in order some at a time, for all at once would be two seconds of a million.

    Those up to `after` are left out. They stay as they are meanwhile.
    """

    __slots__ = ("_after", "_left", "_merged", "_runs")

    def __init__(self, legs: Iterable[Leg], after: tuple[str, str] = ("", "")) -> None:
        self._left = iter(legs)
        self._after = after
        self._runs: list[list[Leg]] = []
        self._merged: Iterator[Leg] | None = None

    def go_on(self, most: int) -> bool:
        """Put some more in order; whether all of them are."""
        if self._merged is None:
            some = list(islice(self._left, most))
            self._runs.append(sorted(leg for leg in some if leg > self._after))
            if len(some) == most:
                return False
            self._merged = merge(*self._runs)
        return True

    def pop(self) -> Leg | None:
        """The next one, once all are in order."""
        assert self._merged is not None, self
        return next(self._merged, None)


RankingEntry = tuple[Decimal, Quotient, str, PositionSide]
"""(-score to 34 digits, -score exactly, account, side): in the order of ADL-1."""


@dataclass(slots=True, eq=False)
class Block:
    """Some successive places of a queue; `room` is the most that one of them has, `size` how much
    they hold together, where known."""

    entries: list[RankingEntry]
    room: Decimal | None = None
    version: int = 0
    size: Decimal | None = None


@dataclass(slots=True, eq=False)
class Ranking:
    """The ADL queue of one side of a contract, sorted, in blocks; `places` finds an entry.

    It is of one `policy`. `shown` are entries as records keep them, made when first kept. A `large`
    one was made in steps until `made_at`, and is `pinned` until the liquidation that awaited it is
    done; `unranked` are positions still to be ranked. `rooms` are the losses on one lot up to which
    counterparties could bear it, of those that bore nothing; a `version` each time that all of them
    are void.
    """

    policy: AdlPolicy = "current"
    blocks: list[Block] = field(default_factory=list)
    places: dict[Leg, RankingEntry] = field(default_factory=dict)
    shown: dict[Leg, QueueEntry] = field(default_factory=dict)
    large: bool = False
    made_at: datetime | None = None
    pinned: bool = False
    unranked: list[Position] = field(default_factory=list)
    rooms: dict[Leg, Decimal] = field(default_factory=dict)
    version: int = 0

"""ADL queues as the state holds them (ADL-1, ADL-5): derived, and made by `ranking` alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import PositionSide
from app.engine.events import QueueEntry
from app.engine.numbers import Quotient

if TYPE_CHECKING:  # the state holds queues, and queues hold what it has
    from app.engine.traders import Position

Leg = tuple[str, PositionSide]
"""A position within its contract: account and side."""

RankingEntry = tuple[Decimal, Quotient, str, PositionSide]
"""(-score to 34 digits, -score exactly, account, side): in the order of ADL-1."""


@dataclass(slots=True, eq=False)
class Block:
    """Some successive places of a queue; `room` is the most that one of them has, where known."""

    entries: list[RankingEntry]
    room: Decimal | None = None
    version: int = 0


@dataclass(slots=True, eq=False)
class Ranking:
    """The ADL queue of one side of a contract, sorted, in blocks; `places` finds an entry.

    `shown` are entries as records keep them, made when first kept. A `large` one was made in steps
    until `made_at`, and is `pinned` until the liquidation that awaited it is done; `unranked` are
    positions still to be ranked. `rooms` are the losses on one lot up to which counterparties could
    bear it, of those that bore nothing; a `version` each time that all of them are void.
    """

    blocks: list[Block] = field(default_factory=list)
    places: dict[Leg, RankingEntry] = field(default_factory=dict)
    shown: dict[Leg, QueueEntry] = field(default_factory=dict)
    large: bool = False
    made_at: datetime | None = None
    pinned: bool = False
    unranked: list[Position] = field(default_factory=list)
    rooms: dict[Leg, Decimal] = field(default_factory=dict)
    version: int = 0

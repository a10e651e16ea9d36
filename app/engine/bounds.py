"""How much one command does at most (LIQ-10, ADL-5), so that a cascade has parts.

They are rules, not options: a log gives the same state only with its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Those of a version of the rules; whoever changes one raises `Engine.rules_version`."""

    finds: int = 100
    """Scopes looked at in one part of a cascade."""
    liquidations: int = 20
    """Scopes liquidated in one part."""
    closed: int = 500
    """Counterparties of one ADL event; what is left of the position goes on in the next part."""
    shares: int = 100
    """Parts into which one event divides a position among more counterparties than that (ADL-1)."""
    payers: int = 200
    """Positions whose funding one part settles (FPY-1)."""
    ordered: int = 5_000
    """Positions that one part puts in order before the first is settled (FPY-1)."""
    placements: int = 20
    """Triggered orders that one part places (TRG-2)."""
    closes: int = 100
    """Positions and orders that one part closes at their contract's delivery (DLV-1)."""
    ranks: int = 1_000
    """Positions of either side that one part ranks for an ADL queue."""
    large: int = 2_000
    """With more opposite positions than this a queue is made in parts and kept for a while."""
    kept: timedelta = timedelta(seconds=10)
    """How long a large queue is used."""

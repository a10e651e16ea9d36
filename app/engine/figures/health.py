"""Would a scope survive? Its health, now and as it would be (LIQ-1).

Who asks differs in who pays, and what for: a position that is liquidated in part, the counterparty
of an ADL. An order's own account and its makers' ask at each of many fills, of which `standing`
keeps count.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from app.engine.figures.exposure import maintenance_margin
from app.engine.markets import Market
from app.engine.traders import Position


class Health(NamedTuple):
    """A scope's equity (for a cross account less the margin of open isolated orders) and margin.

    `positions` says how many it has open.
    """

    equity: Decimal
    maintenance_margin: Decimal
    positions: int

    @property
    def slack(self) -> Decimal:
        """What it can lose before it is at risk."""
        return self.equity - self.maintenance_margin

    @property
    def at_risk(self) -> bool:
        """LIQ-1: strictly less."""
        return self.equity < self.maintenance_margin


def health_after(
    now: Health, market: Market, position: Position, rest: Decimal, gained: Decimal
) -> Health:
    """A scope's health with only the signed `rest` left of one of its positions.

    `gained` is what its equity grows by on the way. All at the marks of now.
    """
    others = now.maintenance_margin - maintenance_margin(market, position)
    kept = others + market.maintenance_margin(rest)
    return Health(now.equity + gained, kept, now.positions)

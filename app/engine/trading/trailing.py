"""Trailing stops follow a price to its best (TRG-1).

Those that have had the same best price are one trail, whose row alone a better price changes. What
trails it overtakes become one, the smaller ones the largest's: so an order changes trails seldom,
however often its price gets better. A price that beats none costs one comparison for each side.
"""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

from app.engine.commands import Side, TriggerBy
from app.engine.figures import watching
from app.engine.markets import Market
from app.engine.step import Step
from app.engine.traders import Trail


def moved(step: Step, market: Market, by: TriggerBy, price: Decimal) -> None:
    """A new price: the trails whose best it beats have had it as their best from now on."""
    watch = market.watches.get(by)
    if watch is None or not watch.followed:
        return
    for side in get_args(Side):
        trails = watching.beaten(market, by, side, price)
        if not trails:
            continue
        largest = max(trails, key=_size)
        for trail in trails:
            if trail is not largest:
                step.merge_trail(trail, largest)
        step.set_best(largest, price)
        watching.put(market, largest)


def _size(trail: Trail) -> tuple[int, int]:
    """The larger one, or the older."""
    return trail.orders, -trail.trail_id

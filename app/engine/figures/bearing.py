"""How much of something a scope can bear, where that is a question of how much (ADL-2)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from app.engine.numbers import ZERO


def most_borne(
    bears: Callable[[Decimal], bool], size: Decimal, lot: Decimal, *, at_risk: bool
) -> Decimal:
    """The largest lot-rounded part, at most `size`, that somebody `bears` who bears one lot.

    Health is concave in the quantity: from a healthy start there is one turn, found by halving. Who
    is at risk bears all of it, where that heals, or nothing.
    """
    if bears(size):
        return size
    low, high = 1, int(size / lot)
    if at_risk:
        return ZERO
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bears(middle * lot) else (low, middle)
    return low * lot

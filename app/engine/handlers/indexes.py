"""Index prices: whoever needs a contract's is told here of each (MRK-3, FPY-1, DLV-1).

It comes with a tick, or from sources of its own.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from app.engine.cascades import rates
from app.engine.markets import Delivery, Market
from app.engine.step import Step

WINDOW = timedelta(minutes=30)
"""How long before its delivery time the index of a contract counts (DLV-1)."""


def observe(step: Step, market: Market, price: Decimal) -> None:
    """The contract's index price is known anew, at `step.now`; one of a tick after its mark is set.

    Nothing of it may be at risk or liquidated for this: that is a mark's business.
    """
    assert price > 0, (step.now, market.contract.symbol, price)
    rates.observe(step, market, price)
    step.tell_index_price(market.contract.symbol, price)
    if market.delivery is not None:
        _sample(step, market, market.delivery, price)


def _sample(step: Step, market: Market, delivery: Delivery, price: Decimal) -> None:
    """Of each second of the half hour before delivery, the first price counts (DLV-1)."""
    at, last = market.contract.delivery_at, delivery.sampled_at
    assert at is not None, delivery
    if not at - WINDOW <= step.now < at:
        return
    if last is None or last.replace(microsecond=0) < step.now.replace(microsecond=0):
        step.add_sample(delivery, price)

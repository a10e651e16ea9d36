"""Index prices: what a contract's is known anew for.

It comes with a tick, or from sources of its own; whoever needs index prices is told of each here.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine import rates
from app.engine.markets import Market
from app.engine.step import Step


def observe(step: Step, market: Market, price: Decimal) -> None:
    """The contract's index price is known anew, at `step.now`; one of a tick after its mark is set.

    Nothing of it may be at risk or liquidated for this: that is a mark's business.
    """
    assert price > 0, (step.now, market.contract.symbol, price)
    rates.observe(step, market, price)
    step.tell_index_price(market.contract.symbol, price)

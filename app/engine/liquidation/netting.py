"""Netting the legs of a liquidated account in hedge mode (LIQ-2).

LONG and SHORT of a contract that stand before one equity are closed against each other at mark,
without fee: what one loses the other gains, so equity stays and only maintenance margin falls.
Nobody else takes part, neither book nor fund. What it heals is done; of the rest, one leg is left.
"""

from __future__ import annotations

from app.engine.figures import margin
from app.engine.liquidation.work import Work


def net_legs(work: Work) -> None:
    """Close the position in hand against its account's other leg, as far as both go."""
    position, other = work.position, margin.beside(work.account, work.position)
    if other is None:
        return
    assert work.market.mark is not None
    size = min(abs(position.quantity), abs(other.quantity))
    mine = work.record()
    work.take(work.market, other)
    its = work.record()  # of both before either is closed: they tell what triggered it
    legs = (other, its), (position, mine)
    for leg, record in legs:
        work.take(work.market, leg)
        quantity = size if leg.quantity > 0 else -size
        profit = work.close(quantity, work.market.worth(quantity), record)
        record.netted_quantity += size
        price = work.market.mark.price
        work.tell(record, "netting", quantity=size, price=price, realized_profit=profit)
    for leg, record in legs:
        if leg.quantity:  # its orders are for what is left of it
            work.take(work.market, leg)
            value, contract = work.bankruptcy_value(), work.market.contract
            record.bankruptcy_price = contract.price_of(value, leg.quantity)

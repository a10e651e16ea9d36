"""Untriggered orders whose price is there are fired: they wait for their turn to be placed (TRG-2).

A trade fires at once what its price triggers, for the next trade's price is another. What a mark
triggers is fired by the asset's cascade, in parts: until that ends, no mark of the asset moves.
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heapify, heappush

from app.engine.commands import TriggerBy
from app.engine.figures import watching
from app.engine.markets import Market
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading import trailing


def traded(step: Step, market: Market, price: Decimal) -> None:
    """A trade at this price: the orders that wait for `last`."""
    trailing.moved(step, market, "last", price)
    while watching.any_crossed(market, "last", price):
        _fire(step, market, watching.crossed(market, "last", price), price)


def marked(step: Step, market: Market, most: int) -> int:
    """Some orders that the mark triggers, no more than so many; returns how many, or none."""
    assert market.mark is not None, market.contract.symbol
    found = watching.crossed(market, "mark", market.mark.price, most)
    _fire(step, market, found, market.mark.price)
    return len(found)


def _fire(step: Step, market: Market, numbers: list[int], price: Decimal) -> None:
    state = step.state
    for number in numbers:
        order = state.untriggered[number]
        if order.callback_rate is not None and order.trail is None:
            step.follow(order, price)
            continue
        step.fire(order)
        heap = state.to_place.setdefault(market.contract.settlement_asset, [])
        heappush(heap, number)


def price_of(market: Market, by: TriggerBy) -> Decimal:
    """The price that orders wait for, as it is now; before the first trade the mark is the last."""
    assert market.mark is not None, market.contract.symbol
    if by == "last" and market.last_price is not None:
        return market.last_price
    return market.mark.price


def begin_again(state: State) -> None:
    """Who waits to be placed follows from the orders that are fired."""
    state.to_place.clear()
    for number, order in state.untriggered.items():
        if order.fired:
            asset = state.markets[order.symbol].contract.settlement_asset
            state.to_place.setdefault(asset, []).append(number)
    for heap in state.to_place.values():
        heapify(heap)


def counts(state: State, market: Market) -> bool:
    """Whether the mark triggers orders: those of a halted contract wait for a tick after the halt.

    So does all of an asset that is left alone (REC-2), until its release.
    """
    contract, mark = market.contract, market.mark
    if mark is None or mark.awaited or contract.status == "halted":
        return False
    return contract.settlement_asset not in state.stalled


def is_there(state: State, market: Market) -> bool:
    """Whether the mark that there is triggers any order."""
    if not market.watches or not counts(state, market):
        return False
    assert market.mark is not None, market.contract.symbol
    return watching.any_crossed(market, "mark", market.mark.price)

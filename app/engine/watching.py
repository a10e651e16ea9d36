"""Which orders wait for a contract's prices, sorted by trigger price (TRG-1).

Derived from the untriggered orders, as a book is from the open ones: a contract without any has no
`PriceWatch`, and whether a price triggers one is seen from the two that are next.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

from app.engine.commands import TriggerBy
from app.engine.markets import Market, PriceWatch
from app.engine.traders import TriggeredOrder

Waiter = tuple[Decimal, int]


def insert(market: Market, order: TriggeredOrder) -> None:
    """Have an order wait for its price."""
    watch = market.watches.get(order.trigger_by)
    if watch is None:
        watch = market.watches[order.trigger_by] = PriceWatch()
    insort(_entries(watch, order), _entry(order))


def remove(market: Market, order: TriggeredOrder) -> None:
    """It waits no longer."""
    watch = market.watches[order.trigger_by]
    entries, entry = _entries(watch, order), _entry(order)
    index = bisect_left(entries, entry)
    assert entries[index] == entry, order
    del entries[index]
    if not (watch.falling or watch.rising):
        del market.watches[order.trigger_by]


def any_crossed(market: Market, by: TriggerBy, price: Decimal) -> bool:
    """Whether a price triggers any order."""
    watch = market.watches.get(by)
    if watch is None:
        return False
    falling, rising = watch.falling, watch.rising
    return bool((falling and falling[-1][0] >= price) or (rising and rising[-1][0] >= -price))


def crossed(market: Market, by: TriggerBy, price: Decimal, most: int | None = None) -> list[int]:
    """The numbers of the orders that a price triggers, no more than so many."""
    watch = market.watches.get(by)
    if watch is None:
        return []
    found: list[int] = []
    for entries, bound in ((watch.falling, price), (watch.rising, -price)):
        first = bisect_left(entries, (bound, 0))
        if most is not None:
            first = max(first, len(entries) - most)
        found += [number for _, number in entries[first:]]
    return found[:most]


def _entries(watch: PriceWatch, order: TriggeredOrder) -> list[Waiter]:
    return watch.rising if order.rising else watch.falling


def _entry(order: TriggeredOrder) -> Waiter:
    price = order.trigger_price
    return -price if order.rising else price, order.order_id

"""Which orders wait for a contract's prices, sorted by trigger price (TRG-1).

Derived from the untriggered orders, as a book is from the open ones: a contract without any has no
`PriceWatch`, and whether a price triggers one is seen from the two that are next. Trailing stops
that have had the same best price are a trail, of which the one that triggers first stands for all.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Decimal

from app.engine.commands import Side, TriggerBy
from app.engine.markets import Market, PriceWatch
from app.engine.numbers import ONE
from app.engine.traders import Trail, TriggeredOrder

Waiter = tuple[Decimal, int]


def insert(market: Market, order: TriggeredOrder) -> None:
    """Have an order wait for its price."""
    insort(_entries(_watch(market, order.trigger_by), order), _entry(order))


def remove(market: Market, order: TriggeredOrder) -> None:
    """It waits no longer."""
    _remove(_entries(market.watches[order.trigger_by], order), _entry(order))
    _tidy(market, order.trigger_by)


def any_crossed(market: Market, by: TriggerBy, price: Decimal) -> bool:
    """Whether a price triggers any order."""
    watch = market.watches.get(by)
    if watch is None:
        return False
    falling, rising = watch.falling, watch.rising
    return bool((falling and falling[-1][0] >= price) or (rising and rising[-1][0] >= -price))


def crossed(market: Market, by: TriggerBy, price: Decimal, most: int | None = None) -> list[int]:
    """The numbers of the orders that a price triggers, no more than so many; of a trail, one."""
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


# Trails


def beats(side: Side, price: Decimal, best: Decimal) -> bool:
    """Whether a price is better for trailing stops of a side than their best: they would sell from
    higher up, or buy from further down."""
    return price > best if side == "sell" else price < best


def beaten(market: Market, by: TriggerBy, side: Side, price: Decimal) -> list[Trail]:
    """Take out the trails whose best price this one beats; if any, also the one that had it."""
    trails = market.watches[by].followed.get(side, [])
    found: list[Trail] = []
    while trails and (beats(side, price, trails[-1].best) or (found and trails[-1].best == price)):
        found.append(trails.pop())
        _unhead(market.watches[by], found[-1])
    return found


def at(market: Market, by: TriggerBy, side: Side, price: Decimal) -> Trail | None:
    """The trail whose best price this is."""
    watch = market.watches.get(by)
    trails = watch.followed.get(side, []) if watch else []
    index = bisect_left(trails, _rank(side, price), key=_place)
    return trails[index] if index < len(trails) and trails[index].best == price else None


def put(market: Market, trail: Trail) -> None:
    """Watch for a trail again that was taken out."""
    watch = market.watches[trail.trigger_by]
    insort(watch.followed[trail.side], trail, key=_place)
    insort(*_head(watch, trail))


def join(market: Market, trail: Trail, order: TriggeredOrder) -> None:
    """Have an order follow with a trail, which begins with its first."""
    watch = _watch(market, trail.trigger_by)
    if trail.waiting:
        _unhead(watch, trail)
    else:
        insort(watch.followed.setdefault(trail.side, []), trail, key=_place)
    insort(trail.waiting, _follower(order))
    insort(*_head(watch, trail))


def leave(market: Market, trail: Trail, order: TriggeredOrder) -> None:
    """It follows no longer; with the last one the trail ends."""
    watch = market.watches[trail.trigger_by]
    _unhead(watch, trail)
    _remove(trail.waiting, _follower(order))
    if trail.waiting:
        insort(*_head(watch, trail))
        return
    trails = watch.followed[trail.side]
    del trails[bisect_left(trails, _place(trail), key=_place)]
    _tidy(market, trail.trigger_by)


def merge(trail: Trail, into: Trail) -> None:
    """The orders of a trail are another's; neither is watched just now."""
    for one in trail.waiting:
        insort(into.waiting, one)
    trail.waiting.clear()


def _follower(order: TriggeredOrder) -> Waiter:
    """An order's place in its trail."""
    assert order.callback_rate is not None, order
    return order.callback_rate, order.order_id


def _head(watch: PriceWatch, trail: Trail) -> tuple[list[Waiter], Waiter]:
    """Where a trail's first order stands, and as what."""
    rate, number = trail.waiting[0]
    if trail.side == "sell":
        return watch.falling, (trail.best * (ONE - rate), number)
    return watch.rising, (-trail.best * (ONE + rate), number)


def _unhead(watch: PriceWatch, trail: Trail) -> None:
    _remove(*_head(watch, trail))


def _place(trail: Trail) -> Decimal:
    return _rank(trail.side, trail.best)


def _rank(side: Side, best: Decimal) -> Decimal:
    """Sort key of trails: the best that is beaten last stands first."""
    return -best if side == "sell" else best


# Both


def _watch(market: Market, by: TriggerBy) -> PriceWatch:
    watch = market.watches.get(by)
    if watch is None:
        watch = market.watches[by] = PriceWatch()
    return watch


def _tidy(market: Market, by: TriggerBy) -> None:
    watch = market.watches[by]
    if not (watch.falling or watch.rising):
        del market.watches[by]


def _remove(entries: list[Waiter], entry: Waiter) -> None:
    index = bisect_left(entries, entry)
    assert entries[index] == entry, entry
    del entries[index]


def _entries(watch: PriceWatch, order: TriggeredOrder) -> list[Waiter]:
    return watch.rising if order.rising else watch.falling


def _entry(order: TriggeredOrder) -> Waiter:
    price = order.trigger_price
    assert price is not None, order
    return -price if order.rising else price, order.order_id

"""The order book of a contract: price-time priority (ORD-2); what open orders are worth (ORD-4)."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator
from decimal import Decimal

from app.engine.commands import Side
from app.engine.contracts import Contract
from app.engine.markets import BookSide, Market
from app.engine.traders import Order, Position


def side_of(market: Market, side: Side) -> BookSide:
    """The resting orders of a side."""
    return market.bids if side == "buy" else market.asks


def opposite(side: Side) -> Side:
    """The other side."""
    return "sell" if side == "buy" else "buy"


def rank(side: Side, price: Decimal) -> Decimal:
    """Sort key of a level: the best level has the largest, so that it stands last."""
    return price if side == "buy" else -price


def insert(market: Market, order: Order) -> None:
    """Rest an order behind all others at its price."""
    assert order.price is not None
    book = side_of(market, order.side)
    level = book.levels.get(order.price)
    if level is None:
        level = book.levels[order.price] = OrderedDict()
        insort(book.prices, order.price, key=lambda price: rank(order.side, price))
    level[order.order_id] = order


def remove(market: Market, order: Order) -> None:
    """Take a resting order out of the book."""
    assert order.price is not None
    book = side_of(market, order.side)
    level = book.levels[order.price]
    del level[order.order_id]
    if not level:
        del book.levels[order.price]
        key = rank(order.side, order.price)
        index = bisect_left(book.prices, key, key=lambda price: rank(order.side, price))
        assert book.prices[index] == order.price
        del book.prices[index]


def crosses(side: Side, limit: Decimal | None, price: Decimal) -> bool:
    """Whether an incoming order of `side` with `limit` (None: any price) trades at `price`."""
    return limit is None or (price <= limit if side == "buy" else price >= limit)


def best_first(market: Market, side: Side) -> Iterator[Order]:
    """The resting orders of a side, best price first, oldest first; do not change it meanwhile."""
    book = side_of(market, side)
    for price in reversed(book.prices):
        yield from book.levels[price].values()


def reserve(contract: Contract, position: Position, order: Order, quantity: Decimal) -> None:
    """Count so much of an order into what its position's increasing ones are worth (ORD-4)."""
    assert order.price is not None
    value = contract.unrounded_value(quantity, order.price)
    if order.side == "buy":
        position.bid_value += value
        position.bid_quantity += quantity
    else:
        position.ask_value += value
        position.ask_quantity += quantity

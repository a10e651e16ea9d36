"""Derived marks (MRK-3): the median of three prices, none of which moves it alone.

    price 1     index x (1 + last funding rate x time to funding / interval)
    price 2     index + the average of (mid - index) over the contract's window
    last trade  of two orders: those of liquidations move no mark (MRK-4)

What is missing cannot move it either: without a funding rate price 1 is the index, without a sample
of the book price 2 is, and before the first trade price 1 stands in for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.markets import Market
from app.engine.marks import MidSample
from app.engine.numbers import HALF, ZERO, divide_finely, round_price

SAMPLES = 150
"""Places for samples of the book's middle: one is taken once in so many parts of the window."""
MICROSECOND = timedelta(microseconds=1)


def sample(market: Market, index: Decimal, now: datetime) -> MidSample | None:
    """How far the middle of the book is above the index, if that is to be kept again.

    None where a side of the book is empty, too.
    """
    last = next(reversed(market.mids.values()), None)
    if last is not None and now - last.time < _window(market) / SAMPLES:
        return None
    bids, asks = market.bids.prices, market.asks.prices
    if not bids or not asks:
        return None
    place = (last.place + 1) % SAMPLES if last is not None else 0
    basis = (bids[-1] + asks[-1]) * HALF - index
    return MidSample(market.contract.symbol, place=place, time=now, basis=basis)


def mark_price(market: Market, index: Decimal, new: MidSample | None, now: datetime) -> Decimal:
    """The mark that follows from the index now, with a sample that is not kept yet, if any.

    Rounded as prices that are worked out are (NUM-1): the tick of a cheap coin is too coarse.
    """
    first = _with_funding(market, index, now)
    second = index + _average_basis(market, new, now)
    last = market.agreed_price if market.agreed_price is not None else first
    mark = round_price(sorted((first, second, last))[1], market.contract.tick_size)
    return mark or index  # so small that it is no price


def _with_funding(market: Market, index: Decimal, now: datetime) -> Decimal:
    """Price 1: what will be paid at the next funding is in the price, less as that comes closer."""
    funding, hours = market.funding, market.contract.funding_interval_hours
    if funding is None or funding.next_at is None or hours is None:
        return index
    rate = funding.rate if funding.rate is not None else funding.settled_rate
    interval = timedelta(hours=hours) // MICROSECOND
    left = max(0, (funding.next_at - now) // MICROSECOND)
    return divide_finely(index * (interval + rate * left), Decimal(interval))


def _average_basis(market: Market, new: MidSample | None, now: datetime) -> Decimal:
    """The mean of the samples within the window, each counted once; 0 without any."""
    since = now - _window(market)
    found = [new.basis] if new is not None else []
    for one in reversed(market.mids.values()):
        if one.time <= since:
            break
        found.append(one.basis)
    return divide_finely(sum(found, ZERO), Decimal(len(found))) if found else ZERO


def _window(market: Market) -> timedelta:
    return timedelta(seconds=market.contract.mid_window_seconds)

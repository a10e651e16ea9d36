"""Market makers: deep pockets that quote around the price and thin out when it moves quickly."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.engine.commands import Side
from app.engine.contracts import Contract
from app.engine.numbers import ceil_to, floor_to
from app.replay.inputs import Quote
from app.replay.terms import amount, enough, lots, order, room

CAPITAL = Decimal(1_000_000_000)
"""Of each maker, in each settlement asset."""

LOOK_BACK_MS = 60_000
CALM = 0.003
"""How far a price goes in a minute before the makers take fright: depth halves at this speed."""
FARTHEST = 0.04
"""No level is farther from the price than this, whatever the fright."""


@dataclass(frozen=True, slots=True)
class Style:
    """How one maker quotes: (distance from the price, share of the depth) of its levels.

    Quotes are renewed when the price has moved by `patience` since.
    """

    name: str
    levels: tuple[tuple[float, float], ...]
    patience: float


STYLES = (
    Style("near", ((0.0005, 1.2),), 0.002),
    Style("wide", ((0.002, 1.5), (0.004, 2.0)), 0.004),
    Style("deep", ((0.012, 6.0),), 0.012),
)


@dataclass(slots=True)
class QuotedMarket:
    """What the replay knows of a contract's market; `depth` is a notional (CON-2)."""

    contract: Contract
    depth: Decimal
    price: Decimal
    path: deque[tuple[int, Decimal]] = field(default_factory=deque)
    quoted: dict[str, Decimal] = field(default_factory=dict)
    quote: Quote | None = None
    hit: bool = False

    def move(self, time: int, price: Decimal) -> None:
        """The price is now `price`."""
        self.price = price
        self.path.append((time, price))
        while self.path[0][0] < time - LOOK_BACK_MS:
            self.path.popleft()

    @property
    def speed(self) -> float:
        """Highest to lowest price of the last minute, as a fraction."""
        prices = [price for _, price in self.path]
        return math.log(max(prices) / min(prices)) if prices else 0.0

    def is_due(self, style: Style) -> bool:
        """Whether this maker must renew its quotes."""
        if style.name not in self.quoted:
            return True
        if style is STYLES[0] and (self.hit or self.quote):
            return True
        return abs(math.log(self.price / self.quoted[style.name])) >= style.patience


def maker_accounts(prefix: str) -> dict[str, str]:
    """Style name to account id."""
    return {style.name: f"{prefix}-maker-{style.name}" for style in STYLES}


def leverage(contract: Contract, notional: Decimal) -> int:
    """The highest leverage up to 5 at which a maker may hold `notional`, else 1."""
    return next((n for n in (5, 4, 3, 2) if room(contract, n) >= notional), 1)


def quotes(market: QuotedMarket, style: Style, account_id: str) -> list[dict[str, Any]]:
    """A maker's orders on both sides: thinner and wider the quicker the price moves."""
    market.quoted[style.name] = market.price
    if style is STYLES[0]:
        market.hit = False
    if market.quote is not None and style is STYLES[0]:
        return _recorded(market.contract, market.quote, account_id)
    fright = market.speed / CALM
    shrink, widen = 1 / (1 + fright), 1 + min(fright, 3)
    orders = []
    for distance, share in style.levels:
        notional = market.depth * amount(share * shrink)
        orders += _pair(market, account_id, amount(min(distance * widen, FARTHEST)), notional)
    return orders


def opening(
    market: QuotedMarket, wanted: dict[Side, Decimal], accounts: Iterable[str]
) -> list[dict[str, Any]]:
    """The book that the traders' first orders meet: all they want, close to the price."""
    makers = list(accounts)
    orders = []
    for side, notional in wanted.items():
        for account_id in makers:
            part = notional * Decimal("1.2") / len(makers)
            orders += _level(market, account_id, side, Decimal("0.0002"), part)
    return orders


def _pair(
    market: QuotedMarket, account_id: str, distance: Decimal, notional: Decimal
) -> list[dict[str, Any]]:
    bid = _level(market, account_id, "sell", distance, notional)
    return bid + _level(market, account_id, "buy", distance, notional)


def _level(
    market: QuotedMarket, account_id: str, taker_side: Side, distance: Decimal, notional: Decimal
) -> list[dict[str, Any]]:
    """An order that a taker of `taker_side` can hit, `distance` away from the price."""
    contract = market.contract
    quantity = lots(contract, notional, market.price)
    if quantity == 0:
        return []
    if taker_side == "buy":
        price = ceil_to(market.price * (1 + distance), contract.tick_size)
        return [order(account_id, contract.symbol, "sell", quantity, price)]
    price = floor_to(market.price * (1 - distance), contract.tick_size)
    return [order(account_id, contract.symbol, "buy", quantity, price)] if price > 0 else []


def _recorded(contract: Contract, quote: Quote, account_id: str) -> list[dict[str, Any]]:
    """The recorded best bid and ask, put on the contract's grid; what is too small is left out."""
    orders = []
    sides: tuple[tuple[Side, Decimal, Decimal], ...] = (
        ("buy", floor_to(quote.bid, contract.tick_size), quote.bid_quantity),
        ("sell", ceil_to(quote.ask, contract.tick_size), quote.ask_quantity),
    )
    for side, price, quantity in sides:
        fitted = floor_to(quantity, contract.lot_size)
        if price > 0 and enough(contract, fitted, price):
            orders.append(order(account_id, contract.symbol, side, fitted, price))
    return orders

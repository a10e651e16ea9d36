"""Indexes and derived marks worked out naively, from what was said and traded (MRK-3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction

from app.engine.commands.prices import IndexTick, LoseIndex
from app.engine.events import Trade
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.outcome import Outcome
from app.engine.state import State

SECOND = timedelta(seconds=1)
Said = tuple[Fraction, datetime]
"""A price, and when it was new."""


@dataclass
class Marks:
    """`books` are the middles of the books before the command that is looked at."""

    said: dict[str, dict[str, Said]] = field(default_factory=dict)
    samples: dict[str, list[tuple[datetime, Fraction]]] = field(default_factory=dict)
    agreed: dict[str, Fraction] = field(default_factory=dict)
    books: dict[str, Fraction] = field(default_factory=dict)

    def observe(self, outcome: Outcome, state: State) -> None:
        """Compare the mark and the index price that an accepted command has left."""
        if isinstance(outcome.command, IndexTick):
            self._take(outcome.command, outcome.time, state.markets[outcome.command.symbol])
        if isinstance(outcome.command, LoseIndex):
            said = self.said[outcome.command.symbol].values()
            assert all(outcome.time - since > 10 * SECOND for _, since in said), said
        for trade in outcome.of(Trade):
            if trade.taker_order_id is not None:
                self.agreed[trade.symbol] = Fraction(trade.price)
        for symbol, price in self.agreed.items():
            assert state.markets[symbol].agreed_price == price, f"{symbol} was traded at {price}"
        self.books = {
            symbol: middle
            for symbol, market in state.markets.items()
            if market.contract.mark_mode == "derived" and (middle := _middle(state, symbol))
        }

    def _take(self, command: IndexTick, now: datetime, market: Market) -> None:
        age = timedelta()
        if command.source_time is not None:
            age = max(age, now - command.source_time)
        said = self.said.setdefault(command.symbol, {})
        said[command.source] = Fraction(command.price), now - age
        index = _index(market, said, now)
        mark = market.mark
        if index is None:
            assert mark is None or mark.time < now, "a mark without an index"
        elif mark is not None:
            assert mark.index_price == index, f"the index is {float(index)}: {mark}"
            if market.contract.mark_mode == "derived":
                assert mark.time == now, mark
                _same(mark, self._derive(market, index, now), market)

    def _derive(self, market: Market, index: Fraction, now: datetime) -> Fraction:
        """Price 1, price 2, last trade."""
        symbol, window = market.contract.symbol, market.contract.mid_window_seconds * SECOND
        samples = self.samples.setdefault(symbol, [])
        if symbol in self.books and (not samples or now - samples[-1][0] >= window / 150):
            samples.append((now, self.books[symbol] - index))
        of_window = [basis for time, basis in samples[-150:] if now - time < window]
        average = sum(of_window, Fraction(0)) / max(1, len(of_window))
        first, hours, funding = index, market.contract.funding_interval_hours, market.funding
        if hours and funding and funding.next_at:
            rate = funding.settled_rate if funding.rate is None else funding.rate
            left = Fraction(max(0.0, (funding.next_at - now) / SECOND)).limit_denominator(10**6)
            first = index * (1 + Fraction(rate) * left / (hours * 3600))
        return sorted((first, index + average, self.agreed.get(symbol, first)))[1]


def _index(market: Market, said: dict[str, Said], now: datetime) -> Fraction | None:
    """The median of the fresh ones that are close to the median of the fresh ones."""
    weights = {one.name: Fraction(one.weight) for one in market.contract.index_sources}
    fresh = {
        name: price
        for name, (price, since) in said.items()
        if name in weights and now - since <= 10 * SECOND
    }
    if not fresh:
        return None
    middle = _median(fresh, weights)
    close = {name: p for name, p in fresh.items() if abs(p / middle - 1) <= Fraction(5, 100)}
    return _median(close, weights) if close else None


def _median(prices: dict[str, Fraction], weights: dict[str, Fraction]) -> Fraction:
    """The middle of all prices to which the others are closest, by weight."""
    away = {
        price: sum(weights[name] * abs(other - price) for name, other in prices.items())
        for price in prices.values()
    }
    best = [price for price, distance in away.items() if distance == min(away.values())]
    return (min(best) + max(best)) / 2


def _middle(state: State, symbol: str) -> Fraction | None:
    """The middle of the book, from its orders."""
    orders = [order for order in state.orders.values() if order.symbol == symbol]
    bids = [Fraction(order.price) for order in orders if order.price and order.side == "buy"]
    asks = [Fraction(order.price) for order in orders if order.price and order.side == "sell"]
    return (max(bids) + min(asks)) / 2 if bids and asks else None


def _same(mark: Mark, exact: Fraction, market: Market) -> None:
    """Rounded to eight decimals, or to four more than the tick has: but never to nothing."""
    digits = max(8, 4 - int(market.contract.tick_size.normalize().as_tuple().exponent))
    if exact * 10**digits <= Fraction(1, 2):
        assert mark.price == mark.index_price, f"{float(exact)} is no mark"
        return
    off = abs(Fraction(mark.price) - exact)
    assert off <= Fraction(1, 2 * 10**digits) + Fraction(1, 10**20), f"{mark} is off by {off}"

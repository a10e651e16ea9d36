"""Premiums and the rates that follow from them, naively: all samples are kept (FPY-1)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from app.engine.commands.contracts import UpdateContract
from app.engine.contracts import Contract
from app.engine.markets import Market
from app.engine.outcome import Outcome
from app.engine.state import State
from app.engine.traders import Order
from tests.engine.arithmetic import price_at, rounded

Resting = tuple[Fraction, int, Fraction]
"""An order's price, its place at it, and what remains of it."""


@dataclass
class Premiums:
    """The samples since each contract's last funding time; books as the last command left them."""

    samples: dict[str, list[tuple[datetime, Fraction]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    books: dict[str, tuple[list[Resting], list[Resting]]] = field(default_factory=dict)
    modes: dict[str, str] = field(default_factory=dict)

    def observe(self, outcome: Outcome, state: State) -> None:
        """An index price may bring a sample, of the book before the liquidations of its mark."""
        for told in outcome.index_prices:
            market = state.markets[told.symbol]
            contract = market.contract
            if contract.funding_mode == "derived" and contract.status not in ("halted", "settled"):
                self._sample(market, outcome.time, Fraction(told.price))
        if isinstance(outcome.command, UpdateContract):
            symbol = outcome.command.symbol
            if self.modes.get(symbol) != state.markets[symbol].contract.funding_mode:
                self.samples.pop(symbol, None)
        derived = [s for s, m in state.markets.items() if m.contract.funding_mode == "derived"]
        self.books = {symbol: ([], []) for symbol in derived}
        self.modes = {symbol: m.contract.funding_mode for symbol, m in state.markets.items()}
        for order in state.orders.values() if derived else ():
            if order.symbol in self.books:
                bids, asks = self.books[order.symbol]
                (bids if order.side == "buy" else asks).append(_resting(order))

    def _sample(self, market: Market, now: datetime, index: Fraction) -> None:
        contract, mark = market.contract, market.mark
        samples = self.samples[contract.symbol]
        if samples and (now - samples[-1][0]).total_seconds() < 1:
            return
        bids, asks = self.books[contract.symbol]
        best = sorted((-price, place, price, left) for price, place, left in bids)
        bid = _impact(contract, index, [(price, left) for _, _, price, left in best])
        ask = _impact(contract, index, [(price, left) for price, _, left in sorted(asks)])
        limit = contract.mark_staleness_seconds
        if bid is not None and ask is not None:
            premium = max(Fraction(0), bid - index) - max(Fraction(0), index - ask)
        elif mark is None or mark.awaited or (limit and _seconds(mark.time, now) > limit):
            return
        else:
            premium = Fraction(mark.price) - index
        samples.append((now, rounded(premium / index)))

    def average(self, contract: Contract, due: datetime) -> Fraction:
        """Over the time before `due`; begins anew."""
        samples = self.samples.pop(contract.symbol, [])
        total = known = Fraction(0)
        for (time, premium), (end, _) in pairwise([*samples, (due, Fraction(0))]):
            stood = max(Fraction(0), min(Fraction(60), _seconds(time, end)))
            total += premium * stood
            known += stood
        assert contract.funding_interval_hours, contract
        return rounded(total / max(known, Fraction(contract.funding_interval_hours * 3600, 2)))

    def rate(self, contract: Contract, average: Fraction) -> Fraction:
        """Average + clamp(interest - average, +-0.05 %)."""
        hours = contract.funding_interval_hours
        assert hours, contract
        interest = Fraction(hours, 8) / 10_000
        if contract.interest_rate is not None:
            interest = Fraction(contract.interest_rate)
        most = Fraction(5, 10_000)
        return average + max(-most, min(most, interest - average))


def _impact(
    contract: Contract, index: Fraction, orders: list[tuple[Fraction, Fraction]]
) -> Fraction | None:
    """The average price of a quantity that is worth the first bracket's cap at the index."""
    size, cap = Fraction(contract.contract_size), Fraction(contract.brackets[0].notional_cap)
    linear = contract.margining == "linear"
    wanted = cap / (index * size) if linear else cap * index / size
    lot = Fraction(contract.lot_size)
    wanted = left = wanted // lot * lot
    worth = Fraction(0)
    for price, remaining in orders[:100]:
        part = min(left, remaining)
        worth += part * size * (price if linear else -1 / price)
        left -= part
    if left or not wanted:
        return None
    return price_at(contract, wanted, worth)


def _resting(order: Order) -> Resting:
    assert order.price is not None, order
    place = order.order_id if order.requeued is None else order.requeued
    return Fraction(order.price), place, Fraction(order.remaining)


def _seconds(start: datetime, end: datetime) -> Fraction:
    span = end - start
    return Fraction(span.days * 86_400 + span.seconds) + Fraction(span.microseconds, 1_000_000)

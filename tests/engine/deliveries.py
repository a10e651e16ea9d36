"""Deliveries worked out naively: the samples, their mean, what each position closes at (DLV-1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from app.engine.commands.delivery import BeginDelivery, SettleContract
from app.engine.commands.prices import Tick
from app.engine.events import Alert, ContractSettled, IndexSample, PositionSettled
from app.engine.outcome import Outcome
from app.engine.state import State
from tests.engine.arithmetic import price_unit, rounded, value

Key = tuple[str, str]
LegKey = tuple[str, str, str]
HALF_AN_HOUR = timedelta(minutes=30)


class Held(Protocol):
    """A position as the naive model has it."""

    quantity: Fraction
    cost: Fraction


@dataclass
class Deliveries:
    """`samples` of each contract since its delivery time was set, `at`; of those that are being
    closed the price, and what the values of all that is closed add up to."""

    at: dict[str, datetime | None] = field(default_factory=dict)
    samples: dict[str, list[tuple[datetime, Fraction]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    given: dict[str, Decimal] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)
    under_way: dict[str, Decimal] = field(default_factory=dict)
    values: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))

    def observe(
        self,
        outcome: Outcome,
        state: State,
        holdings: Mapping[LegKey, Held],
        inventory: dict[Key, Fraction],
    ) -> None:
        """The records of an outcome, after whose trades and liquidations the holdings are these."""
        for symbol, market in state.markets.items():
            if self.at.get(symbol) != market.contract.delivery_at:
                self.at[symbol] = market.contract.delivery_at
                self.samples[symbol].clear()
        self._samples(outcome)
        match outcome.command:
            case BeginDelivery(symbol=symbol, time=time):
                self._begin(symbol, time, outcome, state)
            case SettleContract(symbol=symbol, price=price):
                self.held.remove(symbol)
                self.given[symbol] = price
            case _:
                assert not any(a.kind == "settlement_held" for a in outcome.of(Alert)), outcome
        for closed in outcome.of(PositionSettled):
            self._closed(closed, outcome, state, _held(closed, holdings))
        self._inventory(state, inventory)
        for settled in outcome.of(ContractSettled):
            self._settled(settled, outcome, state, holdings)
        for symbol, market in state.markets.items():
            delivery = market.delivery
            is_under_way = delivery is not None and delivery.phase == "closing"
            assert is_under_way == (symbol in self.under_way), symbol
            assert (delivery is not None and delivery.phase == "held") == (symbol in self.held)

    def _samples(self, outcome: Outcome) -> None:
        """Of each second of the half hour before delivery the first index price, and no other."""
        told = {one.symbol: one for one in outcome.of(IndexSample)}
        if isinstance(outcome.command, Tick) and outcome.command.index_price is not None:
            assert [one.price for one in outcome.index_prices] == [outcome.command.index_price]
        for symbol, now, price in outcome.index_prices:
            at, seconds = self.at.get(symbol), self.samples[symbol]
            known = {time.replace(microsecond=0) for time, _ in seconds}
            if at and at - HALF_AN_HOUR <= now < at and now.replace(microsecond=0) not in known:
                sample = told.pop(symbol)
                assert (sample.time, sample.price) == (now, price), sample
                assert sample.sequence == outcome.sequence, sample
                seconds.append((now, Fraction(price)))
        assert not told, told

    def _begin(self, symbol: str, time: datetime, outcome: Outcome, state: State) -> None:
        samples, market = self.samples[symbol], state.markets[symbol]
        assert time == self.at[symbol], outcome
        assert outcome.time >= time, outcome
        price = self.given.pop(symbol, None)
        newest = samples[-1][0] if samples else None
        enough = len(samples) >= 10 and newest and time - newest <= timedelta(minutes=1)
        enough = enough and round(self._mean(symbol) / price_unit(market.contract)) > 0
        if price is None and (not enough or market.contract.status == "halted"):
            self.held.add(symbol)
            assert [alert.kind for alert in outcome.of(Alert)] == ["settlement_held"], outcome
            return
        assert market.mark is not None, symbol
        if price is None:
            off = abs(self._mean(symbol) - Fraction(market.mark.price))
            assert off <= price_unit(market.contract) / 2, market.mark
        else:
            assert market.mark.price == price, market.mark
        assert market.mark.time == outcome.time, market.mark
        assert market.contract.status != "halted", market.contract
        self.under_way[symbol] = market.mark.price

    def _mean(self, symbol: str) -> Fraction:
        prices = [price for _, price in self.samples[symbol]]
        return sum(prices, Fraction(0)) / len(prices)

    def _closed(
        self, closed: PositionSettled, outcome: Outcome, state: State, holding: Held
    ) -> None:
        contract, price = state.markets[closed.symbol].contract, self.under_way[closed.symbol]
        assert closed.sequence == outcome.sequence, closed
        assert closed.time == contract.delivery_at, closed
        assert closed.settlement_price == price, closed
        assert Fraction(closed.quantity) == holding.quantity, f"{closed}, held {holding}"
        worth = value(contract, holding.quantity, price)
        assert Fraction(closed.profit) == worth - holding.cost, closed
        full = rounded(abs(worth) * Fraction(contract.settlement_fee_rate or 0))
        assert 0 <= Fraction(closed.fee) <= full, closed
        holding.quantity = holding.cost = Fraction(0)
        self.values[closed.symbol] += worth

    def _inventory(self, state: State, inventory: dict[Key, Fraction]) -> None:
        """What a fund held of a contract that is being closed is gone when the engine says so."""
        for (fund_id, symbol), quantity in inventory.items():
            if symbol in self.under_way and symbol not in state.funds[fund_id].inventory:
                contract = state.markets[symbol].contract
                self.values[symbol] += value(contract, quantity, self.under_way[symbol])
                inventory[fund_id, symbol] = Fraction(0)

    def _settled(
        self,
        settled: ContractSettled,
        outcome: Outcome,
        state: State,
        holdings: Mapping[LegKey, Held],
    ) -> None:
        symbol, market = settled.symbol, state.markets[settled.symbol]
        assert (settled.sequence, settled.settled_at) == (outcome.sequence, outcome.time), settled
        assert settled.time == self.at[symbol], settled
        assert settled.settlement_price == self.under_way.pop(symbol), settled
        assert settled.samples == len(self.samples[symbol]), settled
        if settled.index_mean is None:
            assert not settled.samples, settled
        else:
            off = abs(self._mean(symbol) - Fraction(settled.index_mean))
            assert off <= price_unit(market.contract) / 2, settled
        assert Fraction(settled.residue) == -self.values.pop(symbol, Fraction(0)), settled
        assert not any(held.quantity for (_, of, _), held in holdings.items() if of == symbol), (
            symbol
        )
        assert market.contract.status == "settled", market.contract
        assert market.clearing.balance == 0, market.clearing
        assert not [order for order in state.orders.values() if order.symbol == symbol], symbol
        assert not [order for order in state.untriggered.values() if order.symbol == symbol], symbol


def _held(closed: PositionSettled, holdings: Mapping[LegKey, Held]) -> Held:
    return holdings[closed.account_id, closed.symbol, closed.position_side]

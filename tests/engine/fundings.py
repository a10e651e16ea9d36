"""Fundings worked out naively: who held what at the funding time, what that comes to (FPY-1)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from app.engine.commands.contracts import UpdateContract
from app.engine.commands.funding import BeginFunding, SetFundingRate
from app.engine.commands.prices import Tick
from app.engine.events import FundingPayment, FundingSettled
from app.engine.outcome import Outcome
from app.engine.state import State
from tests.engine.arithmetic import UNITS, is_left_alone, value
from tests.engine.premiums import Premiums

Key = tuple[str, str, str]
"""An account, a contract and the leg."""
Leg = tuple[str, str]
"""An account and its leg, in a contract that is known."""


class Held(Protocol):
    """A position as the naive model has it."""

    quantity: Fraction


@dataclass
class Due:
    """A funding under way: at which rate and mark, who is still to be settled, the sum so far.

    `passed_over` were set aside meanwhile.
    """

    time: datetime
    rate: Fraction
    mark: Decimal
    left: dict[Leg, Fraction]
    inventory: Fraction
    average: Fraction | None
    received: Fraction = Fraction(0)
    passed_over: set[Leg] = field(default_factory=set)


@dataclass
class Fundings:
    """`charged` are the positions settled in an asset's cascade that has not ended."""

    rates: dict[str, Decimal] = field(default_factory=dict)
    premiums: Premiums = field(default_factory=Premiums)
    under_way: dict[str, Due] = field(default_factory=dict)
    charged: dict[str, set[Key]] = field(default_factory=lambda: defaultdict(set))
    ended: set[str] = field(default_factory=set)

    def observe(
        self,
        outcome: Outcome,
        state: State,
        holdings: Mapping[Key, Held],
        inventory: Mapping[tuple[str, str], Fraction],
    ) -> None:
        """The records of an outcome, after whose trades the holdings are these."""
        for asset in self.ended:
            self.charged.pop(asset, None)
        self._given(outcome, state)
        if isinstance(outcome.command, BeginFunding):
            begun = outcome.command
            self._begin(begun.symbol, begun.time, outcome, state, holdings, inventory)
        self.premiums.observe(outcome, state)
        for payment in outcome.of(FundingPayment):
            self._payment(payment, outcome, state)
        for symbol, due in self.under_way.items():
            due.passed_over |= {
                (name, leg) for name, leg in due.left if is_left_alone(state, name, symbol, leg)
            }
        for settled in outcome.of(FundingSettled):
            self._settled(settled, outcome, state)
        self.ended = self.charged.keys() - state.cascades.keys()
        for symbol, market in state.markets.items():
            funding = market.funding
            is_under_way = funding is not None and funding.time is not None
            assert is_under_way == (symbol in self.under_way), symbol

    def _given(self, outcome: Outcome, state: State) -> None:
        """The last rate that was given counts, unless the contract has derived ones meanwhile."""
        match outcome.command:
            case SetFundingRate(symbol=symbol, rate=rate):
                self.rates[symbol] = rate
            case Tick(symbol=symbol, funding_rate=given) if given is not None:
                self.rates[symbol] = given
            case UpdateContract(symbol=symbol):
                if state.markets[symbol].contract.funding_mode == "derived":
                    self.rates.pop(symbol, None)
            case _:
                pass

    def _begin(
        self,
        symbol: str,
        time: datetime,
        outcome: Outcome,
        state: State,
        holdings: Mapping[Key, Held],
        inventory: Mapping[tuple[str, str], Fraction],
    ) -> None:
        market = state.markets[symbol]
        contract, mark = market.contract, market.mark
        assert contract.funding_interval_hours, contract
        assert (time.hour * 60 + time.minute) % (contract.funding_interval_hours * 60) == 0, time
        assert outcome.time >= time, outcome
        rate, average = Fraction(self.rates.pop(symbol, 0)), None
        if contract.funding_mode == "derived":
            average = self.premiums.average(contract, time)
            rate = self.premiums.rate(contract, average)
        if mark is None or contract.status == "halted":
            return
        lowest = contract.funding_rate_floor
        highest = contract.funding_rate_cap
        rate = max(Fraction("-0.02" if lowest is None else lowest), rate)
        rate = min(Fraction("0.02" if highest is None else highest), rate)
        held = {
            (account, leg): holding.quantity
            for (account, of, leg), holding in holdings.items()
            if of == symbol and holding.quantity
        }
        own = inventory.get((contract.insurance_fund, symbol), Fraction(0))
        self.under_way[symbol] = Due(time, rate, mark.price, held, own, average)

    def _payment(self, payment: FundingPayment, outcome: Outcome, state: State) -> None:
        due, symbol = self.under_way[payment.symbol], payment.symbol
        assert payment.sequence == outcome.sequence, payment
        assert payment.time == due.time, payment
        assert (Fraction(payment.rate), payment.mark_price) == (due.rate, due.mark), payment
        held = due.left.pop((payment.account_id, payment.position_side))
        assert held == Fraction(payment.quantity), f"{payment}, held {held} at the time"
        assert Fraction(payment.amount) == self._amount(due, symbol, held, state), payment
        due.received += Fraction(payment.amount)
        asset = state.markets[symbol].contract.settlement_asset
        self.charged[asset].add((payment.account_id, symbol, payment.position_side))

    def _settled(self, settled: FundingSettled, outcome: Outcome, state: State) -> None:
        due = self.under_way.pop(settled.symbol)
        assert settled.sequence == outcome.sequence, settled
        assert settled.time == due.time, settled
        assert (Fraction(settled.rate), settled.mark_price) == (due.rate, due.mark), settled
        average = settled.average_premium
        assert due.average == (None if average is None else Fraction(average)), settled
        assert due.left.keys() <= due.passed_over, f"{due.left} have not paid"
        due.received += self._amount(due, settled.symbol, due.inventory, state)
        assert Fraction(settled.residue) == -due.received, f"{settled}, received {due.received}"

    @staticmethod
    def _amount(due: Due, symbol: str, quantity: Fraction, state: State) -> Fraction:
        """Rounded against whoever it is: payments up, receipts down."""
        worth = abs(value(state.markets[symbol].contract, quantity, due.mark))
        owed = worth * due.rate * (1 if quantity > 0 else -1)
        return Fraction(math.floor(-owed * UNITS), UNITS)

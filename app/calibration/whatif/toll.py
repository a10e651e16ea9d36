"""What the outcomes of a what-if's commands add up to (CAL-15)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from app.engine.events import AdlEvent, ClearanceFee, FundEntry, Liquidation
from app.engine.numbers import ZERO
from app.engine.outcome import Outcome
from app.engine.state import State

INVENTORY = ("inventory_settlement", "inventory_funding", "offload_pnl")
"""Kinds of a fund's history that say what its inventory has made."""


@dataclass(slots=True)
class ContractToll:
    """A contract's liquidations; values at the marks of the time, unsigned.

    `loss` and `gain` are its fund's, by takeover and deficit cover; a position counts once.
    """

    liquidated: set[tuple[str, str]] = field(default_factory=set)
    taken_over_quantity: Decimal = ZERO
    taken_over_value: Decimal = ZERO
    deleveraged_quantity: Decimal = ZERO
    deleveraged_value: Decimal = ZERO
    overshoot: Decimal = ZERO
    loss: Decimal = ZERO
    gain: Decimal = ZERO

    @property
    def bankrupt_quantity(self) -> Decimal:
        """What no order met and somebody else took: the fund, or ADL."""
        return self.taken_over_quantity + self.deleveraged_quantity

    @property
    def bankrupt_value(self) -> Decimal:
        """The same at the marks of the time."""
        return self.taken_over_value + self.deleveraged_value


@dataclass(slots=True)
class FundToll:
    """What a fund had of an asset, paid and got."""

    loss: Decimal = ZERO
    gain: Decimal = ZERO
    clearance_fees: Decimal = ZERO
    by_inventory: Decimal = ZERO
    treasury_paid: Decimal = ZERO


@dataclass(slots=True)
class AccountToll:
    """An account: liquidated positions, what funds lost by them, and what ADL closed of its own."""

    liquidated: set[tuple[str, str]] = field(default_factory=set)
    fund_loss: Decimal = ZERO
    deleveraged_value: Decimal = ZERO


class Toll:
    """Everything that happened to a copy."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.contracts: dict[str, ContractToll] = defaultdict(ContractToll)
        self.funds: dict[tuple[str, str], FundToll] = defaultdict(FundToll)
        self.accounts: dict[str, AccountToll] = defaultdict(AccountToll)

    def add(self, outcome: Outcome) -> None:
        """What one command did."""
        for record in outcome.records:
            if isinstance(record, Liquidation):
                self._liquidated(record)
            elif isinstance(record, AdlEvent):
                self._deleveraged(record)
            elif isinstance(record, ClearanceFee):
                self.funds[record.fund_id, record.asset].clearance_fees += record.to_fund
            elif isinstance(record, FundEntry) and record.kind in INVENTORY:
                self.funds[record.fund_id, record.asset].by_inventory += record.amount

    def _liquidated(self, record: Liquidation) -> None:
        terms = self._state.markets[record.symbol].contract
        contract = self.contracts[record.symbol]
        fund = self.funds[record.fund_id, terms.settlement_asset]
        account = self.accounts[record.account_id]
        leg = record.symbol, record.position_side
        account.liquidated.add(leg)
        contract.liquidated.add((record.account_id, record.position_side))
        contract.taken_over_quantity += record.taken_over_quantity
        contract.taken_over_value += abs(terms.value(record.taken_over_quantity, record.mark_price))
        loss, gain = max(ZERO, -record.fund_amount), max(ZERO, record.fund_amount)
        contract.loss += loss
        contract.gain += gain
        fund.loss += loss
        fund.gain += gain
        fund.treasury_paid += record.treasury_amount
        account.fund_loss += loss

    def _deleveraged(self, record: AdlEvent) -> None:
        terms = self._state.markets[record.symbol].contract
        contract = self.contracts[record.symbol]
        contract.deleveraged_quantity += record.quantity
        contract.deleveraged_value += record.notional_closed
        contract.overshoot += record.overshoot
        for one in record.counterparties:
            value = abs(terms.value(one.quantity, record.mark_price))
            self.accounts[one.account_id].deleveraged_value += value

"""What protects a fund (FND-12): open interest, worked out from the naive holdings, grows within
its limits only; held profits are `held`'s."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from app.engine.events import FundEntry
from app.engine.outcome import Outcome
from app.engine.state import State
from tests.engine.arithmetic import value
from tests.engine.held import Held


class Interest:
    """How much is open of each contract: it grows within its limits only (FND-12)."""

    def __init__(self) -> None:
        self.before: dict[str, Fraction] = defaultdict(Fraction)
        self.held = Held()

    def observe(
        self, outcome: Outcome, state: State, holdings: Mapping[tuple[str, str, str], Any]
    ) -> None:
        """After a command; `holdings` are the traders', worked out by the books."""
        self.held.observe(outcome, state)
        sums: dict[str, Fraction] = defaultdict(Fraction)
        for (_, symbol, _), holding in holdings.items():
            sums[symbol] += max(Fraction(0), holding.quantity)
        for fund in state.funds.values():
            for inventory in fund.inventory.values():
                sums[inventory.symbol] += max(Fraction(0), Fraction(inventory.quantity))
        for symbol, now in sums.items():
            if now > self.before[symbol]:
                self._within(outcome, state, symbol, now)
        self.before = sums

    @staticmethod
    def _within(outcome: Outcome, state: State, symbol: str, now: Fraction) -> None:
        market = state.markets[symbol]
        contract = market.contract
        cap, multiple = contract.open_interest_cap, contract.open_interest_multiple
        assert cap is None or now <= cap, f"{symbol}: {now} open, beyond {cap}"
        paid = {entry.fund_id for entry in outcome.of(FundEntry)}  # by a cascade, afterwards
        if multiple is not None and contract.insurance_fund not in paid:
            assert market.mark is not None
            has = sum(
                Fraction(wallet.balance)
                for wallet in state.funds[contract.insurance_fund].wallets
                if wallet.asset == contract.settlement_asset
            )
            worth = abs(value(contract, now, market.mark.price))
            assert worth <= Fraction(multiple) * has, f"{symbol}: {worth} open, the fund has {has}"

"""All positions of a settlement asset at one moment, as arrays (CAL-11).

Money and prices are float64 here, in the settlement asset. Signs are the engine's: of a quantity,
and of values so that profit = value - cost (an inverse long's value is below zero).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats, Ints, places_of
from app.calibration.losses.cross import Legs
from app.calibration.losses.lines import Scopes


class ContractTerms(NamedTuple):
    """A contract as the book sees it; brackets are rows of floor, rate and cum."""

    symbol: str
    base_asset: str
    fund: int
    inverse: bool
    size: float
    mark: float
    brackets: Floats

    def worth(self, quantity: Floats) -> Floats:
        """Signed value at mark of signed quantities, in the settlement asset."""
        units = quantity * self.size
        return np.asarray(-units / self.mark if self.inverse else units * self.mark)


class FundTerms(NamedTuple):
    """A fund: what it has, and how much net notional that carries (FND-2)."""

    fund_id: str
    balance: float
    max_net_notional_ratio: float


@dataclass(frozen=True, slots=True)
class PositionBook:
    """Positions sorted by account, contract and leg: each at an index of the arrays.

    `wallet` is what an isolated position has as margin, not a number for a cross one, whose account
    has `cross` for all. `owner` names by account who fails with it. `inventory` is what the funds
    hold, by contract: a signed quantity. `stale` are contracts whose marks were old (MRK-4).
    """

    asset: str
    sequence: int
    time: datetime
    contracts: tuple[ContractTerms, ...]
    funds: tuple[FundTerms, ...]
    account: Ints
    contract: Ints
    quantity: Floats
    cost: Floats
    wallet: Floats
    cross: Floats
    owner: Ints
    inventory: Floats
    digest: str
    stale: tuple[str, ...] = ()

    def values(self) -> Floats:
        """Of the positions, signed, at mark."""
        found = np.zeros(len(self.quantity))
        for terms, here in zip(self.contracts, self.of_contracts(), strict=True):
            found[here] = terms.worth(self.quantity[here])
        return found

    def of_contracts(self) -> list[Ints]:
        """By contract, the positions in it."""
        return places_of(self.contract, len(self.contracts))

    def held(self) -> Floats:
        """Of the inventory, by contract."""
        both = zip(self.contracts, self.inventory, strict=True)
        return np.array([terms.worth(np.array([one]))[0] for terms, one in both])

    def brackets(self, values: Floats) -> tuple[Floats, Floats]:
        """Rate and cum of each position's bracket at mark (CON-4)."""
        rate, cum = np.zeros(len(values)), np.zeros(len(values))
        for terms, here in zip(self.contracts, self.of_contracts(), strict=True):
            row = np.searchsorted(terms.brackets[:, 0], np.abs(values[here]), "right") - 1
            rate[here], cum[here] = terms.brackets[np.maximum(row, 0), 1:].T
        return rate, cum

    def scopes(self) -> tuple[list[tuple[Scopes, Scopes]], Legs]:
        """Those with one position, by contract, longs and shorts; and the legs of all others."""
        values = self.values()
        rate, cum = self.brackets(values)
        isolated = ~np.isnan(self.wallet)
        count = np.bincount(self.account[~isolated], minlength=len(self.cross))
        single = isolated | (count[self.account] == 1)
        wallet = np.where(isolated, self.wallet, self.cross[self.account])
        alone = []
        for terms, every in zip(self.contracts, self.of_contracts(), strict=True):
            here = every[single[every]]
            pair = [
                Scopes(
                    np.abs(self.quantity[some]) * terms.size,
                    np.abs(self.cost[some]),
                    wallet[some],
                    rate[some],
                    cum[some],
                )
                for some in (here[self.quantity[here] > 0], here[self.quantity[here] < 0])
            ]
            alone.append((pair[0], pair[1]))
        others = ~single
        accounts, renumbered = np.unique(self.account[others], return_inverse=True)
        legs = Legs(
            account=renumbered,
            contract=self.contract[others],
            value=values[others],
            cost=self.cost[others],
            rate=rate[others],
            cum=cum[others],
            wallet=self.cross[accounts],
        )
        return alone, legs

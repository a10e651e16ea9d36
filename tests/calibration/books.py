"""Random positions: leverages, brackets and paths as wild as real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from app.calibration.figures import Floats
from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.calibration.inputs.history import Closes
from app.calibration.losses.cross import Legs
from app.calibration.losses.lines import Scopes

FLOORS, RATES, CUMS = (
    np.array(row) for row in ((0, 5e3, 5e4), (0.005, 0.01, 0.025), (0, 25.0, 775.0))
)


def scopes(
    random: np.random.Generator, count: int, mark: float, *, inverse: bool, calm: bool = False
) -> Scopes:
    """Scopes with one position: far from their triggers, near, and (if not `calm`) beyond."""
    notional = np.exp(random.normal(8, 2, count))
    margin = np.clip(1 / np.exp(random.normal(2.3, 0.8, count)), 0.03 if calm else 0.012, 0.9)
    bracket = np.searchsorted(FLOORS, notional, "right") - 1
    worth = 1 / mark if inverse else 1.0
    entry = np.ones(count) if calm else np.exp(random.normal(0, 0.03, count))
    quantity = notional if inverse else notional / mark
    return Scopes(
        quantity,
        notional * worth * entry,
        margin * notional * worth,
        RATES[bracket],
        CUMS[bracket] * worth,
    )


def legs(random: np.random.Generator, accounts: int, contracts: int, *, calm: bool = False) -> Legs:
    """Cross accounts with two to six legs."""
    count = random.integers(2, 7, accounts)
    account = np.repeat(np.arange(accounts), count)
    contract = np.concatenate([random.choice(contracts, one, replace=False) for one in count])
    value = np.exp(random.normal(7, 1.5, len(account))) * random.choice([1, -1], len(account))
    gross = np.bincount(account, np.abs(value), accounts)
    wallet = np.maximum(gross * np.exp(random.normal(-2.3, 0.7, accounts)), gross * 0.012)
    cost = value if calm else value * np.exp(random.normal(0, 0.01, len(value)))
    return Legs(
        account, contract, value, cost, np.full(len(value), 0.01), np.full(len(value), 1.0), wallet
    )


def paths(random: np.random.Generator, *shape: int) -> Floats:
    """Cumulated log moves, along the axis before the last."""
    return np.asarray(np.cumsum(random.standard_t(3, shape) * 0.02, axis=-2))


NOW = datetime(2026, 11, 27, 20, tzinfo=UTC)
BRACKETS = np.column_stack([FLOORS, RATES, CUMS])


def contract(
    symbol: str, base: str, fund: int, mark: float, *, inverse: bool = False
) -> ContractTerms:
    """Its terms; an inverse one's brackets are in coin."""
    worth = np.array([1 / mark, 1, 1 / mark]) if inverse else np.ones(3)
    return ContractTerms(
        symbol, base, fund, inverse, 10.0 if inverse else 1.0, mark, BRACKETS * worth
    )


def position_book(
    contracts: Sequence[ContractTerms], funds: Sequence[float], accounts: int, seed: int = 1
) -> PositionBook:
    """Accounts with positions in a contract or several, isolated and cross, owners of two each.

    `funds` are their balances. The first contract has an inventory.
    """
    random = np.random.default_rng(seed)
    count = np.minimum(random.integers(1, 4, accounts), len(contracts))
    account = np.repeat(np.arange(accounts), count)
    which = [np.sort(random.choice(len(contracts), one, replace=False)) for one in count]
    contract_of = np.concatenate([np.zeros(0, np.int64), *which])
    notional = np.exp(random.normal(8, 2, len(account)))
    side = random.choice([-1.0, 1.0], len(account))
    margin = np.clip(1 / np.exp(random.normal(2.3, 0.8, len(account))), 0.05, 0.9) * notional
    quantity, cost, unit = (np.zeros(len(account)) for _ in range(3))
    for number, terms in enumerate(contracts):
        here = contract_of == number
        unit[here] = 1 / terms.mark if terms.inverse else 1.0
        price = 1.0 if terms.inverse else terms.mark
        quantity[here] = side[here] * notional[here] / (terms.size * price)
        cost[here] = terms.worth(quantity[here])
    cross = random.uniform(size=len(account)) < 0.4
    wallets = np.zeros(accounts)
    np.add.at(wallets, account[cross], (margin * unit)[cross])
    return PositionBook(
        asset="USDT",
        sequence=7,
        time=NOW,
        contracts=tuple(contracts),
        funds=tuple(FundTerms(f"fund-{n}", one, 1.0) for n, one in enumerate(funds)),
        account=account,
        contract=contract_of,
        quantity=quantity,
        cost=cost,
        wallet=np.where(cross, np.nan, margin * unit),
        cross=wallets,
        owner=np.arange(accounts) // 2,
        inventory=np.where(np.arange(len(contracts)) == 0, 3.0, 0.0),
        digest="b" * 64,
    )


def closes(contracts: int, rows: int, hours: int, seed: int = 2) -> Closes:
    """Prices that move together, with a row more than there are returns."""
    random = np.random.default_rng(seed)
    steps = 0.01 * random.standard_t(4, (rows, 1)) + 0.005 * random.normal(size=(rows, contracts))
    prices = np.exp(np.concatenate([np.zeros((1, contracts)), np.cumsum(steps, axis=0)]))
    times = tuple(NOW - timedelta(hours=hours * n) for n in reversed(range(rows + 1)))
    return Closes(hours, times, prices, np.full(contracts, 1e6), "c" * 64)

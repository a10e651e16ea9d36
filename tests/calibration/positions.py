"""Random books of positions, with all that a book may have, and prices for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from app.calibration.figures import Floats
from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.calibration.inputs.history import Closes

MOMENT = datetime(2026, 11, 1, tzinfo=UTC)
BRACKETS = ((0.0, 0.005, 0.0), (5e3, 0.01, 25.0), (5e4, 0.025, 775.0))
"""Floor, rate and cum, in the settlement asset of a linear contract."""


def book(
    seed: int,
    *,
    accounts: int = 60,
    contracts: int = 4,
    funds: int = 2,
    inverse: bool = False,
    owners: bool = True,
) -> PositionBook:
    """Isolated positions and cross accounts, some in hedge mode, some with several of both; funds
    with inventory. One asset has linear contracts, or `inverse` ones, of its coin."""
    random = np.random.default_rng([seed, accounts, contracts, funds, inverse])
    marks = np.exp(random.normal(3, 1.5, contracts))
    if inverse:
        marks[:] = marks[0]
    terms = []
    for number, mark in enumerate(marks):
        floor, rate, cum = np.array(BRACKETS).T
        worth = 1 / mark if inverse else 1.0
        terms.append(
            ContractTerms(
                f"C{number}", ("BTC", "ETH", "DOGE", "XRP", "LTC")[number % 5], number % funds,
                inverse, 10.0 if inverse else 0.1, float(mark),
                np.array([floor * worth, rate, cum * worth]).T,
            )
        )  # fmt: skip
    rows: list[tuple[int, int, float, float, float]] = []
    cross = np.zeros(accounts)
    for account in range(accounts):
        rows += _account(random, terms, account, cross)
    account_, contract, quantity, cost, wallet = (np.array(one) for one in zip(*rows, strict=True))
    return PositionBook(
        asset="BTC" if inverse else "USDT",
        sequence=1,
        time=MOMENT,
        contracts=tuple(terms),
        funds=tuple(FundTerms(f"fund-{number}", 1e5, 1.0) for number in range(funds)),
        account=account_.astype(np.int64),
        contract=contract.astype(np.int64),
        quantity=quantity,
        cost=cost,
        wallet=wallet,
        cross=cross,
        owner=np.arange(accounts) // 2 if owners else np.arange(accounts),
        inventory=np.where(np.arange(contracts) % 2, -30.0, 50.0) / (1 if inverse else marks),
        digest="",
    )


def _account(
    random: np.random.Generator, terms: list[ContractTerms], account: int, cross: Floats
) -> list[tuple[int, int, float, float, float]]:
    """Rows of account, contract, quantity, cost and wallet (not a number: cross)."""
    found, gross = [], 0.0
    chosen = random.choice(len(terms), int(random.integers(1, len(terms) + 1)), replace=False)
    hedged = random.random() < 0.2
    for contract in sorted(chosen):
        one = terms[contract]
        for side in (1, -1) if hedged else (int(random.choice([1, -1])),):
            notional = float(np.exp(random.normal(8, 1.5))) * (1 / one.mark if one.inverse else 1)
            units = notional * one.mark if one.inverse else notional / one.mark
            quantity = side * units / one.size
            value = float(one.worth(np.array([quantity]))[0])
            cost = value * float(np.exp(random.normal(0, 0.01)))
            isolated = random.random() < 0.5
            margin = notional * float(np.clip(np.exp(-random.normal(2.5, 0.7)), 0.03, 0.9))
            found.append((account, contract, quantity, cost, margin if isolated else np.nan))
            gross += 0.0 if isolated else notional
    cross[account] = gross * float(np.clip(np.exp(-random.normal(2.5, 0.7)), 0.04, 0.9))
    return found


def prices(
    seed: int, one: PositionBook, *, rows: int = 700, hours: int = 24, late: int = 0
) -> Closes:
    """A past of all its contracts, with fat tails and clusters; the last begins `late` rows later.

    It ends at the book's time with the closes at its marks.
    """
    random = np.random.default_rng(seed)
    count = len(one.contracts)
    volatility = 0.02 * np.sqrt(hours / 24) * np.exp(np.sin(np.arange(rows) / 90))[:, None]
    common = random.standard_t(4, (rows, 1))
    returns = volatility * (0.8 * common + 0.6 * random.standard_t(4, (rows, count)))
    if one.contracts[0].inverse:
        returns[:] = returns[:, :1]
    marks = np.array([terms.mark for terms in one.contracts])
    logs = np.vstack([np.zeros((1, count)), np.cumsum(returns, axis=0)])
    closes = marks * np.exp(logs - logs[-1])
    closes[:late, -1] = np.nan
    times = tuple(one.time - timedelta(hours=hours * back) for back in range(rows, -1, -1))
    volume = np.full(count, 1e6) / (marks if one.contracts[0].inverse else 1)
    return Closes(hours, times, closes, volume, "")


def only(one: PositionBook, chosen: NDArray[np.bool_]) -> PositionBook:
    """Some of its positions, and no inventory."""
    names = ("account", "contract", "quantity", "cost", "wallet")
    kept = {name: getattr(one, name)[chosen] for name in names}
    return replace(one, inventory=np.zeros(len(one.contracts)), **kept)

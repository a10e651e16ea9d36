"""Random positions: leverages, brackets and paths as wild as real ones."""

from __future__ import annotations

import numpy as np

from app.calibration.figures import Floats
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

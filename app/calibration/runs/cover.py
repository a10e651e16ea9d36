"""The owners with the largest loss, failing together (CAL-10).

Nothing of theirs is closed before the end of the move: what the scenarios of `stress` never count,
for there each scope is out when its margin is passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats
from app.calibration.inputs.book import PositionBook
from app.calibration.losses.steps import Impact


class Cover(NamedTuple):
    """A fund's loss by its largest owners, in the scenario that is worst for it.

    `largest` is what the largest of them alone costs there.
    """

    scenario: int
    loss: float
    largest: float


def cover(
    book: PositionBook, ends: Floats, impacts: Sequence[Impact | None], count: int
) -> list[Cover]:
    """By fund; `ends` are log moves of places at each scenario's end, (contracts, scenarios)."""
    funds = len(book.funds)
    owed = np.array([owner_losses(book, end, impacts) for end in ends.T])  # scenario, fund, owner
    found = []
    for fund in range(funds):
        ordered = -np.sort(-owed[:, fund], axis=1)
        together = ordered[:, :count].sum(axis=1)
        worst = int(together.argmax())
        found.append(Cover(worst, float(together[worst]), float(ordered[worst, 0])))
    return found


def owner_losses(book: PositionBook, end: Floats, impacts: Sequence[Impact | None]) -> Floats:
    """What each owner costs each fund when all of his is closed at the end: (funds, owners).

    At a price that is moved by all that is his of a contract's side (CAL-5).
    """
    values = book.values()
    owner = book.owner[book.account]
    side = 2 * book.contract + (values < 0)
    key = owner * (2 * len(book.contracts)) + side
    _, which = np.unique(key, return_inverse=True)
    together = np.bincount(which, np.abs(values))[which] if len(values) else values
    worse = np.zeros(len(values))
    for number, impact in enumerate(impacts):
        here = book.contract == number
        if impact is not None:
            worse[here] = impact(together[here])
    profit = values * np.exp(end[book.contract] - np.sign(values) * worse) - book.cost
    shares = _shares(book, profit)
    fund = np.array([one.fund for one in book.contracts])[book.contract]
    found = np.zeros((len(book.funds), int(book.owner.max(initial=-1)) + 1))
    np.add.at(found, (fund, owner), shares)
    return found


def _shares(book: PositionBook, profit: Floats) -> Floats:
    """By position, what its scope lacks: its own, or its part of the account's (LIQ-3)."""
    isolated = ~np.isnan(book.wallet)
    found = np.zeros(len(profit))
    found[isolated] = np.maximum(-(book.wallet + profit)[isolated], 0.0)
    cross, account = ~isolated, book.account[~isolated]
    count = len(book.cross)
    owed = np.maximum(-(book.cross + np.bincount(account, profit[cross], count)), 0.0)
    loss = np.maximum(-profit[cross], 0.0)
    total = np.bincount(account, loss, count)[account]
    part = np.divide(loss, total, out=np.zeros_like(loss), where=total > 0)
    found[cross] = owed[account] * part
    return found

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

    `largest` is what the largest of them alone costs there. Without scenarios there is none.
    """

    scenario: int | None
    loss: float
    largest: float


def cover(
    book: PositionBook, ends: Floats, impacts: Sequence[Impact | None], count: int
) -> list[Cover]:
    """By fund; `ends` are log moves of places at each scenario's end, (contracts, scenarios)."""
    owners = Owners(book, impacts)
    found = [Cover(None, 0.0, 0.0) for _ in book.funds]
    for scenario, end in enumerate(ends.T):
        for fund, owed in enumerate(owners.losses(end)):
            ordered = -np.sort(-owed)[:count]
            together = float(ordered.sum())
            if found[fund].scenario is None or together > found[fund].loss:
                found[fund] = Cover(scenario, together, float(ordered.max(initial=0.0)))
    return found


class Owners:
    """What each owner costs each fund when all of his is closed at the end of a move.

    At a price that is moved by all that is his of a contract's side (CAL-5).
    """

    def __init__(self, book: PositionBook, impacts: Sequence[Impact | None]) -> None:
        self.book, self.values = book, book.values()
        self.owner = book.owner[book.account]
        self.fund = np.array([one.fund for one in book.contracts], np.int64)[book.contract]
        side = 2 * book.contract + (self.values < 0)
        key = self.owner * (2 * len(book.contracts)) + side
        _, which = np.unique(key, return_inverse=True)
        together = np.bincount(which, np.abs(self.values))[which]
        self.worse = np.zeros(len(self.values))
        for number, impact in enumerate(impacts):
            here = book.contract == number
            if impact is not None:
                self.worse[here] = impact(together[here])
        self.worse *= np.sign(self.values)

    def losses(self, end: Floats) -> Floats:
        """(funds, owners), after log moves of places by contract."""
        book = self.book
        profit = self.values * np.exp(end[book.contract] - self.worse) - book.cost
        found = np.zeros((len(book.funds), int(book.owner.max(initial=-1)) + 1))
        np.add.at(found, (self.fund, self.owner), _shares(book, profit))
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

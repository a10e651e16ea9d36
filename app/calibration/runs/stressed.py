"""What past crashes would cost each fund today, and one contract alone (CAL-9)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats
from app.calibration.inputs import history
from app.calibration.inputs.book import PositionBook
from app.calibration.losses import stress
from app.calibration.losses.stress import Stress
from app.calibration.runs.setup import Run
from app.catalogue.stress import LEADERS

TOGETHER = 250
"""Contracts whose moves alone are worked out at once."""
ALONE = ("alone-down", "alone-up")


class Scenario(NamedTuple):
    """What a stressed scenario costs a fund.

    `loss` counts. Beside it, how much hangs on the gap of the worst hour: with the gap of an
    ordinary step throughout, the loss along the `path`, and that of the worst hour as one `instant`
    step. `symbol` is the contract that moves alone.
    """

    loss: float
    path: float
    instant: float
    symbol: str | None = None


class Stressed(NamedTuple):
    """A fund's losses in each scenario of the library, and which is `worst`: of equals the first.

    None, where the library has no scenario for its book.
    """

    scenarios: dict[str, Scenario]

    @property
    def worst(self) -> str | None:
        """The scenario that costs most; of equals the first."""
        losses = {name: one.loss for name, one in self.scenarios.items()}
        return max(losses, key=losses.__getitem__, default=None)

    @property
    def loss(self) -> float:
        """In the worst."""
        return self.scenarios[self.worst].loss if self.worst else 0.0


class Library(NamedTuple):
    """The crashes and their mirror images: names, and logs of places (contracts, steps, each)."""

    names: list[str]
    logs: Floats

    @classmethod
    def of(cls, run: Run) -> Library:
        """For the contracts of a run."""
        names = [one.scenario_id for one in run.events]
        bases = [one.base_asset for one in run.book.contracts]
        moves = stress.price_moves(run.events, bases)
        return cls(
            names + [f"{name}-mirrored" for name in names],
            moves * history.signs(run.book)[:, None, None],
        )

    def of_scenario(self, book: PositionBook, name: str, symbol: str | None) -> Floats:
        """The logs of one, (contracts, steps, 1): of the library, or of a contract alone."""
        if symbol is None:
            number = self.names.index(name)
            return self.logs[:, :, number : number + 1]
        contract, move = [one.symbol for one in book.contracts].index(symbol), ALONE.index(name)
        return stress.alone([contract], history.signs(book))[:, :, move : move + 1]


def stressed(run: Run, both: Stress, library: Library) -> list[Stressed]:
    """By fund."""
    logs, columns = library.logs, np.zeros((3, len(run.book.funds), 0))
    if library.names:
        ways = (
            both.losses(logs),
            stress.whole(both.step, logs),
            stress.whole(both.step, stress.worst_hours(logs)),
        )
        columns = np.array([by_fund(run.book, one) for one in ways])
    found = []
    for fund, alone in enumerate(_alone(run.book, both)):
        together = [Scenario(*column) for column in columns[:, fund].T.tolist()]
        found.append(Stressed({**dict(zip(library.names, together, strict=True)), **alone}))
    return found


def by_fund(book: PositionBook, losses: Floats) -> Floats:
    """(funds, scenarios) of (contracts, scenarios)."""
    found = np.zeros((len(book.funds), losses.shape[1]))
    np.add.at(found, np.array([one.fund for one in book.contracts], np.int64), losses)
    return found


def _alone(book: PositionBook, both: Stress) -> list[dict[str, Scenario]]:
    """By fund, the contract outside the leaders that costs it most by falling, and by rising."""
    others = [n for n, one in enumerate(book.contracts) if one.base_asset not in LEADERS]
    if not others:
        return [{} for _ in book.funds]
    signs = history.signs(book)

    parts = [
        by_fund(book, both.losses(stress.alone(some, signs))).reshape(len(book.funds), -1, 2)
        for some in _batches(others)
    ]
    found: list[dict[str, Scenario]] = []
    for losses in np.concatenate(parts, axis=1):  # of a fund: (contracts, moves)
        fund, worst = len(found), losses.argmax(axis=0)
        logs = stress.alone([others[one] for one in worst], signs)[:, :, [0, 3]]
        whole = by_fund(book, stress.whole(both.step, logs))[fund]
        found.append(
            {
                name: Scenario(
                    float(losses[one, move]),
                    float(whole[move]),
                    float(whole[move]),
                    book.contracts[others[one]].symbol,
                )
                for move, (name, one) in enumerate(zip(ALONE, worst, strict=True))
            }
        )
    return found


def _batches(contracts: list[int]) -> Iterator[list[int]]:
    for begin in range(0, len(contracts), TOGETHER):
        yield contracts[begin : begin + TOGETHER]

"""The worst that has happened, and worse: stressed scenarios (CAL-9).

A past crash is told by what each asset lost in its worst hour and in its worst day. Its path is of
24 hours: the fall to either side of the worst hour is even. In that hour scopes are closed while it
goes on, for an hour is measured from its worst minute; so it has a gap of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats
from app.calibration.losses.model import Model
from app.catalogue.stress import MIRRORED, STEPS, WORST_HOUR, Crash, Fall

ALONE_DOWN, ALONE_UP = float(np.log(1 - 0.80)), float(np.log(1 + 1.00))
"""What a contract outside the leaders does alone, in one hour: as FTT fell, as JELLY rose."""


def path(fall: Fall) -> Floats:
    """The log moves since the beginning, by step."""
    return np.array(fall.moves())


def price_moves(events: Sequence[Crash], base_assets: Sequence[str]) -> Floats:
    """Log moves of prices, (contracts, steps, 2 x events): all events, then their mirror images."""
    found = [path(one.fall(asset)) for asset in base_assets for one in events]
    falls = np.reshape(found, (len(base_assets), len(events), STEPS))
    return np.asarray(np.concatenate([falls, MIRRORED * falls], axis=1).transpose(0, 2, 1))


def worst_hours(moves: Floats) -> Floats:
    """Of paths, (contracts, steps, scenarios), the worst hour alone, as one step from the mark."""
    return np.asarray(moves[:, WORST_HOUR : WORST_HOUR + 1] - moves[:, WORST_HOUR - 1 : WORST_HOUR])


def alone(contracts: Sequence[int], signs: Floats) -> Floats:
    """Each contract falls, or rises, alone, in one step: logs of places, two scenarios for each.

    `signs` tell, by contract of the book, how its place moves with its price.
    """
    logs = np.zeros((len(signs), 1, len(contracts), 2))
    for number, contract in enumerate(contracts):
        logs[contract, 0, number] = signs[contract] * np.array([ALONE_DOWN, ALONE_UP])
    return logs.reshape(len(signs), 1, -1)


class Stress(NamedTuple):
    """The model with the gap of an ordinary step, and that of a worst hour."""

    step: Model
    hour: Model

    def losses(self, logs: Floats) -> Floats:
        """By contract and scenario; inventory is held to the end.

        Of a whole day each step counts with its own gap; a single step is a worst hour.
        """
        if logs.shape[1] == 1:
            return whole(self.hour, logs)
        worst = np.arange(STEPS) == WORST_HOUR
        found = self.step.losses(logs, ~worst) + self.hour.losses(logs, worst)
        return found + inventory(self.step, logs)


def whole(model: Model, logs: Floats) -> Floats:
    """By contract and scenario, with one gap throughout; inventory is held to the end."""
    return model.losses(logs) + inventory(model, logs)


def inventory(model: Model, logs: Floats) -> Floats:
    """What it costs, by contract and scenario."""
    return np.array([model.held(contract, logs[contract, -1]) for contract in range(len(logs))])

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
from app.catalogue.stress import Crash, Fall

STEPS = 24
WORST_HOUR = 11
"""The step, from 0, that is an event's worst hour."""
MIRRORED = -0.5
"""Log moves of an event's mirror image: half as large, the other way, for shorts."""
ALONE_DOWN, ALONE_UP = float(np.log(1 - 0.80)), float(np.log(1 + 1.00))
"""What a contract outside the leaders does alone, in one hour: as FTT fell, as JELLY rose."""


def path(fall: Fall) -> Floats:
    """The log moves since the beginning, by step."""
    hour, day = np.log1p(-float(fall.hour)), np.log1p(-float(fall.day))
    steps = np.full(STEPS, (day - hour) / (STEPS - 1))
    steps[WORST_HOUR] = hour
    return np.asarray(np.cumsum(steps))


def price_moves(events: Sequence[Crash], base_assets: Sequence[str]) -> Floats:
    """Log moves of prices, (contracts, steps, 2 x events): all events, then their mirror images."""
    falls = np.array([[path(one.fall(asset)) for one in events] for asset in base_assets])
    return np.asarray(np.concatenate([falls, MIRRORED * falls], axis=1).transpose(0, 2, 1))


class Stress(NamedTuple):
    """The model with the gap of an ordinary step, and that of a worst hour."""

    step: Model
    hour: Model

    def losses(self, logs: Floats) -> Floats:
        """By contract and scenario: each step with its own gap; inventory is held to the end."""
        worst = np.arange(logs.shape[1]) == WORST_HOUR
        found = self.step.losses(logs, ~worst) + self.hour.losses(logs, worst)
        return self._with_inventory(found, logs)

    def alone(self, contract: int, *, signs: Floats) -> Floats:
        """One contract falls, or rises, alone: (contracts, 2). `signs` tell price from place."""
        logs = np.zeros((len(signs), 1, 2))
        logs[contract, 0] = signs[contract] * np.array([ALONE_DOWN, ALONE_UP])
        return self._with_inventory(self.hour.losses(logs), logs)

    def _with_inventory(self, found: Floats, logs: Floats) -> Floats:
        for contract in range(len(found)):
            found[contract] += self.step.held(contract, logs[contract, -1])
        return found

"""Days as they were: what today's book would have lost along each one's own closes (CAL-14).

Every day (UTC) of which the closes are known whole, as a path of its own hours from today's marks.
Nothing is drawn, and nothing is brought to another volatility.
"""

from __future__ import annotations

from datetime import date, time, timedelta
from typing import NamedTuple

import numpy as np

from app.calibration.figures import Floats, Ints
from app.calibration.inputs import history
from app.calibration.losses.model import Model
from app.calibration.runs.setup import Run, model

DAY_HOURS = 24
MIDNIGHT = time()
PART = 125
"""Paths that are worked out at once."""


class OwnDays(NamedTuple):
    """Dates in order, and what each would have cost: (funds, days)."""

    dates: tuple[date, ...]
    losses: Floats


def own_days(run: Run) -> OwnDays:
    """Of all funds of the book, as far as the run's closes go back."""
    dates, rows = whole_days(run)
    steps = run.history.plain[rows] * history.signs(run.book)
    paths = np.cumsum(steps, axis=1).transpose(2, 1, 0)
    lost = losses_of_paths(model(run, run.parameters.gap), paths, len(run.book.funds))
    return OwnDays(dates, lost)


def whole_days(run: Run) -> tuple[tuple[date, ...], Ints]:
    """The days with a close at the end of each step, and the rows of returns that each takes."""
    steps, ends = DAY_HOURS // run.hours, run.history.ends
    before = timedelta(hours=run.hours)
    found = [
        row
        for row in range(len(ends) - steps + 1)
        if (ends[row] - before).time() == MIDNIGHT
        and ends[row + steps - 1] - ends[row] == timedelta(days=1) - before
    ]
    rows = np.array([np.arange(row, row + steps) for row in found], np.int64)
    return tuple((ends[row] - before).date() for row in found), rows.reshape(-1, steps)


def losses_of_paths(book: Model, logs: Floats, funds: int) -> Floats:
    """Of each path, (funds, paths); `logs` are of places, (contracts, steps, paths)."""
    found = np.zeros((funds, logs.shape[2]))
    for begin in range(0, logs.shape[2], PART):
        part = slice(begin, begin + PART)
        by_contract = book.all_losses(np.ascontiguousarray(logs[:, :, part]))
        np.add.at(found[:, part], book.funds, by_contract)
    return found

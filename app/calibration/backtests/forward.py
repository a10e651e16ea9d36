"""WalkForward-forward: had it been said each time, how often would more have been lost (CAL-14)?

On today's book. A row is a whole horizon, and shares no hour with another. What is said of a row is
the quantile of the rows before it, by the run's own method with one step. What happened is the
row's own move, in proportion to the one that the rows before it let expect.

Both are told at today's volatility, as all scenarios are: a day of a wild month, at half its
volatility, is as much of a surprise as it was. So each row is worked out once as a scenario and
once as what happened, however many rows follow it. The common scale is all that a row's estimate
knows of what came later; it moves estimate and outcome alike.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from app.calibration import figures, paths
from app.calibration.backtests.days import losses_of_paths
from app.calibration.figures import Floats
from app.calibration.inputs import history
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes
from app.calibration.losses.model import Model
from app.calibration.runs.setup import model, prepare
from app.jobs.parameters import Parameters

LEVELS = (0.99, 0.999)
"""What is tested; at the second there is little power (CAL-14)."""
LEAST_ROWS = 500
"""Rows that the first estimate is made of."""
MOST_ROWS = 5000
"""The newest rows, which are all that is looked at."""


class Exceeded(NamedTuple):
    """A row that cost a fund more than the quantile of those before it."""

    row: int
    level: float
    loss: float
    quantile: float


class WalkForward(NamedTuple):
    """How many rows there were, when each that was tested ended, and by fund what was exceeded."""

    rows: int
    ends: tuple[datetime, ...]
    exceeded: tuple[tuple[Exceeded, ...], ...]


def walk_forward(book: PositionBook, prices: Closes, parameters: Parameters) -> WalkForward:
    """All funds of the book; raises `history.InsufficientHistory`, with 500 rows too few too."""
    whole = thinned(prices, parameters)
    run = prepare(book, whole, parameters, ())
    rows = len(run.history.plain)
    if rows <= LEAST_ROWS:
        detail = f"{rows} horizons of prices: a backtest needs more than {LEAST_ROWS}"
        raise history.InsufficientHistory("insufficient_price_history", detail)
    estimated = run.history.filtered.returns
    happened = estimated * surprise(run.history.plain, parameters, whole.hours)
    lost, signs, funds = model(run, parameters.gap), history.signs(book), len(book.funds)
    both = (losses(lost, one * signs, funds) for one in (estimated, happened))
    found = tuple(tuple(exceeded(*of_fund)) for of_fund in zip(*both, strict=True))
    return WalkForward(rows, run.history.ends[LEAST_ROWS:], found)


def thinned(prices: Closes, parameters: Parameters) -> Closes:
    """Closes a horizon apart, the newest one's included."""
    step = -(-parameters.horizon_hours // prices.hours)
    chosen = slice((len(prices.closes) - 1) % step, None, step)
    newest = slice(-MOST_ROWS - 1, None)
    return replace(
        prices,
        hours=prices.hours * step,
        times=prices.times[chosen][newest],
        closes=prices.closes[chosen][newest],
    )


def surprise(returns: Floats, parameters: Parameters, hours: int) -> Floats:
    """By row and contract: the volatility of its time, as a part of what was expected of it.

    Below 1 where the rows before it, by their long-run volatility, let expect more (CAL-7).
    """
    if parameters.filter == "none" or not parameters.volatility_floor:
        return np.ones_like(returns)
    past, _ = paths.volatilities(returns, float(parameters.decay_per_day) ** (hours / 24))
    before = np.cumsum(returns[:-1] ** 2, axis=0) / np.arange(1, len(returns))[:, None]
    floor = np.sqrt(np.vstack([np.zeros_like(returns[:1]), before]))
    return np.divide(past, np.maximum(past, floor), out=np.ones_like(past), where=floor > 0)


def losses(book: Model, logs: Floats, funds: int) -> Floats:
    """Of each row, in one step: (funds, rows). `logs` are by row and contract, of places."""
    return losses_of_paths(book, np.ascontiguousarray(logs.T)[:, None], funds)


def exceeded(estimated: Floats, happened: Floats) -> Iterator[Exceeded]:
    """Which rows cost more than the quantile of all estimates before them, in order."""
    before = sorted(estimated[:LEAST_ROWS].tolist())
    for row in range(LEAST_ROWS, len(estimated)):
        for level in LEVELS:
            quantile = figures.linear(before, level)
            if happened[row] > quantile:
                yield Exceeded(row, level, float(happened[row]), quantile)
        insort(before, float(estimated[row]))

"""Walk-forward, against the same done row after row (CAL-14)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from app.calibration import figures, paths
from app.calibration.backtests import forward
from app.calibration.backtests.forward import Exceeded, walk_forward
from app.calibration.figures import Floats
from app.calibration.inputs import history
from app.calibration.inputs.book import PositionBook
from app.calibration.inputs.history import Closes
from app.calibration.runs.setup import Run, model, prepare
from app.jobs.parameters import Parameters
from tests.calibration import positions

PLAIN = Parameters(filter="none", impact_factor=Decimal(0))
DEFAULT = Parameters()
UNFLOORED = Parameters(volatility_floor=False, gap=Decimal("0.5"))


def costs(run: Run) -> Callable[[Floats], Floats]:
    """Of one step, by fund and row of log returns of prices."""
    lost, signs, funds = model(run, run.parameters.gap), history.signs(run.book), run.book.funds
    return lambda prices: forward.losses(lost, np.atleast_2d(prices) * signs, len(funds))


def above(row: int, happened: float, estimates: Floats) -> list[Exceeded]:
    quantiles = [(level, figures.quantile(estimates, level)) for level in forward.LEVELS]
    return [Exceeded(row, level, happened, one) for level, one in quantiles if happened > one]


def slowly(book: PositionBook, prices: Closes, parameters: Parameters) -> list[list[Exceeded]]:
    """Each row's estimate by itself, from the returns before it and today's volatility."""
    run = prepare(book, prices, parameters, ())
    returns, decay = run.history.plain, float(parameters.decay_per_day)
    found: list[list[Exceeded]] = [[] for _ in book.funds]
    cost, today = costs(run), np.ones(returns.shape[1])
    if parameters.filter == "ewma":
        _, today = paths.volatilities(returns, decay)
        if parameters.volatility_floor:
            today = np.maximum(today, np.sqrt((returns**2).mean(axis=0)))
    for row in range(forward.LEAST_ROWS, len(returns)):
        before, expected, estimates = returns[:row], today, returns[:row]
        if parameters.filter == "ewma":
            past, expected = paths.volatilities(before, decay)
            if parameters.volatility_floor:
                expected = np.maximum(expected, np.sqrt((before**2).mean(axis=0)))
            estimates = before / past * today
        estimated = cost(estimates)
        happened = cost(returns[row] / expected * today)
        for fund in range(len(book.funds)):
            found[fund] += above(row, float(happened[fund, 0]), estimated[fund])
    return found


@pytest.mark.parametrize("parameters", [DEFAULT, PLAIN, UNFLOORED])
@pytest.mark.parametrize("inverse", [False, True])
def test_it_is_what_row_after_row_gives(parameters: Parameters, inverse: bool) -> None:
    book = positions.book(3, inverse=inverse)
    prices = positions.prices(5, book, rows=640, late=100)
    walk, slow = walk_forward(book, prices, parameters), slowly(book, prices, parameters)
    assert (walk.rows, len(walk.ends), walk.ends[-1]) == (640, 140, book.time)
    assert sum(map(len, slow)) > 1
    for fast, one in zip(walk.exceeded, slow, strict=True):
        assert [(found.row, found.level) for found in fast] == [
            (found.row, found.level) for found in one
        ]
        assert [found[2:] for found in fast] == [pytest.approx(found[2:]) for found in one]


def test_the_scale_decides_nothing() -> None:
    """One contract, all on one side: at the volatility of its time a row is exceeded if it is at
    today's."""
    book = positions.book(4, accounts=40, contracts=1, funds=1)
    long = book.quantity > 0
    book = positions.only(book, long)
    prices = positions.prices(4, book, rows=1200)
    run = prepare(book, prices, DEFAULT, ())
    cost, returns, found = costs(run), run.history.plain, []
    for row in range(forward.LEAST_ROWS, len(returns)):
        then = paths.filtered(returns[:row], float(DEFAULT.decay_per_day)).returns
        happened = float(cost(returns[row])[0, 0])
        found += above(row, happened, cost(then)[0])
    walk = walk_forward(book, prices, DEFAULT)
    assert [one[:2] for one in walk.exceeded[0]] == [one[:2] for one in found]
    assert len(found) > 2


def test_hours_are_taken_a_horizon_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest horizon ends at the newest close; none shares an hour with another."""
    book = positions.book(1, accounts=5)
    prices = positions.prices(1, book, rows=24 * 510 + 7, hours=1)
    thin = forward.thinned(prices, DEFAULT)
    assert (thin.hours, len(thin.closes), thin.times[-1]) == (24, 511, book.time)
    assert (thin.closes[:-1] == prices.closes[7:-1:24]).all()
    walk = walk_forward(book, prices, DEFAULT)
    assert (walk.rows, walk.ends) == (510, thin.times[501:])
    monkeypatch.setattr(forward, "MOST_ROWS", 505)
    assert walk_forward(book, prices, DEFAULT).ends == walk.ends[-5:]


def test_too_few_rows_are_refused() -> None:
    book = positions.book(1, accounts=5)
    with pytest.raises(history.InsufficientHistory, match="500 horizons"):
        walk_forward(book, positions.prices(1, book, rows=500), DEFAULT)

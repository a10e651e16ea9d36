"""Days along their own closes (CAL-14)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from app.calibration.backtests.days import own_days
from app.calibration.inputs import history
from app.calibration.runs.setup import model, prepare
from app.jobs.parameters import Parameters
from tests.calibration import positions

BOOK = positions.book(6)


def test_each_whole_day_is_a_path_of_its_own_hours() -> None:
    """The last close is at 05:00: the days before it are whole (CAL-14)."""
    prices = positions.prices(6, BOOK, rows=24 * 12 + 7, hours=1)
    later = tuple(time + timedelta(hours=5) for time in prices.times)
    run = prepare(BOOK, replace(prices, times=later), Parameters(), ())
    found = own_days(run)
    assert len(found.dates) == 12
    assert found.dates[-1] == BOOK.time.date() - timedelta(days=1)
    day, lost = 3, model(run, run.parameters.gap)
    begin = later.index(BOOK.time - timedelta(days=12 - day))
    closes = prices.closes[begin : begin + 25]
    logs = np.log(closes[1:] / closes[0]) * history.signs(BOOK)
    by_contract = lost.all_losses(logs.T[:, :, None])[:, 0]
    by_fund = [by_contract[lost.funds == fund].sum() for fund in range(2)]
    assert found.losses[:, day] == pytest.approx(by_fund)
    assert found.losses.max() > 0


def test_days_are_steps_where_there_are_only_days() -> None:
    run = prepare(BOOK, positions.prices(6, BOOK, rows=300), Parameters(), ())
    found = own_days(run)
    assert len(found.dates) == 300
    assert found.dates[-1] == BOOK.time.date() - timedelta(days=1)
    assert found.dates[0] == BOOK.time.date() - timedelta(days=300)


def test_closes_at_odd_times_make_no_day() -> None:
    prices = positions.prices(6, BOOK, rows=300)
    odd = replace(prices, times=tuple(time + timedelta(minutes=7) for time in prices.times))
    found = own_days(prepare(BOOK, odd, Parameters(), ()))
    assert found.dates == ()
    assert found.losses.shape == (2, 0)


def test_a_step_of_which_nothing_is_known_is_in_no_day() -> None:
    """Its day is left out; those after it are where they were."""
    prices = positions.prices(6, BOOK, rows=24 * 15, hours=1)
    closes = prices.closes.copy()
    closes[24 * 3 + 5] = np.nan
    whole = prepare(BOOK, prices, Parameters(), ())
    holed = prepare(BOOK, replace(prices, closes=closes), Parameters(), ())
    assert len(holed.history.ends) == len(whole.history.ends) - 2
    every, left = own_days(whole), own_days(holed)
    assert left.dates == (*every.dates[:3], *every.dates[4:])
    assert left.losses[:, 3:] == pytest.approx(every.losses[:, 4:], rel=0.2)

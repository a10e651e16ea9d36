"""A backtest as it is kept (CAL-14)."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest

from app.api.schemas.backtests import WalkForwardView
from app.calibration import figures
from app.calibration.backtests.days import own_days
from app.calibration.backtests.forward import walk_forward
from app.calibration.backtests.result import backtests, follow
from app.calibration.runs.setup import prepare
from app.engine.numbers import time_text
from app.jobs.parameters import Parameters
from tests.calibration import positions

BOOK = positions.book(3)


def test_what_is_kept_is_what_was_found() -> None:
    """CAL-14: days with their losses, and both levels with tests, power and what was exceeded."""
    run = prepare(BOOK, positions.prices(5, BOOK, rows=760), Parameters(), ())
    told = backtests(run)
    assert json.loads(json.dumps(told)) == told
    days, walk = own_days(run), walk_forward(BOOK, run.prices, run.parameters)
    for fund, one in enumerate(told):
        assert [day for day, _ in one["days"]] == [day.isoformat() for day in days.dates]
        assert [float(loss) for _, loss in one["days"]] == pytest.approx(
            days.losses[fund].tolist(), abs=1e-8
        )
        view = WalkForwardView.model_validate(one["walk_forward"])
        assert (view.horizons, view.tested, view.horizon_hours) == (760, 260, 24)
        assert one["walk_forward"]["last"] == time_text(BOOK.time)
        for level, name in zip(view.levels, (0.99, 0.999), strict=True):
            above = [found for found in walk.exceeded[fund] if found.level == name]
            assert level.confidence == Decimal(str(name))
            assert level.exceedances == len(level.exceeded) == len(above)
            assert float(level.expected) == pytest.approx(260 * (1 - name))
            assert [float(found.loss) for found in level.exceeded] == pytest.approx(
                [found.loss for found in above]
            )
            kupiec = figures.kupiec(260, len(above), 1 - name)
            assert float(level.kupiec.p_value) == pytest.approx(kupiec.p_value, abs=1e-11)
            least, most = level.not_rejected
            assert (least <= len(above) <= most) == (level.kupiec.p_value >= Decimal("0.05"))
            assert 0 < level.power.power < 1
    assert sum(len(found) for found in walk.exceeded) > 1


def test_with_few_horizons_there_are_days_alone() -> None:
    run = prepare(BOOK, positions.prices(5, BOOK, rows=400), Parameters(), ())
    for one in backtests(run):
        assert one["walk_forward"] is None
        assert len(one["days"]) == 400


def test_what_follows_what() -> None:
    hits = np.array([0, 0, 1, 1, 1, 0, 1, 0, 0], dtype=bool)
    assert follow(hits) == (2, 2, 2, 2)
    assert follow(hits[:1]) == (0, 0, 0, 0)
    assert figures.independence(0, 0, 0, 0) == (0, 1)

"""A backtest as the JSON that is kept beside its calibration (CAL-14).

`app/api/schemas/backtests.py` says what each field means. Events are not in it: they are the
calibration's own scenarios against the minimum of the time at which somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.calibration import figures
from app.calibration.backtests.days import OwnDays, own_days
from app.calibration.backtests.forward import LEVELS, WalkForward, walk_forward
from app.calibration.figures import Test
from app.calibration.inputs.history import InsufficientHistory
from app.calibration.runs.result import TWELFTH, Told
from app.calibration.runs.run import money
from app.calibration.runs.setup import Run
from app.engine.numbers import plain, time_text
from app.jobs.light import light

TIMES_AS_MANY = 3
"""Power is told against so many times as many exceedances as there should be."""


def backtests(run: Run) -> list[Told]:
    """By fund of the run's book; `walk_forward` is None where there are too few horizons."""
    days = own_days(run)
    try:
        walk = walk_forward(run.book, run.prices, run.parameters)
    except InsufficientHistory:
        walk = None
    return [
        {
            "days": _days(days, fund),
            "walk_forward": None if walk is None else _walk(run, walk, fund),
        }
        for fund in range(len(run.book.funds))
    ]


def _days(days: OwnDays, fund: int) -> list[list[str]]:
    both = zip(days.dates, days.losses[fund], strict=True)
    return [[day.isoformat(), plain(money(loss))] for day, loss in both]


def _walk(run: Run, walk: WalkForward, fund: int) -> Told:
    return {
        "horizon_hours": run.parameters.horizon_hours,
        "horizons": walk.rows,
        "tested": len(walk.ends),
        "first": time_text(walk.ends[0]),
        "last": time_text(walk.ends[-1]),
        "levels": [*_levels(walk, fund)],
    }


def _levels(walk: WalkForward, fund: int) -> Iterator[Told]:
    """What was exceeded at each level, and whether that is what should be."""
    count = len(walk.ends)
    for level in LEVELS:
        above = [one for one in walk.exceeded[fund] if one.level == level]
        probability = 1 - level
        hits = np.zeros(count, dtype=bool)
        hits[[one.row - (walk.rows - count) for one in above]] = True
        first = figures.kupiec(count, len(above), probability)
        second = figures.independence(*follow(hits))
        true = TIMES_AS_MANY * probability
        yield {
            "confidence": _ratio(level),
            "expected": _ratio(count * probability),
            "exceedances": len(above),
            "light": light(count, len(above), probability),
            "kupiec": _test(first),
            "independence": _test(second),
            "conditional_coverage": _test(figures.coverage(first, second)),
            "not_rejected": [*figures.not_rejected(count, probability)],
            "power": {
                "true_probability": _ratio(true),
                "power": _ratio(figures.power(count, probability, true)),
            },
            "exceeded": [
                {
                    "time": _ended(walk, one.row),
                    "loss": plain(money(one.loss)),
                    "quantile": plain(money(one.quantile)),
                }
                for one in above
            ],
        }


def follow(hits: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """How often a calm horizon follows a calm one, one that is exceeded follows it, a calm one
    follows that, and another."""
    before, after = hits[:-1], hits[1:]
    pairs = ((~before, ~after), (~before, after), (before, ~after), (before, after))
    calm, begins, ends, goes_on = (int((one & other).sum()) for one, other in pairs)
    return calm, begins, ends, goes_on


def _ended(walk: WalkForward, row: int) -> str:
    end: datetime = walk.ends[row - (walk.rows - len(walk.ends))]
    return time_text(end)


def _test(found: Test) -> dict[str, Any]:
    return {"ratio": _ratio(found.ratio), "p_value": _ratio(found.p_value)}


def _ratio(value: float) -> str:
    return plain(Decimal(value).quantize(TWELFTH, ROUND_HALF_EVEN))

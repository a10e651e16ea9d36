"""Backtests: what a calibration's method would have said before, and what happened (CAL-14)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from pydantic import Field

from app.api.schemas.base import Asset, CalibrationId, Exact, FundId, Symbol, Time, View, example
from app.jobs.light import Light

EVENT: dict[str, Any] = {
    "scenario": "2020-03-12",
    "symbol": None,
    "loss": "41000000",
    "share_of_minimum": "0.353448275862",
    "covered": True,
    "share_of_in_force": "0.394230769231",
    "covered_by_in_force": True,
}
LEVEL: dict[str, Any] = {
    "confidence": "0.99",
    "expected": "2.3",
    "exceedances": 3,
    "light": "green",
    "kupiec": {"ratio": "0.19633421", "p_value": "0.65770118"},
    "independence": {"ratio": "0.07964891", "p_value": "0.77777142"},
    "conditional_coverage": {"ratio": "0.27598312", "p_value": "0.87110633"},
    "not_rejected": [0, 6],
    "power": {"true_probability": "0.03", "power": "0.5421"},
    "exceeded": [
        {"time": "2026-10-11T20:00:00.000000Z", "loss": "98000000", "quantile": "61000000"}
    ],
}
EXAMPLE: dict[str, Any] = {
    "calibration_id": "c-31",
    "fund_id": "usdt-major",
    "asset": "USDT",
    "required_minimum": "116000000",
    "in_force": "104000000",
    "events": [EVENT],
    "walk_forward": {
        "horizon_hours": 24,
        "horizons": 730,
        "tested": 230,
        "first": "2026-04-13T20:00:00.000000Z",
        "last": "2026-11-28T20:00:00.000000Z",
        "levels": [LEVEL],
    },
    "days": [
        {
            "date": "2025-10-10",
            "loss": "87000000",
            "share_of_minimum": "0.75",
            "covered": True,
        }
    ],
}


class EventView(View):
    """A scenario of the stress library against the minimum.

    `share_of_minimum` is the loss as a part of the calibration's minimum, null of nothing; the
    same is told of the minimum in force, where there is one.
    """

    scenario: str
    symbol: Symbol | None
    loss: Exact
    share_of_minimum: Exact | None
    covered: bool
    share_of_in_force: Exact | None
    covered_by_in_force: bool | None


class TestView(View):
    """A likelihood ratio, and the probability of one as large or larger if all is well."""

    ratio: Exact
    p_value: Exact


class PowerView(View):
    """How probably Kupiec's test, which rejects what is right in 5 % of all cases, would find out
    that exceedances have this probability instead."""

    true_probability: Exact
    power: Exact


class ExceededView(View):
    """A horizon, by its end, with a loss beyond the quantile of those before it; both are told at
    the volatility of the calibration's time."""

    time: Time
    loss: Exact
    quantile: Exact


class LevelView(View):
    """What was exceeded at a confidence, and whether that is as often as it should be.

    `not_rejected` are the least and the most exceedances that Kupiec's test lets pass. The other
    two are Christoffersen's: do they come alone, and both at once?
    """

    confidence: Exact
    expected: Exact
    exceedances: int
    light: Light
    kupiec: TestView
    independence: TestView
    conditional_coverage: TestView
    not_rejected: tuple[int, int]
    power: PowerView
    exceeded: list[ExceededView]


class WalkForwardView(View):
    """The method on today's book, each horizon estimated from those before it alone.

    Of all `horizons`, none of which shares an hour with another, those after the first 500 are
    `tested`; `first` and `last` are when the first and the last of these end.
    """

    horizon_hours: int
    horizons: int
    tested: int
    first: Time
    last: Time
    levels: list[LevelView]


class OwnDayView(View):
    """What the book would have lost on a day (UTC), along the day's own closes."""

    date: dt.date
    loss: Exact
    share_of_minimum: Exact | None
    covered: bool


class CalibrationBacktestView(View):
    """A calibration against what has happened (CAL-14).

    `walk_forward` is null where there are too few horizons. `in_force` is what the fund must hold
    now, null where that is nothing.
    """

    calibration_id: CalibrationId
    fund_id: FundId
    asset: Asset
    required_minimum: Exact
    in_force: Exact | None
    events: list[EventView]
    walk_forward: WalkForwardView | None
    days: list[OwnDayView] = Field(description="Those asked for; else the ten that cost most.")

    model_config = example(EXAMPLE)


class LiveDayView(View):
    """A day (UTC) on which a fund lost more than the quantile of the calibration then in force."""

    date: dt.date
    loss: Exact
    quantile: Exact
    calibration_id: CalibrationId


class LiveBacktestView(View):
    """What a fund lost day by day, against the quantile in force when each day began (CAL-14).

    `days` were looked at, from `first` to `last`; `expected` of them should be exceeded.
    """

    fund_id: FundId
    asset: Asset
    confidence: Exact | None
    days: int
    first: dt.date | None
    last: dt.date | None
    expected: Exact
    exceedances: int
    light: Light
    exceeded: list[LiveDayView]

    model_config = example(
        {
            "fund_id": "usdt-major",
            "asset": "USDT",
            "confidence": "0.999",
            "days": 365,
            "first": "2025-11-28",
            "last": "2026-11-27",
            "expected": "0.365",
            "exceedances": 1,
            "light": "green",
            "exceeded": [
                {
                    "date": "2026-10-11",
                    "loss": "131000000",
                    "quantile": "115807318.69",
                    "calibration_id": "c-19",
                }
            ],
        }
    )

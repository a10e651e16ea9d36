"""Whole runs against the rules done naively: scope by scope, hour by hour (CAL-1 to CAL-10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_CEILING, Context, Decimal

import numpy as np
import pytest

from app.calibration.runs.run import calibrate, prepare
from app.catalogue import stress
from app.jobs.parameters import Parameters
from tests.calibration import positions
from tests.calibration.naive import Naive

SOME = Parameters(confidence=Decimal("0.9"), scenarios=150, seed=3, tail_count=50)
CASES = [
    (1, SOME, False, 1, 0),
    (2, replace(SOME, gap=Decimal("0.4"), horizon_hours=8), False, 1, 60),
    (3, replace(SOME, filter="none", impact_factor=Decimal(0), cover_n=3), True, 1, 0),
    (4, replace(SOME, volatility_floor=False, buffer=Decimal("0.25")), True, 1, 300),
    (5, replace(SOME, stress_gap=Decimal(1), impact_cap=Decimal("0.01")), False, 24, 30),
    (6, replace(SOME, horizon_hours=6, mean_block_steps=2, impact_factor=Decimal(9)), False, 1, 0),
]
"""Seed, parameters, whether the contracts are inverse, hours of a step, rows that one has not."""


def quantile(losses: Sequence[float], level: float) -> float:
    """Linear, by its definition."""
    ordered, place = sorted(losses), level * (len(losses) - 1)
    low = int(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(losses) - 1)] - ordered[low])


@pytest.mark.parametrize(("seed", "parameters", "inverse", "hours", "late"), CASES)
def test_a_run_is_what_the_rules_say(
    seed: int, parameters: Parameters, inverse: bool, hours: int, late: int
) -> None:
    """Isolated and cross, hedged, with inventory, several funds: simulated, with its bands,
    stressed, Cover-N and the minimum."""
    book = positions.book(seed, accounts=14, funds=3, inverse=inverse)
    prices = positions.prices(seed, book, rows=420, hours=hours, late=late)
    if seed == 1:
        prices = replace(prices, volume=np.zeros(len(prices.volume)))
    made = calibrate(prepare(book, prices, parameters, stress.crashes()))
    naive = Naive(book, prices, parameters, stress.crashes())
    drawn, gap = naive.drawn(), float(parameters.gap)
    lost = [naive.losses(naive.path(rows), lambda _step: gap) for rows in drawn]
    stressed, cover, level = naive.stressed(), naive.cover(), float(parameters.confidence)
    eighth = np.repeat(np.arange(8), [len(part) for part in np.array_split(np.arange(420), 8)])
    assert sum(one.simulated.quantile > 0 for one in made) > 1
    for fund, one in enumerate(made):
        mine = [losses[fund] for losses in lost]
        least = quantile(mine, level)
        assert one.simulated.quantile == pytest.approx(least, rel=1e-9, abs=1e-9)
        beyond = [loss for loss in mine if loss >= least * (1 - 1e-12)]
        shortfall = sum(beyond) / len(beyond)
        assert one.simulated.expected_shortfall == pytest.approx(shortfall, rel=1e-9, abs=1e-9)
        kept = [
            [loss for loss, rows in zip(mine, drawn, strict=True) if part not in eighth[rows]]
            for part in range(8)
        ]
        found = [quantile(some, level) for some in kept if some]
        band = (min(found), max(found)) if found else (None, None)
        assert one.simulated.history_band == pytest.approx(band, rel=1e-9, abs=1e-9)
        told = {name: scenario.loss for name, scenario in one.stressed.scenarios.items()}
        asked = {name: losses[fund] for name, losses in stressed.items() if name in told}
        assert told == pytest.approx(asked, rel=1e-9, abs=1e-9)
        assert len(told) >= 2 * len(stress.crashes())
        assert one.cover.loss == pytest.approx(cover[fund], rel=1e-9, abs=1e-9)
        most = Decimal(max(least, *told.values(), cover[fund])) * (1 + parameters.buffer)
        rounded = Context(prec=3, rounding=ROUND_CEILING).plus(most.quantize(Decimal("1e-8")))
        assert one.required_minimum == rounded

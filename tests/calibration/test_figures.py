"""Quantiles, bands, tails and backtests against published numbers (CAL-8, CAL-14)."""

from __future__ import annotations

import numpy as np
import pytest

from app.calibration import figures
from app.calibration.figures import Tail


def test_the_quantile_is_linear_and_the_shortfall_the_mean_beyond() -> None:
    """CAL-2's four losses."""
    losses = np.array([0.0, 50.0, 400.0, 200.0])
    assert figures.quantile(losses, 0.999) == pytest.approx(399.40, abs=1e-12)
    assert figures.expected_shortfall(losses, 0.999) == 400


def test_it_is_the_same_from_the_largest_alone() -> None:
    losses = np.random.default_rng(1).exponential(size=5000)
    largest = np.sort(losses)[::-1][:10]
    assert figures.linear_from_top(largest, 5000, 0.999) == figures.quantile(losses, 0.999)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [
        (1624, (1620, None)), (3687, (3679, None)), (3688, (3680, 3688)), (4061, (4053, 4061)),
        (10_000, (9983, 9997)), (20_000, (19_971, 19_989)), (38_973, (38_921, 38_947)),
        (100_000, (99_880, 99_920)),
    ],
)  # fmt: skip
def test_the_draw_band_is_of_exact_order_statistics(
    count: int, ranks: tuple[int, int | None]
) -> None:
    """As `scipy.stats.quantile_test` has them; below 3,688 rows there is no upper end (CAL-8)."""
    assert figures.draw_ranks(count, 0.999) == ranks


def test_the_history_band_leaves_out_each_part() -> None:
    losses, touched = np.arange(8.0), np.eye(8, dtype=bool)
    band = figures.history_band(losses, touched, 1.0)
    assert (band.low, band.high) == (6, 7)
    assert figures.history_band(losses, np.ones((8, 8), dtype=bool), 1.0) == (None, None)
    assert np.bincount(figures.parts_of(20)).tolist() == [3, 3, 3, 3, 2, 2, 2, 2]


def test_the_tail_of_the_danish_fires() -> None:
    """evir's `riskmeasures` of its Danish data, and Hull's example."""
    danish = Tail(10, 109, 2167, 0.4968062, 6.9745523)
    assert danish.quantile(0.999) == pytest.approx(94.28956, abs=1e-4)
    assert danish.expected_shortfall(0.999) == pytest.approx(191.3697, abs=1e-4)
    assert danish.quantile(0.9999) == pytest.approx(304.62448, abs=1e-4)
    hull = Tail(160, 22, 500, 0.436, 32.532)
    assert hull.quantile(0.99) == pytest.approx(227.7393, abs=1e-4)
    assert hull.expected_shortfall(0.99) == pytest.approx(337.7860, abs=1e-4)
    assert Tail(0, 10, 100, 1.0, 1.0).expected_shortfall(0.99) is None
    assert Tail(0, 10, 100, 0.0, 2.0).quantile(0.99) == pytest.approx(2 * np.log(10))


def test_a_tail_is_found_again() -> None:
    random = np.random.default_rng(3)
    losses = np.sort((random.uniform(size=20_000) ** -0.4 - 1) / 0.4 * 5)[::-1]
    tail = figures.fit_tail(losses, 2000, len(losses))
    assert tail is not None
    assert tail.xi == pytest.approx(0.4, abs=0.07)
    assert tail.quantile(0.999) == pytest.approx(figures.quantile(losses, 0.999), rel=0.15)
    assert figures.fit_tail(np.ones(1000), 500, 1000) is None
    assert figures.fit_tail(losses[:10], 500, 10) is None


def test_kupiec_and_christoffersen() -> None:
    """Jorion's chapter 6 and its question 10; MathWorks' `varbacktest`."""
    assert figures.kupiec(252, 20, 0.05).ratio == pytest.approx(3.9125508275532)
    assert figures.independence(218, 14, 14, 6).ratio == pytest.approx(9.5295687803364)
    assert figures.kupiec(252, 6, 0.01).ratio == pytest.approx(3.4987766754816)
    assert figures.independence(244, 2, 2, 4).ratio == pytest.approx(25.8374277633602)
    first, second = figures.kupiec(1043, 57, 0.05), figures.independence(932, 53, 53, 4)
    assert first == pytest.approx((0.46146639532895, 0.4969394476804))
    assert second == pytest.approx((0.2586631525858, 0.6110400778479))
    assert figures.coverage(first, second) == pytest.approx((0.7201295479147, 0.6976311362780))


@pytest.mark.parametrize(
    ("days", "probability", "least", "most"),
    [
        (255, 0.01, 1, 6), (510, 0.01, 2, 10), (1000, 0.01, 5, 16),
        (255, 0.05, 7, 20), (510, 0.05, 17, 35), (1000, 0.05, 38, 64),
    ],
)  # fmt: skip
def test_the_regions_of_non_rejection(days: int, probability: float, least: int, most: int) -> None:
    """Kupiec's table of 1995, which leaves out that no exceedance in 255 days is too few."""
    assert figures.not_rejected(days, probability) == (least, most)
    kept = [figures.kupiec(days, n, probability).p_value > 0.05 for n in (least - 1, least, most)]
    assert [*kept, figures.kupiec(days, most + 1, probability).p_value > 0.05] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("days", "least", "most", "found"),
    [(365, 0, 2, 0.0983), (1624, 0, 4, 0.5370), (4061, 1, 8, 0.8570)],
)
def test_how_little_can_be_tested_at_99_9(days: int, least: int, most: int, found: float) -> None:
    """Three times as many exceedances as there should be: who finds out (CAL-14)?"""
    assert figures.not_rejected(days, 0.001) == (least, most)
    assert figures.power(days, 0.001, 0.003) == pytest.approx(found, abs=1e-4)
    assert figures.power(days, 0.001, 0.001) < 0.06


def test_nothing_that_could_be_tested_is_no_error() -> None:
    """No exceedance at all, or nothing else: 0 x log 0 is 0."""
    assert figures.kupiec(10, 0, 0.01).ratio == pytest.approx(-20 * np.log(0.99))
    assert figures.kupiec(10, 10, 0.01).ratio == pytest.approx(-20 * np.log(0.01))
    assert figures.independence(9, 0, 0, 0) == (0, 1)
    assert figures.independence(0, 0, 0, 9) == (0, 1)

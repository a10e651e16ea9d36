"""The traffic light, against the Basel Committee's table (CAL-14)."""

from __future__ import annotations

import pytest
from scipy import stats

from app.jobs.light import Light, at_most, light


def test_the_supervisors_table() -> None:
    """BCBS, January 1996, table 2: 250 days at 1 %, in percent."""
    found = [round(100 * at_most(250, number, 0.01), 2) for number in range(11)]
    assert found == [8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99]
    assert [light(250, number, 0.01) for number in (0, 4, 5, 9, 10)] == [
        "green", "green", "yellow", "yellow", "red",
    ]  # fmt: skip


@pytest.mark.parametrize(("days", "green", "yellow"), [(365, 1, 3), (1624, 3, 7), (4061, 7, 12)])
def test_the_zones_at_99_9(days: int, green: int, yellow: int) -> None:
    """The most that is green, and the most that is yellow."""
    found = [light(days, number, 0.001) for number in (0, green, green + 1, yellow, yellow + 1)]
    told: list[Light] = ["green", "green", "yellow", "yellow", "red"]
    assert found == told


@pytest.mark.parametrize("days", [1, 14, 365, 3650])
@pytest.mark.parametrize("probability", [0.1, 0.01, 0.001, 0.0001])
def test_it_is_the_binomial_distribution(days: int, probability: float) -> None:
    for number in (0, 1, 2, 7, 100):
        asked = float(stats.binom.cdf(number, days, probability))
        assert at_most(days, number, probability) == pytest.approx(asked, rel=1e-9)


def test_without_an_exceedance_it_is_green() -> None:
    """However few days there were."""
    assert light(0, 0, 0.001) == light(1, 0, 0.001) == "green"
    assert light(1, 1, 0.001) == "red"

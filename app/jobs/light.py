"""The traffic light of a backtest: are there too many exceedances (CAL-14)?"""

from __future__ import annotations

from typing import Literal

Light = Literal["green", "yellow", "red"]

YELLOW, RED = 0.95, 0.9999
"""From which probability of at most so many a number of exceedances is yellow, and red."""


def at_most(days: int, exceedances: int, probability: float) -> float:
    """The probability of at most so many in so many independent days (binomial)."""
    odds = probability / (1 - probability)
    exactly = found = (1 - probability) ** days
    for number in range(min(exceedances, days)):
        exactly *= (days - number) / (number + 1) * odds
        found += exactly
    return min(found, 1.0)


def light(days: int, exceedances: int, probability: float) -> Light:
    """Green, yellow or red, as the Basel Committee's supervisors have it (BCBS 1996).

    `probability` is that of an exceedance on a day, above 0 and below 1; of no days it is green.
    """
    if not exceedances:
        return "green"
    chance = at_most(days, exceedances, probability)
    return "green" if chance < YELLOW else "yellow" if chance < RED else "red"

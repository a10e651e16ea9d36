"""The stress library: crashes, by what each asset lost in them (CAL-9)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cache
from hashlib import sha256
from importlib import resources
from itertools import accumulate
from math import log1p
from statistics import median
from types import MappingProxyType
from typing import NamedTuple

from app.engine.numbers import plain

LEADERS = ("BTC", "ETH")
UNLIKE_OTHERS = frozenset({*LEADERS, "LUNA", "UST", "FTT"})
"""Measured assets that say nothing of those that were not: the largest, and what broke."""
STEPS = 24
WORST_HOUR = 11
"""The step, from 0, that is a crash's worst hour."""
MIRRORED, MIRROR_IMAGE = -0.5, "-mirrored"
"""Each crash has a mirror image for shorts: log moves half as large, the other way. Its name is the
crash's with this behind it."""
ALONE = "alone-"
"""Before the names of scenarios in which each contract falls, or rises, alone."""


class Fall(NamedTuple):
    """Fractions that were lost in the worst hour, and in the worst 24: 0 < hour <= day < 1."""

    hour: Decimal
    day: Decimal

    def moves(self) -> list[float]:
        """The path: the log moves since the beginning, by step, even but for the worst hour."""
        hour, day = log1p(-self.hour), log1p(-self.day)
        steps = [(day - hour) / (STEPS - 1)] * STEPS
        steps[WORST_HOUR] = hour
        return list(accumulate(steps))


class Crash(NamedTuple):
    """A crash: what was measured, by base asset (at least one)."""

    scenario_id: str
    title: str
    cause: str
    falls: Mapping[str, Fall]

    def fall(self, base_asset: str) -> Fall:
        """What an asset lost; one that was not measured, what the others did at the median.

        Where only assets were measured that are unlike others, it is the median of all of them.
        """
        measured = self.falls.get(base_asset)
        if measured is not None:
            return measured
        others = [fall for asset, fall in self.falls.items() if asset not in UNLIKE_OTHERS]
        among = others or list(self.falls.values())
        return Fall(median(one.hour for one in among), median(one.day for one in among))


@cache
def crashes() -> tuple[Crash, ...]:
    """The library as it comes with this release, oldest first."""
    text = resources.files(__package__).joinpath("stress.toml").read_text(encoding="utf-8")
    rows = tomllib.loads(text, parse_float=Decimal)["crash"]
    return tuple(_crash(row) for row in rows)


def _crash(row: dict[str, object]) -> Crash:
    falls = row["falls"]
    assert isinstance(falls, dict)
    found = {asset: Fall(*fractions) for asset, fractions in falls.items()}
    title, cause = str(row["title"]), str(row["cause"])
    return Crash(str(row["id"]), title, cause, MappingProxyType(found))


def digest(scenarios: Iterable[Crash]) -> str:
    """SHA-256 of the lines `scenario|asset|hour|day`, sorted: a run's `stress_hash` (CAL-11)."""
    lines = [
        f"{one.scenario_id}|{asset}|{plain(fall.hour)}|{plain(fall.day)}"
        for one in scenarios
        for asset, fall in one.falls.items()
    ]
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()

"""The table that a run prints: each row ours beside a floor or a peer, and its goal."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

GOAL_SIGNS = {True: "≥", False: "≤"}


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: `ratio`, the median of paired ratios, is in units of what is beside ours."""

    what: str
    ours: str
    beside: str
    ratio: float
    unit: str
    goal: float | None = None
    at_least: bool = True

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.ratio >= self.goal if self.at_least else self.ratio <= self.goal

    def cells(self) -> tuple[str, ...]:
        """The row as texts."""
        goal = ""
        if self.goal is not None:
            goal = f"{GOAL_SIGNS[self.at_least]} {short(self.goal)} {self.unit}"
        mark = {True: "yes", False: "**no**", None: ""}[self.reached]
        return self.what, self.ours, self.beside, f"{short(self.ratio)} {self.unit}", goal, mark


def markdown(rows: Iterable[Row], notes: Sequence[str]) -> str:
    """The table with machine and date."""
    head = ("what", "ours", "beside it", "measured", "goal", "reached")
    lines = [head, tuple("---" for _ in head), *(row.cells() for row in rows)]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
    return "\n".join([f"{machine()}.", "", table, "", *(f"- {note}" for note in notes)])


def machine() -> str:
    """Where and when: processor, cores in use, system, date, load."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    date = datetime.now(UTC).strftime("%Y-%m-%d")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{date}, {_processor()}, {cores} cores shared by client, service and PostgreSQL, "
        f"{platform.system()}, Python {platform.python_version()}, load average at the end {load}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def short(number: float) -> str:
    """A number to three digits, thousands with a comma."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def per_second(rates: Sequence[float]) -> str:
    """The median of rates."""
    return f"{short(median(rates))}/s"


def duration(seconds: float) -> str:
    """A time in the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if seconds * scale >= 1:
            return f"{short(seconds * scale)} {unit}"
    return f"{short(seconds * 1e6)} µs"


def say(line: str) -> None:
    """Progress, on the way to the table."""
    print(f"  {line}", flush=True)

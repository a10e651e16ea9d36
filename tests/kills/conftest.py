"""The figures that these tests measure, printed at the end of the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from statistics import median

import pytest

MEASURED = "seconds: "
"""Begins the properties of a test's report that hold such a figure."""


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Callable[[str, float], None]:
    """Note seconds by what they are of. They travel with the report: tests run in processes."""
    return lambda name, seconds: record_property(MEASURED + name, seconds)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds from a kill to the first acknowledged write."""
    figures: defaultdict[str, list[float]] = defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, seconds in report.user_properties:
                if name.startswith(MEASURED):
                    figures[name.removeprefix(MEASURED)].append(seconds)
    if not figures:
        return
    terminalreporter.section("seconds from a kill to the first acknowledged write")
    for name, measured in figures.items():
        middle, longest = median(measured), max(measured)
        terminalreporter.line(f"{name}: {len(measured)} x, median {middle:.2f}, most {longest:.2f}")

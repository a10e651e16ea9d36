"""The figures that these tests measure, printed at the end of the run."""

from __future__ import annotations

from statistics import median

import pytest

MEASURED = pytest.StashKey[dict[str, list[float]]]()


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> dict[str, list[float]]:
    """Seconds by what they are of, for the summary."""
    return request.config.stash.setdefault(MEASURED, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds from a kill to the first acknowledged write."""
    figures = terminalreporter.config.stash.get(MEASURED, {})
    if not figures:
        return
    terminalreporter.section("seconds from a kill to the first acknowledged write")
    for name, seconds in figures.items():
        middle, longest = median(seconds), max(seconds)
        terminalreporter.line(f"{name}: {len(seconds)} x, median {middle:.2f}, most {longest:.2f}")

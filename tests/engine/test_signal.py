"""Flush, squeeze or calm: worked numbers, and every window as a look at single events (SIG-1)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.figures.signal import HOUR, Hour, Signal, SignalReading, readings
from app.engine.numbers import EXACT

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FLUSH: Signal = "long_flush"
SQUEEZE: Signal = "short_squeeze"
CALM: Signal = "calm"


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    with localcontext(EXACT):
        yield


def hours(*rows: tuple[str, str, str, str]) -> list[Hour]:
    """High, result, longs and shorts of hours from noon on."""
    return [
        Hour(NOON + number * HOUR, *(Decimal(value) for value in row))
        for number, row in enumerate(rows)
    ]


def only(*rows: tuple[str, str, str, str]) -> SignalReading:
    """What a window of just these hours says."""
    (found,) = readings(hours(*rows), len(rows))
    return found


def test_longs_are_flushed_out() -> None:
    """SIG-1: 1,000,000, then 30,000 lost and 40,000; of 800,000 liquidated 600,000 were longs."""
    found = only(
        ("1000000", "0", "0", "0"),
        ("1000000", "-30000", "400000", "50000"),
        ("972000", "-40000", "200000", "150000"),
    )
    assert found == SignalReading(
        time=NOON + 3 * HOUR, signal="long_flush", drawdown=Decimal("0.07"), lost=Decimal(70000),
        peak=Decimal(1000000), long_share=Decimal("0.75"), longs=Decimal(600000),
        shorts=Decimal(200000),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "signal", "share"),
    [
        (("1000", "-50", "60", "40"), FLUSH, "0.6"),
        (("1000", "-50", "59.9", "40.1"), CALM, "0.599"),
        (("1000", "-49.99999999", "100", "0"), CALM, "1"),
        (("1000", "-50", "40", "60"), SQUEEZE, "0.4"),
        (("1000", "-50", "40.1", "59.9"), CALM, "0.401"),
        (("1000", "-50", "0", "0.00000001"), SQUEEZE, "0"),
        (("1000", "-50", "0", "0"), CALM, None),
        (("1000", "50", "100", "0"), CALM, "1"),
        (("0", "-1", "100", "0"), CALM, "1"),
    ],
)
def test_thresholds(row: tuple[str, str, str, str], signal: str, share: str | None) -> None:
    """SIG-1: both are reached at 0.05 and 0.6; a fund without money has lost nothing."""
    found = only(row)
    assert (found.signal, found.long_share) == (signal, Decimal(share) if share else None)


def test_only_losses_count_and_from_their_highest_point() -> None:
    """What was gained of inventory before is lost first; what was deployed is no loss."""
    gained = only(("1000", "20", "0", "0"), ("1020", "-80", "1", "0"))
    assert (gained.lost, gained.peak) == (Decimal(80), Decimal(1020))
    healed = only(("1000", "-80", "1", "0"), ("1000", "60", "0", "0"))
    assert (healed.lost, healed.drawdown, healed.signal) == (Decimal(20), Decimal("0.02"), CALM)
    deployed = only(("1000", "0", "1", "0"), ("400", "0", "0", "0"))
    assert (deployed.drawdown, deployed.signal) == (Decimal(0), CALM)


def test_what_is_before_a_window_is_over() -> None:
    rows = hours(("1000", "-100", "5", "0"), ("900", "0", "0", "0"), ("900", "-45", "0", "7"))
    two = list(readings(rows, 2))
    assert [(one.time - NOON) / HOUR for one in two] == [2, 3]
    assert [one.signal for one in two] == [FLUSH, SQUEEZE]
    assert [one.peak for one in two] == [1000, 900]
    assert [one.lost for one in two] == [100, 45]
    assert list(readings(rows, 4)) == []


amounts = st.integers(0, 10**6).map(lambda number: Decimal(number).scaleb(-2))
results = st.integers(-(10**6), 10**6).map(lambda number: Decimal(number).scaleb(-2))
rows = st.builds(Hour, st.just(NOON), amounts, results, amounts, amounts)


@given(st.lists(rows, max_size=30), st.integers(1, 12))
def test_every_window(drawn: list[Hour], window: int) -> None:
    """As naively as can be: the deepest fall from any earlier point to the window's end."""
    given_hours = [hour._replace(time=NOON + n * HOUR) for n, hour in enumerate(drawn)]
    found = list(readings(given_hours, window))
    assert len(found) == max(0, len(drawn) - window + 1)
    for number, one in enumerate(found):
        seen = given_hours[number : number + window]
        falls = [-sum(h.result for h in seen[start:]) for start in range(window + 1)]
        assert one.lost == max(falls)
        assert one.peak == max(hour.high for hour in seen)
        assert one.longs == sum(hour.longs for hour in seen)
        assert one.shorts == sum(hour.shorts for hour in seen)
        if one.signal == "calm":
            continue
        assert one.lost * 20 >= one.peak > 0
        assert one.long_share is not None
        side = one.longs if one.signal == "long_flush" else one.shorts
        assert side * 5 >= 3 * (one.longs + one.shorts)

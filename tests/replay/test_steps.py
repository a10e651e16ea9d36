"""Merging, candle paths, steps."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from app.replay.inputs import Candle, InputError, Window
from app.replay.steps import candle_path, joined, steps, survey
from tests.replay.test_inputs import CANDLES, QUOTES, TRADES, write

D = Decimal
FALLING = Candle(0, "A", D(1000), D("1000.2"), D("999.6"), D("999.8"))
RISING = Candle(0, "A", D("999.8"), D("1000.2"), D("999.6"), D(1000))


@pytest.mark.parametrize(
    ("candle", "ticks", "prices"),
    [
        (FALLING, 1, "999.8"),
        (FALLING, 2, "999.6 999.8"),
        (FALLING, 3, "1000.2 999.6 999.8"),
        (FALLING, 4, "1000 1000.2 999.6 999.8"),
        (RISING, 4, "999.8 999.6 1000.2 1000"),
        (FALLING, 5, "1000 1000.2 999.9 999.6 999.8"),
        (FALLING, 6, "1000 1000.2 1000 999.8 999.6 999.8"),
    ],
)
def test_the_path_through_a_candle(candle: Candle, ticks: int, prices: str) -> None:
    points = candle_path(candle, ticks)
    assert [point.price for point in points] == [D(price) for price in prices.split()]
    assert [point.time for point in points] == [n * (60_000 // ticks) for n in range(ticks)]


def test_a_long_way_takes_more_ticks() -> None:
    crash = Candle(0, "A", D(1000), D(1000), D(950), D(960))
    prices = [point.price for point in candle_path(crash, 4)]
    assert len(prices) == 8
    assert min(prices) == 950
    steps_ = [abs(b - a) / a for a, b in pairwise(prices)]
    assert max(steps_) < D("0.012")


def test_a_small_price_is_not_rounded_away() -> None:
    tiny = Candle(0, "A", *map(D, ("4.321E-9", "4.321E-9", "4.300E-9", "4.300E-9")))
    prices = [point.price for point in candle_path(tiny, 6)]
    assert prices == sorted(prices, reverse=True)
    assert len(set(prices)) > 2
    assert prices[0] == D("4.321E-9")
    assert prices[-1] == D("4.3E-9")


def test_joined_candles_keep_the_extremes() -> None:
    first = Candle(0, "A", D(10), D(12), D(6), D(8))
    later = Candle(60_000, "A", D(8), D(20), D(7), D(9))
    assert joined([first, later]) == Candle(0, "A", D(10), D(20), D(6), D(9))


def test_inputs_are_merged_by_time(tmp_path: Path) -> None:
    other = CANDLES.replace(",58", ",68")
    paths = [write(tmp_path, CANDLES), write(tmp_path, other, "ETHUSDT_1m.csv")]
    found = list(steps(paths, Window(), 4, 1))
    assert len(found) == 8
    assert [step.time for step in found] == sorted(step.time for step in found)
    assert all(set(step.marks) == {"BTCUSDT", "ETHUSDT"} for step in found)


def test_every_joins_candles(tmp_path: Path) -> None:
    assert len(list(steps([write(tmp_path, CANDLES)], Window(), 4, 2))) == 4


def test_candles_are_the_index(tmp_path: Path) -> None:
    """And the mark, of a contract that nothing else is known of."""
    quotes, files = write(tmp_path, QUOTES, "q.csv"), [write(tmp_path, CANDLES)]
    (first, *_) = steps(files, Window(), 4, 1)
    assert first.marks == first.indexes
    both = survey([quotes, *files], Window())
    assert both.traded == {"BTCUSDT"}
    found = list(steps([quotes, *files], Window(), 4, 1, both.traded))
    assert [step.indexes for step in found if step.indexes] == [
        step.indexes for step in steps(files, Window(), 4, 1)
    ]
    assert [step.marks for step in found if step.marks] == [
        step.marks for step in steps([quotes], Window(), 4, 1)
    ]


def test_quotes_set_the_mark_and_trades_only_without_them(tmp_path: Path) -> None:
    tape = write(tmp_path, TRADES, "t.csv")
    (alone,) = steps([tape], Window(), 4, 1)
    assert alone.marks == {"BTCUSDT": D("61800.30")}
    assert [print_.taker_side for print_ in alone.prints] == ["buy", "sell"]
    (both,) = steps([tape, write(tmp_path, QUOTES, "q.csv")], Window(), 4, 1)
    assert both.marks == {"BTCUSDT": D("61800.05")}
    assert len(both.prints) == 2
    assert both.quotes["BTCUSDT"].bid == 61800


def test_the_survey_finds_first_prices_and_bad_rows(tmp_path: Path) -> None:
    candles, tape = write(tmp_path, CANDLES), write(tmp_path, TRADES, "t.csv")
    found = survey([candles, tape], Window())
    assert (found.candles, found.prints, found.quotes) == (2, 2, 0)
    assert found.first_prices == {"BTCUSDT": D("58240.83")}
    assert (found.start, found.end) == (1620604800000, 1723161256344)
    with pytest.raises(InputError, match="nothing to replay"):
        survey([candles], Window(start=1723161256344))
    candles.write_text(CANDLES + "1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match=":4:"):
        survey([candles, tape], Window())

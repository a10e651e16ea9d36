"""Whose returns a contract takes where it has none of its own (CAL-7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from app.calibration.figures import Floats
from app.calibration.inputs import history
from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.calibration.inputs.history import Closes, InsufficientHistory, StandIn
from app.jobs.parameters import Parameters

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NONE = np.empty(0)
PLAIN = Parameters(filter="none")
ROWS = 300


def book(*funds: int, time: datetime = NOON) -> PositionBook:
    """Contracts C0, C1, ... without positions, each of a fund by its number."""
    terms = [
        ContractTerms(f"C{number}", f"C{number}", fund, False, 1.0, 100.0, np.zeros((1, 3)))
        for number, fund in enumerate(funds)
    ]
    return PositionBook(
        asset="USDT", sequence=1, time=time, contracts=tuple(terms),
        funds=tuple(FundTerms(f"f{fund}", 0.0, 1.0) for fund in sorted(set(funds))),
        account=NONE.astype(int), contract=NONE.astype(int), quantity=NONE, cost=NONE, wallet=NONE,
        cross=NONE, owner=NONE.astype(int), inventory=np.zeros(len(funds)), digest="",
    )  # fmt: skip


def past(columns: Sequence[Floats], others: Sequence[StandIn] = ()) -> Closes:
    """These closes, side by side."""
    table = np.column_stack(columns)
    times = tuple(NOON + timedelta(hours=row) for row in range(len(table)))
    return Closes(1, times, table, np.zeros(len(columns)), "", tuple(others))


def walk(seed: int, size: float = 0.01, *, since: int = 0) -> Floats:
    """Closes of a contract that begins to trade at a row."""
    moves = np.random.default_rng(seed).normal(size=ROWS + 1) * size
    found = 100 * np.exp(np.cumsum(moves))
    found[:since] = np.nan
    return found


def test_the_longest_history_of_its_fund_stands_for_a_contract() -> None:
    """Not the longest of all, which is another fund's; enlarged where it moves more."""
    closes = past([walk(1), walk(2, since=50), walk(3, since=100), 1.0 * walk(2, since=200) ** 2])
    found = history.read(book(0, 1, 1, 1), closes, PLAIN)
    by_contract = {one.contract: one for one in reversed(found.proxied)}
    assert [by_contract[number].proxy for number in (2, 3)] == ["C1", "C1"]
    assert by_contract[3].multiplier == pytest.approx(2)  # a square moves twice as much
    assert by_contract[3].share == pytest.approx(150 / ROWS)
    assert found.plain[120, 3] == pytest.approx(2 * found.plain[120, 1])


def test_where_the_proxy_has_none_the_next_one_stands() -> None:
    """The first 50 rows are the longest of all, whoever's that is; the list names both."""
    closes = past([walk(1), walk(2, since=50), walk(3, since=100)])
    found = history.read(book(0, 1, 1), closes, PLAIN)
    of_last = [one for one in found.proxied if one.contract == 2]
    assert [one.proxy for one in of_last] == ["C1", "C0"]
    assert [one.share * ROWS for one in of_last] == pytest.approx([50, 50])
    assert not np.isnan(found.plain).any()


def test_the_longest_of_its_fund_takes_the_longest_of_the_asset() -> None:
    closes = past([walk(1), walk(2, since=50), walk(3, since=100)])
    first, *_ = history.read(book(0, 1, 1), closes, PLAIN).proxied
    assert (first.contract, first.proxy) == (1, "C0")


def test_a_gap_of_the_longest_is_filled_by_the_next() -> None:
    """Only by what there is: a hole in the longest history is no reason to refuse."""
    longest = walk(1)
    longest[100:110] = np.nan
    found = history.read(book(0, 0), past([longest, walk(2, since=20)]), PLAIN)
    assert [(one.contract, one.proxy) for one in found.proxied] == [(0, "C1"), (1, "C0")]
    assert found.proxied[0].share * ROWS == pytest.approx(11)  # a return needs both its closes


def test_one_outside_of_the_book_may_stand() -> None:
    closes = past([walk(1, since=290), walk(2)], [StandIn("OLD", None)])
    found = history.read(book(0), closes, PLAIN)
    assert [(one.proxy, one.multiplier) for one in found.proxied] == [("OLD", 1.5)]
    assert found.plain.shape == (ROWS, 1)


def test_what_nobody_knows_is_no_row() -> None:
    """A hole in all histories is left out: neither a calm time nor one large return over it."""
    first, second = walk(1), walk(2)
    for one in (first, second):
        one[100:120] = np.nan
    first[120:] *= 0.01
    second[120:] *= 0.01
    found = history.read(book(0, 0), past([first, second]), PLAIN)
    assert len(found.plain) == ROWS - 21
    assert not found.proxied
    assert abs(found.plain).max() < 0.1


@pytest.mark.parametrize(
    ("rows", "code"),
    [(0, "no_price_history"), (1, "no_price_history"), (250, "insufficient_price_history")],
)
def test_too_little(rows: int, code: str) -> None:
    """250 closes are 249 rows; one close is none."""
    with pytest.raises(InsufficientHistory) as caught:
        history.read(book(0), past([walk(1)[:rows]]), PLAIN)
    assert caught.value.code == code
    if rows == 250:
        assert len(history.read(book(0), past([walk(1)[:251]]), PLAIN).plain) == 250

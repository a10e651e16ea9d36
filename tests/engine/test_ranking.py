"""Places in the ADL queue and in the order of liquidation are compared exactly (ADL-1, LIQ-2)."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.figures import ranking
from app.engine.numbers import EXACT, Quotient
from app.engine.queues import Block, Ranking, RankingEntry
from app.engine.scopes import cross_scope
from app.engine.traders import Position

units = st.integers(1, 10**30).map(lambda number: Decimal(number).scaleb(-8, EXACT))


def test_adl_1_equal_scores_are_equal_however_they_round() -> None:
    """A loss of 1 on 3 with 2.25, and of 7 on 21 with 15.75: the same score by other numbers."""
    with localcontext(EXACT):
        first = ranking.place(Decimal(-1), Decimal(3), Decimal("2.25"))
        second = ranking.place(Decimal(-7), Decimal(21), Decimal("15.75"))
    assert (*first, "a") < (*second, "b")
    assert (*second, "a") < (*first, "b")


def test_adl_1_scores_that_round_alike_are_told_apart() -> None:
    """1 / 3 and the least less, beyond 34 digits: the better one first, whatever its account."""
    with localcontext(EXACT):
        third = ranking.place(Decimal(1), Decimal(1), Decimal(3))
        less = ranking.place(Decimal(10) ** 40, Decimal(1), 3 * Decimal(10) ** 40 + 1)
    assert third[0] == less[0]
    assert (*third, "b") < (*less, "a")


def test_adl_1_the_published_score_of_the_legacy_policy() -> None:
    """ADL-001: 40.2 / 4.27 are 9.41, x 0.1342 they are 1.26."""
    profit, balance = Decimal("40.2"), Decimal("4.27")
    with localcontext(EXACT):
        equity = balance + profit
        found = ranking.legacy_place(profit, balance, equity, Decimal("0.1342") * equity)[0]
    assert (-found).quantize(Decimal("0.01")) == Decimal("1.26")


def test_adl_1_legacy_at_its_edges() -> None:
    """A balance below 1 counts as 1; no profit scores 0; without equity a scope is last."""
    ten, three = Decimal(10), Decimal(3)
    with localcontext(EXACT):
        assert ranking.legacy_place(ten, Decimal(-5), Decimal(5), three)[0] == -6
        assert ranking.legacy_place(-ten, Decimal(50), Decimal(5), three)[0] == 0
        assert ranking.legacy_place(ten, Decimal(-10), Decimal(0), three) == ranking.NO_PLACE


@given(*[st.tuples(units, units, units, st.sampled_from((1, -1)))] * 2)
def test_adl_1_the_order_is_that_of_exact_fractions(
    first: tuple[Decimal, Decimal, Decimal, int], second: tuple[Decimal, Decimal, Decimal, int]
) -> None:
    """pnl% x leverage for profits, pnl% / leverage for losses, to the last digit."""
    found = []
    for profit, notional, equity, sign in (first, second):
        pnl = sign * Fraction(profit) / Fraction(notional)
        leverage = Fraction(notional) / Fraction(equity)
        naive = pnl * leverage if sign > 0 else pnl / leverage
        with localcontext(EXACT):
            found.append((-naive, ranking.place(sign * profit, notional, equity)))
    (one, mine), (other, theirs) = found
    assert (one < other) == (mine < theirs)
    assert (one == other) == (mine == theirs)


def entry(number: int) -> RankingEntry:
    """The place of an account."""
    return Decimal(number), Quotient(Decimal(number)), f"a{number:02}", "both"


def test_adl_5_blocks_stay_short_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """ADL-5: a change moves at most two blocks' entries, wherever it falls."""
    monkeypatch.setattr(ranking, "BLOCK", 2)
    queue = Ranking()
    for number in range(97):
        ranking._insert(queue, entry(37 * number % 97))
        assert max(len(block.entries) for block in queue.blocks) <= 4
    assert list(ranking.entries(queue)) == [entry(number) for number in range(97)]
    for number in range(0, 97, 2):
        ranking._remove(queue, entry(number))
    assert list(ranking.entries(queue)) == [entry(number) for number in range(1, 97, 2)]
    assert all(block.entries for block in queue.blocks)


def remember(queue: Ranking, number: int, room: str) -> None:
    """An account was found to bear so much on a lot, and no more."""
    name = f"a{number:02}"
    position = Position(name, "TEST", "both", cross_scope(name, "USDT"))
    ranking.remember_room(queue, position, Decimal(room))


def ranks(queue: Ranking, loss: str) -> list[int]:
    """The ranks of those that are walked to."""
    return [rank for rank, _ in ranking.walk(queue, lambda: Decimal(loss))]


def test_adl_5_who_is_known_to_bear_too_little_is_passed_over() -> None:
    """ADL-5: one by one, then whole blocks of them; the ranks of the others stay."""
    queue = Ranking(blocks=[Block([entry(1), entry(2)]), Block([entry(3), entry(4)])])
    assert ranks(queue, "5") == [1, 2, 3, 4]
    remember(queue, 1, "4.9")
    assert ranks(queue, "5") == [2, 3, 4]
    remember(queue, 2, "3")
    remember(queue, 3, "5")
    assert ranks(queue, "5") == [3, 4]
    assert [block.room for block in queue.blocks] == [Decimal("4.9"), None]
    assert ranks(queue, "5") == [3, 4]
    assert ranks(queue, "4") == [1, 3, 4]

"""Places in the ADL queue and in the order of liquidation are compared exactly (ADL-1, LIQ-2)."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from app.engine import ranking
from app.engine.numbers import EXACT

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

"""Shares by size, against exact proportions and a walk along the whole queue (ADL-1, ADL-5)."""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from app.engine.figures import ranking
from app.engine.figures.spreading import ROUNDS, Spread
from app.engine.numbers import EXACT
from app.engine.queues import Block, Leg, Ranking

LOT = Decimal("0.3")
Case = tuple[list[int], list[int | None], int, int, int]
"""Sizes, what each bears (None: all), quantity, most, length of blocks; in lots."""
cases = st.lists(st.integers(1, 60), min_size=1, max_size=40).flatmap(
    lambda sizes: st.tuples(
        st.just(sorted(sizes, reverse=True)),
        st.lists(st.none() | st.integers(0, 60), min_size=len(sizes), max_size=len(sizes)),
        st.integers(1, sum(sizes) + 5),
        st.integers(1, 50),
        st.integers(1, 9),
    )
)


def name(number: int) -> Leg:
    """The place of that number."""
    return f"a{number:02}", "both"


def spread(case: Case, *, capped: bool) -> list[int]:
    """What each place bears, in lots."""
    sizes, caps, quantity, most, length = case
    with localcontext(EXACT):
        places = {name(n): (*ranking.size_place(size * LOT, LOT), *name(n))
                  for n, size in enumerate(sizes)}  # fmt: skip
        entries = list(places.values())
        blocks = [Block(entries[i : i + length]) for i in range(0, len(entries), length)]
        known = dict(zip(places, zip(sizes, caps, strict=True), strict=True))

        def bears(leg: Leg, wanted: Decimal) -> Decimal:
            cap = known[leg][1]
            return wanted if cap is None or not capped else min(wanted, cap * LOT)

        found = Spread(Ranking("pro_rata", blocks, places), bears, LOT, most).over(quantity * LOT)
        assert [share.rank for share in found] == sorted({share.rank for share in found})
        lots = [0] * len(sizes)
        for share in found:
            assert share.entry[2:] == name(share.rank - 1)
            assert share.borne % LOT == 0
            lots[share.rank - 1] = int(share.borne / LOT)
    return lots


def naive(case: Case) -> list[int]:
    """The same with fractions, from place to place, without blocks."""
    sizes, caps, quantity, most, _ = case
    grain = 1 if len(sizes) <= most else ceil(Fraction(quantity, most))
    lots, spent, left = [0] * len(sizes), set[int](), quantity
    for _ in range(ROUNDS):
        total = sum(size for n, size in enumerate(sizes) if n not in spent)
        part, seen, given = min(left, total), 0, 0
        out = set(spent)
        for n, size in enumerate(sizes):
            if n in spent or given == part:
                continue
            seen += size
            upto = min(part, ceil(Fraction(part * seen, total * grain)) * grain)
            wanted = lots[n] + upto - given
            cap = caps[n]
            bears = min(wanted, size if cap is None else min(cap, size))
            if upto > given and (bears < wanted or bears == size):
                out.add(n)
            given = upto
            left -= bears - lots[n]
            lots[n] = bears
        spent = out
    return lots


@given(cases)
def test_adl_1_shares_add_up_and_are_not_a_lot_off(case: Case) -> None:
    """With few, and nobody who cannot bear it: exactly the quantity, each at its proportion."""
    sizes, caps, quantity, _, length = case
    lots = spread((sizes, caps, quantity, len(sizes), length), capped=False)
    quantity = min(quantity, sum(sizes))
    assert sum(lots) == quantity
    for size, found in zip(sizes, lots, strict=True):
        assert found <= size
        assert abs(found - Fraction(quantity * size, sum(sizes))) < 1


@given(cases)
def test_adl_5_whoever_cannot_bear_it_and_however_many_there_are(case: Case) -> None:
    """As naively, with blocks passed over; nobody beyond what he has or can bear."""
    lots = spread(case, capped=True)
    assert lots == naive(case)
    sizes, caps, quantity, most, _ = case
    assert sum(lots) <= quantity
    for size, cap, found in zip(sizes, caps, lots, strict=True):
        assert found <= (size if cap is None else min(size, cap))
    if len(sizes) > most:
        assert sum(found > 0 for found in lots) <= most * ROUNDS


@given(st.integers(2, 40), st.integers(1, 12))
def test_adl_1_of_those_alike_each_has_his_turn(places: int, most: int) -> None:
    """Many small events: who has borne is smaller, and comes behind; all bear nearly alike."""
    sizes = [most * 3] * places
    for _ in range(places):
        case: Case = [*sorted(sizes, reverse=True)], [None] * places, most, most, 4
        lots = spread(case, capped=False)
        sizes = [size - found for size, found in zip(case[0], lots, strict=True)]
    assert max(sizes) - min(sizes) <= 6  # of up to 36

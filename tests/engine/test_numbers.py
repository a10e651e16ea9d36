"""The named roundings (NUM-1 to NUM-3) against fractions, and the plain notation of HIS-1."""

from __future__ import annotations

import decimal
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import numbers
from tests.engine.arithmetic import UNITS, rounded

exact = st.decimals(allow_nan=False, allow_infinity=False, places=12, min_value=-(10**15),
                    max_value=10**15)  # fmt: skip
positive = st.integers(1, 10**18).map(lambda units: Decimal(units).scaleb(-9))


@given(exact)
def test_num_2_roundings_name_their_direction(number: Decimal) -> None:
    """NUM-2: half-even, down; to eight decimals."""
    scaled = Fraction(number) * UNITS
    assert Fraction(numbers.round_value(number)) == rounded(Fraction(number))
    assert Fraction(numbers.round_down(number)) * UNITS == floor(scaled)


@given(exact, positive)
def test_num_2_what_is_owed_is_divided_up(number: Decimal, divisor: Decimal) -> None:
    """NUM-2, ORD-4: to the next unit, never below the quotient."""
    with localcontext(numbers.EXACT):
        found = numbers.divide_up(number, divisor)
    assert Fraction(found) * UNITS == ceil(Fraction(number) / Fraction(divisor) * UNITS)
    assert found.as_tuple().exponent == numbers.UNIT.as_tuple().exponent


@given(exact.map(numbers.round_value), st.integers(1, 10**9), st.integers(1, 10**9))
def test_num_3_shares_add_up(total: Decimal, taken: int, left: int) -> None:
    """NUM-3: part after part, rounded once each; the last takes what is left."""
    lot = Decimal("0.001")
    part, whole = taken * lot, (taken + left) * lot
    with localcontext(numbers.EXACT):
        first = numbers.share(total, part, whole)
        last = numbers.share(total - first, left * lot, left * lot)
        assert first + last == total
        assert Fraction(first) == rounded(Fraction(total) * taken / (taken + left))
        assert numbers.share(total, -part, whole) == -first


@given(exact, positive)
def test_grids(number: Decimal, step: Decimal) -> None:
    """CON-1: the multiples of a step around a number."""
    with localcontext(numbers.EXACT):
        low, high = numbers.floor_to(number, step), numbers.ceil_to(number, step)
        assert Fraction(low) == floor(Fraction(number) / Fraction(step)) * Fraction(step)
        assert Fraction(high) == ceil(Fraction(number) / Fraction(step)) * Fraction(step)
        assert numbers.is_multiple(low, step)
        assert (low == high) == numbers.is_multiple(number, step)


def test_num_1_losing_digits_or_mixing_floats_is_an_error() -> None:
    """NUM-1: outside the named helpers nothing is rounded."""
    with localcontext(numbers.EXACT):
        with pytest.raises(decimal.Inexact):
            Decimal(1) / Decimal(3)
        with pytest.raises(decimal.FloatOperation):
            Decimal(0.1)  # noqa: RUF032 - that it raises is the point
        with pytest.raises(decimal.FloatOperation):
            _ = Decimal(1) < 0.5


@pytest.mark.parametrize(
    ("number", "text"),
    [("-0", "0"), ("0E+5", "0"), ("1E+3", "1000"), ("1.500", "1.5"), ("100", "100"),
     ("-0.00000001", "-0.00000001"), ("1E-8", "0.00000001"), ("10.0", "10")],
)  # fmt: skip
def test_his_1_plain_notation(number: str, text: str) -> None:
    """HIS-1, API: no exponent, no trailing zeros, no minus zero."""
    assert numbers.plain(Decimal(number)) == text


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("999999999999999.999999999999", True),
        ("-999999999999999.999999999999", True),
        ("0", True),
        ("1000000000000000", False),
        ("0.0000000000001", False),
        ("0.1000000000000000000000", True),
    ],
)
def test_num_1_what_may_come_in(text: str, fits: bool) -> None:
    """NUM-1: 15 digits before the point and 12 behind it, but for zeros at the end."""
    for context in (numbers.EXACT, decimal.Context()):
        with localcontext(context):
            assert numbers.in_range(Decimal(text)) is fits

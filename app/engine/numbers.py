"""Exact decimals (NUM-1, NUM-2).

The engine computes inside `EXACT`, a context that traps `Inexact`: a digit can be lost only in the
helpers below, each of which names its direction. `Engine.apply` and whoever else calls engine
functions enter it with `decimal.localcontext(EXACT)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import (
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
)
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INTEGER_DIGITS, FRACTION_DIGITS = 15, 12
"""Of a number that comes in, whoever reads it, at most."""

EXACT = Context(
    prec=200,
    rounding=ROUND_HALF_EVEN,
    traps=[Inexact, FloatOperation, InvalidOperation, DivisionByZero, Overflow],
)
"""200 digits hold every exact product of inputs that are `in_range` (27 digits each).

That they are is asserted where contracts, money and orders come in, and of a mark its magnitude;
whatever got past that, no operation loses a digit unseen: Inexact is trapped.
"""

_ROUNDING = Context(
    prec=200,
    rounding=ROUND_HALF_EVEN,
    traps=[FloatOperation, InvalidOperation, DivisionByZero, Overflow],
)

ZERO = Decimal(0)
ONE = Decimal(1)
HALF = Decimal("0.5")
UNIT = Decimal("0.00000001")
"""The smallest amount of every settlement asset: eight decimals (NUM-2)."""
_FINE = ONE.scaleb(-24)
_LAST_DIGIT = Decimal(1).scaleb(-FRACTION_DIGITS)


def in_range(number: Decimal) -> bool:
    """Whether a finite number has no more digits than may come in; zeros at its end don't count."""
    return number.adjusted() < INTEGER_DIGITS and number % _LAST_DIGIT == 0


def round_value(value: Decimal) -> Decimal:
    """`value` to eight decimals, half-even: how a trade's value is booked (NUM-2)."""
    return value.quantize(UNIT, ROUND_HALF_EVEN, _ROUNDING)


def round_down(value: Decimal) -> Decimal:
    """`value` to eight decimals, towards -infinity."""
    return value.quantize(UNIT, ROUND_FLOOR, _ROUNDING)


def divide_up(dividend: Decimal, divisor: Decimal | int) -> Decimal:
    """The quotient to eight decimals, towards +infinity: what a trader must provide."""
    return ceil_quotient(dividend, divisor * UNIT) * UNIT


def divide_half_even(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The quotient to eight decimals, half-even: an inverse value (NUM-2), a ratio for display.

    Rounded to 200 digits first, which changes nothing: a quotient of bounded inputs is on the
    middle between two units, or further off it than by the last of those digits.
    """
    return round_value(_ROUNDING.divide(dividend, divisor))


def divide_finely(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The quotient to 24 decimals, half-even: what is multiplied and summed, and rounded then."""
    return _ROUNDING.divide(dividend, divisor).quantize(_FINE, ROUND_HALF_EVEN, _ROUNDING)


def round_price(price: Decimal | None, tick: Decimal) -> Decimal | None:
    """A price worked out, for display: to eight decimals or, where finer, four more than `tick`
    has, half-even. (Eight alone would show a price of a contract with a tick of 1e-12 as zero.)
    """
    return None if price is None else _to_price(price, tick)


def derived_price(value: Decimal, units: Decimal, tick: Decimal) -> Decimal:
    """The price at which `units` (quantity x contract size) have that value, as `round_price`."""
    return _to_price(_ROUNDING.divide(value, units), tick)


def _to_price(price: Decimal, tick: Decimal) -> Decimal:
    return price.quantize(_shown_to(tick), ROUND_HALF_EVEN, _ROUNDING)


@lru_cache(maxsize=1024)
def _shown_to(tick: Decimal) -> Decimal:
    last = int(tick.normalize().as_tuple().exponent)  # -12 for 0.000000000001
    return ONE.scaleb(min(-8, last - 4))


def share(total: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`total * part / whole`, rounded once (NUM-3); the whole share is `total` itself."""
    if part == whole:
        return total
    return round_value(_ROUNDING.divide(total * part, whole))


def floor_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The largest whole number not above `dividend / divisor`."""
    whole, rest = divmod(dividend, divisor)  # towards zero
    return whole - 1 if rest and (rest < 0) != (divisor < 0) else whole


def ceil_quotient(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The smallest whole number not below `dividend / divisor`."""
    whole, rest = divmod(dividend, divisor)
    return whole + 1 if rest and (rest < 0) == (divisor < 0) else whole


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `value`."""
    return floor_quotient(value, step) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` not below `value`."""
    return ceil_quotient(value, step) * step


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` lies on the grid of `step` (tick or lot)."""
    return value % step == 0


def plain(value: Decimal) -> str:
    """Plain notation: no exponent, no trailing zeros, `-0` as `0` (HIS-1 and every answer)."""
    if not value:
        return "0"
    text = str(value)
    if "E" in text:
        text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def begin_of(time: datetime, width: timedelta) -> datetime:
    """When the interval begins that a time lies in; whole ones are counted from midnight UTC."""
    return time - (time - EPOCH) % width


@lru_cache(maxsize=64)  # all that one command writes is of one time
def time_text(time: datetime) -> str:
    """RFC 3339 UTC with six decimals and Z, as the hash chain, records and answers write it."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def texts(detail: Mapping[str, object]) -> dict[str, str]:
    """Values as the records keep them: decimals in plain notation."""
    return {
        name: plain(value) if isinstance(value, Decimal) else str(value)
        for name, value in detail.items()
    }


_RATIO = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    traps=[FloatOperation, InvalidOperation, DivisionByZero, Overflow],
)


_UNBOUNDED = Context(prec=100_000, traps=[Inexact, FloatOperation, InvalidOperation, Overflow])


class Quotient:
    """An exact quotient, to be compared where `ratio` gives two the same 34 digits; divisor > 0.

    With each other only.
    """

    __slots__ = ("dividend", "divisor")

    def __init__(self, dividend: Decimal, divisor: Decimal = ONE) -> None:
        self.dividend = dividend
        self.divisor = divisor

    def __mul__(self, other: Quotient) -> Quotient:
        times = _UNBOUNDED.multiply
        return Quotient(times(self.dividend, other.dividend), times(self.divisor, other.divisor))

    def __eq__(self, other: Quotient) -> bool:  # type: ignore[override]
        times = _UNBOUNDED.multiply
        return times(self.dividend, other.divisor) == times(other.dividend, self.divisor)

    def __lt__(self, other: Quotient) -> bool:
        times = _UNBOUNDED.multiply
        return times(self.dividend, other.divisor) < times(other.dividend, self.divisor)

    __hash__ = None  # type: ignore[assignment]


def ratio(dividend: Decimal, divisor: Decimal) -> Decimal:
    """The quotient to 34 digits: a rank or a trigger, where speed matters and money does not."""
    return _RATIO.divide(dividend, divisor)

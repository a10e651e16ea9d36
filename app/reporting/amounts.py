"""Numbers as a person reads them: grouped, rounded to what matters, with their unit.

The digits that are left out are in the JSON and in the CSV.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

NONE = "none"
MINUS = "\N{MINUS SIGN}"
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)


def grouped(number: Decimal, places: int) -> str:
    """`-1234.5` as `-1,234.50`, with a minus sign as wide as a digit."""
    rounded = number.quantize(Decimal(1).scaleb(-places), context=_WIDE)
    return f"{rounded:,f}".replace("-", MINUS)


def percent(share: str | None, *, signed: bool = False, places: int = 2) -> str:
    """`0.1154` as `11.54 %`; a share that is smaller keeps two digits of its own."""
    if share is None:
        return NONE
    hundredths = Decimal(share) * 100
    while hundredths and abs(hundredths) < Decimal(1).scaleb(1 - places) and places < 8:
        places += 1
    sign = "+" if signed and hundredths > 0 else ""
    return f"{sign}{grouped(hundredths, places)} %"


def level(share: str) -> str:
    """`0.999` as `99.9 %`: with as many digits as it has."""
    return f"{(Decimal(share) * 100).normalize():,f} %"


def odds(share: str | None) -> str:
    """`0.0021` as `one in 476`, `0.37` as `4 in 10`."""
    if share is None:
        return NONE
    number = Decimal(share)
    if number >= Decimal("0.2"):
        return f"{grouped(10 * number, 0)} in 10"
    return f"one in {grouped(1 / number, 0)}" if number else "never"


def plain(number: str | None, places: int = 8) -> str:
    """A number that is no money of the fund's, with as many digits as it has, up to so many."""
    if number is None:
        return NONE
    rounded = round(Decimal(number), places)
    return f"{rounded.normalize(_WIDE) if rounded else Decimal(0):,f}".replace("-", MINUS)


def moment(time: str | None, *, before: timedelta = timedelta(0)) -> str:
    """An RFC 3339 time, or so long `before` it, to the minute, in UTC."""
    if time is None:
        return NONE
    return f"{datetime.fromisoformat(time) - before:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class MoneyText:
    """Money of one asset, to so many decimals everywhere on a page, so that columns align."""

    asset: str
    places: int

    @classmethod
    def of(cls, calibration: Mapping[str, Any]) -> MoneyText:
        """A calibration's: whole units, cents or all decimals, as large as what it asks for."""
        large = Decimal(calibration["required_minimum"])
        return cls(calibration["asset"], 0 if large >= 1_000_000 else 2 if large >= 1_000 else 8)

    def bare(self, amount: str | None) -> str:
        """Without the asset, for a column that names it."""
        return NONE if amount is None else grouped(Decimal(amount), self.places)

    def __call__(self, amount: str | None) -> str:
        """With the asset."""
        return NONE if amount is None else f"{self.bare(amount)} {self.asset}"

    def band(self, ends: list[str | None]) -> str:
        """From the lower to the upper end, as far as there are any."""
        low, high = ends
        if low is None and high is None:
            return NONE
        if high is None:
            return f"{self.bare(low)} and more"
        return f"{'up' if low is None else self.bare(low)} to {self.bare(high)}"

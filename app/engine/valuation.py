"""What is worth how much: the one file that knows how value follows from price (CON-2, CON-3).

One convention for all contracts. A *value* is signed. That of a signed quantity at a price is

    linear:    quantity x size x price        in the quote asset; a long's is positive
    inverse:   -quantity x size / price       in the coin; a long's is negative

What a position cost is the sum of the values of its fills, as far as they are not closed again. So,
of whatever kind the contract:

    profit = value - cost        clearing + all costs = 0        notional = |value|

An inverse long gains as its value grows towards zero. Everything else is said in these words, and
multiplies or divides nothing by a price.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from app.engine.numbers import (
    INTEGER_DIGITS,
    ONE,
    UNIT,
    ZERO,
    ceil_quotient,
    derived_price,
    divide_finely,
    divide_half_even,
    divide_up,
    floor_quotient,
    floor_to,
    ratio,
    round_price,
    round_value,
)

Margining = Literal["linear", "inverse"]

HIGHEST_PRICE = Decimal(10) ** INTEGER_DIGITS
"""Above all prices that come in."""

ROUNDINGS = 2 * UNIT
"""What the values of four fills are off by at most, each by half a unit of the coin."""


class Valued:
    """Something with the terms by which a quantity has a value at a price."""

    __slots__ = ()

    if TYPE_CHECKING:  # whoever has values says himself which of his fields these are
        margining: Margining
        contract_size: Decimal
        tick_size: Decimal

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The value of a signed quantity at a price, rounded once (CON-2, NUM-2)."""
        if self.margining == "linear":
            return round_value(quantity * self.contract_size * price)
        return divide_half_even(-quantity * self.contract_size, price)

    def unrounded_value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The exact value, for margin requirements of orders (ORD-4).

        An inverse one, which need have no last digit, is to 24 decimals.
        """
        if self.margining == "linear":
            return quantity * self.contract_size * price
        return divide_finely(-quantity * self.contract_size, price)

    def needed(self, amount: Decimal) -> Decimal:
        """An amount made of unrounded values, as readers are shown what an order needs."""
        return amount if self.margining == "linear" else divide_up(amount, 1)

    def is_positive(self, quantity: Decimal) -> bool:
        """Whether a signed quantity has a value above zero: a linear long, an inverse short."""
        return (quantity > 0) == (self.margining == "linear")

    def _occurs(self, value: Decimal, quantity: Decimal) -> bool:
        """Whether a signed quantity has that value at some price above zero."""
        return value != 0 and (value > 0) == self.is_positive(quantity)

    def price_at(self, value: Decimal, quantity: Decimal) -> Decimal | None:
        """The price (34 digits) at which a signed quantity has that value; None: at no price."""
        if not self._occurs(value, quantity):
            return None
        if self.margining == "linear":
            return ratio(value, quantity * self.contract_size)
        return ratio(-quantity * self.contract_size, value)

    def price_moved(self, price: Decimal, times: Decimal, by: Decimal) -> Decimal | None:
        """The price (34 digits) at which a value is `times` / `by` (> 0) of what it is at `price`.

        None where no positive price is.
        """
        if times <= 0:
            return None
        return ratio(price * times, by) if self.margining == "linear" else ratio(price * by, times)

    def price_of(self, value: Decimal, quantity: Decimal) -> Decimal:
        """The price at which a signed quantity has that value, as readers are shown it.

        Zero where an inverse position is worth no unit of its coin, which it is at no price.
        """
        if self.margining == "linear":
            return derived_price(value, quantity * self.contract_size, self.tick_size)
        if not value:
            return ZERO
        return derived_price(-quantity * self.contract_size, value, self.tick_size)

    def average_price(self, notional: Decimal, quantity: Decimal) -> Decimal:
        """The average price of an unsigned quantity's fills, as readers are shown it."""
        return self.paid_price(notional if self.is_positive(quantity) else -notional, quantity)

    def paid_price(self, cost: Decimal, quantity: Decimal) -> Decimal:
        """The average price at which a signed quantity came to cost that, as readers are shown it.

        An inverse value is rounded where its price is not: a price on the tick that costs the same,
        but for these roundings, is the one that was paid.
        """
        price = self.price_of(cost, quantity)
        if self.margining == "linear":
            return price
        on_tick = ratio(price, self.tick_size).to_integral_value() * self.tick_size
        if on_tick and abs(self.value(quantity, on_tick) - cost) <= ROUNDINGS:
            return on_tick
        return price

    def shown(self, price: Decimal | None) -> Decimal | None:
        """A price worked out, as readers are shown it."""
        return round_price(price, self.tick_size)

    def limit_price(self, value: Decimal, quantity: Decimal) -> Decimal | None:
        """The price at which a signed quantity has that value, to the tick on the side that leaves
        its owner more (LIQ-4). None where nobody can trade so: a linear short would buy at zero or
        less, an inverse one at less than a tick, an inverse long sell at more than any price.
        """
        units = quantity * self.contract_size
        if self.margining == "linear":
            dividend, divisor = value, units * self.tick_size
        elif self._occurs(value, quantity):
            dividend, divisor = -units, value * self.tick_size
        else:  # more than any price is what it would take
            return None if quantity > 0 else floor_to(HIGHEST_PRICE, self.tick_size)
        if quantity > 0:
            return max(ONE, ceil_quotient(dividend, divisor)) * self.tick_size
        ticks = floor_quotient(dividend, divisor)
        return ticks * self.tick_size if ticks > 0 else None


@dataclass(frozen=True, slots=True)
class Terms(Valued):
    """The terms alone, where there is no more of a contract."""

    contract_size: Decimal
    tick_size: Decimal
    margining: Margining = "linear"

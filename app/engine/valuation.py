"""What is worth how much: the one file that knows how value follows from price (CON-2, CON-3).

One convention for all contracts. A *value* is signed: that of a signed quantity at a price is
quantity x size x price, a long's is positive. What a position cost is the sum of the values of its
fills, as far as they are not closed again. So, of whatever kind the contract:

    profit = value - cost        clearing + all costs = 0        notional = |value|

Everything else is said in these words, and multiplies or divides nothing by a price. An inverse
contract (value -quantity x size / price, a long's negative) would have other formulas here, and
nowhere else: a long gains as its value grows towards zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.numbers import (
    ONE,
    ceil_quotient,
    derived_price,
    floor_quotient,
    ratio,
    round_price,
    round_value,
)


class Valued:
    """Something with the terms by which a quantity has a value at a price."""

    __slots__ = ()

    if TYPE_CHECKING:  # whoever has values says himself which of his fields these are
        contract_size: Decimal
        tick_size: Decimal

    def value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The value of a signed quantity at a price, rounded once (CON-2, NUM-2)."""
        return round_value(quantity * self.contract_size * price)

    def unrounded_value(self, quantity: Decimal, price: Decimal) -> Decimal:
        """The exact value, for margin requirements of orders (ORD-4): parts add up to the whole."""
        return quantity * self.contract_size * price

    def price_at(self, value: Decimal, quantity: Decimal) -> Decimal:
        """The price (34 digits) at which a signed quantity has that value."""
        return ratio(value, quantity * self.contract_size)

    def price_of(self, value: Decimal, quantity: Decimal) -> Decimal:
        """The price at which a signed quantity has that value, as readers are shown it."""
        return derived_price(value, quantity * self.contract_size, self.tick_size)

    def average_price(self, notional: Decimal, quantity: Decimal) -> Decimal:
        """The price at which an unsigned quantity has that notional, as readers are shown it."""
        return self.price_of(notional, quantity)

    def shown(self, price: Decimal | None) -> Decimal | None:
        """A price worked out, as readers are shown it."""
        return round_price(price, self.tick_size)

    def limit_price(self, value: Decimal, quantity: Decimal) -> Decimal | None:
        """The price at which a signed quantity has that value, to the tick on the side that leaves
        its owner more (LIQ-4). None where a short could only buy at zero or less.
        """
        tick_value = quantity * self.contract_size * self.tick_size
        if quantity > 0:
            return max(ONE, ceil_quotient(value, tick_value)) * self.tick_size
        ticks = floor_quotient(value, tick_value)
        return ticks * self.tick_size if ticks > 0 else None


@dataclass(frozen=True, slots=True)
class Terms(Valued):
    """The terms alone, where there is no more of a contract."""

    contract_size: Decimal
    tick_size: Decimal

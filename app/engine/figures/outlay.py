"""What an order costs, and how large it may be, before there is an account to judge it (ORD-5)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from app.engine.commands import Side
from app.engine.contracts import Contract
from app.engine.numbers import INTEGER_DIGITS, ONE, ZERO, divide_up, floor_quotient
from app.engine.valuation import Valued


def open_loss(
    terms: Valued, side: Side, quantity: Decimal, value: Decimal, mark: Decimal
) -> Decimal:
    """By how much an order is worse than mark (ORD-5); `value` is its quantity's at its price."""
    return max(ZERO, _worse(terms, side, quantity, value, mark))


def _worse(terms: Valued, side: Side, quantity: Decimal, value: Decimal, mark: Decimal) -> Decimal:
    at_mark = terms.unrounded_value(quantity, mark)
    return value - at_mark if side == "buy" else at_mark - value


class OrderCost(NamedTuple):
    """What an order needs at a price (ORD-4, ORD-5), in the settlement asset."""

    initial_margin: Decimal
    open_loss: Decimal
    fee: Decimal

    @property
    def total(self) -> Decimal:
        """What must not be more than is available."""
        return self.initial_margin + self.open_loss + self.fee


class Wanted(NamedTuple):
    """An order that would open a position: all but its quantity.

    `price` is its limit, of a market order the worst it trades at; `meets` the better price at
    which it would trade at once, None where it rests.
    """

    side: Side
    price: Decimal
    meets: Decimal | None
    mark: Decimal
    leverage: int
    fee_rate: Decimal


def order_cost(terms: Valued, wanted: Wanted, quantity: Decimal) -> OrderCost:
    """What an order needs: at its limit or, where that is more, at the price that it meets (ORD-5:
    at every price at which it may trade).
    """
    at_limit = _cost_at(terms, wanted, quantity, wanted.price)
    if wanted.meets is None:
        return at_limit
    return max(at_limit, _cost_at(terms, wanted, quantity, wanted.meets), key=_total)


def _cost_at(terms: Valued, wanted: Wanted, quantity: Decimal, price: Decimal) -> OrderCost:
    value = terms.unrounded_value(quantity, price)
    return OrderCost(
        initial_margin=divide_up(abs(value), wanted.leverage),
        open_loss=open_loss(terms, wanted.side, quantity, value, wanted.mark),
        fee=abs(value) * wanted.fee_rate,
    )


def _total(cost: OrderCost) -> Decimal:
    return cost.total


def max_quantity(contract: Contract, wanted: Wanted, available: Decimal) -> Decimal:
    """The most that an order of an account without a position or orders in the contract may be of.

    So many lots that its cost is available and its bracket allows the leverage; 0 where not one is,
    or where they are worth less than the contract's minimum. Both conditions hold up to some number
    of lots and not beyond, which is halved down to: requirements are rounded up (ORD-4), so that a
    quotient may be off by many lots where these are small.
    """
    lot = contract.lot_size
    fits, beyond = ZERO, floor_quotient(_MOST, lot) + 1
    while beyond - fits > 1:
        middle = floor_quotient(fits + beyond, Decimal(2))
        if _fits(contract, wanted, middle * lot, available):
            fits = middle
        else:
            beyond = middle
    worth = abs(contract.value(fits * lot, wanted.price))
    return fits * lot if worth and worth >= contract.min_notional else ZERO


_MOST = Decimal(10) ** INTEGER_DIGITS - ONE
"""No order is of more."""


def _fits(contract: Contract, wanted: Wanted, quantity: Decimal, available: Decimal) -> bool:
    prices = [wanted.price]
    needed = order_cost(contract, wanted, quantity).total
    if wanted.meets is not None:
        prices += [wanted.meets, wanted.mark]
        needed = max(needed, _cross_needs(contract, wanted, quantity, wanted.meets))
    notional = max(abs(contract.unrounded_value(quantity, price)) for price in prices)
    return needed <= available and contract.max_leverage(notional) >= wanted.leverage


def _cross_needs(terms: Valued, wanted: Wanted, quantity: Decimal, price: Decimal) -> Decimal:
    """What a fill needs whose position is margined at mark as soon as it is there."""
    value = terms.unrounded_value(quantity, price)
    margin = divide_up(abs(terms.unrounded_value(quantity, wanted.mark)), wanted.leverage)
    worse = _worse(terms, wanted.side, quantity, value, wanted.mark)
    return margin + worse + abs(value) * wanted.fee_rate

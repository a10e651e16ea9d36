"""Closed forms over a bracket table: where positions are liquidated, and where they are bankrupt.

With N the position's notional, W everything else that stands behind it (wallet plus other
unrealised profit less other maintenance margins) and C its signed cost, a scope is at risk when
W + (+/-N) - C < N x rate - cum (LIQ-1, CON-4); +N is a value above zero: a linear long's, an
inverse short's. Both sides are piecewise linear in N, so the one bracket that holds the crossing
gives N, and N gives the price.

The two legs of a contract in hedge mode that stand before one equity move with one mark, each with
the notional of its own size and the bracket of that. With u the notional of one unit, what the
scope can lose, W - C + (long - short) x u - both maintenance margins (inverse: short - long), is
concave in u, for rates only rise. So there are none, one, or two prices: nearly hedged, both legs'
margins grow with u, whichever way the rest of the position gains.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from app.engine.contracts import Bracket
from app.engine.numbers import ONE, ZERO, Quotient, ratio
from app.engine.valuation import Valued


def liquidation_notional(
    brackets: Sequence[Bracket], *, positive: bool, backing: Decimal
) -> Decimal | None:
    """The notional at which equity equals maintenance margin; None where there is no such price.

    `backing` is W - C. A position whose value is positive is at risk below the notional returned,
    another one above it.
    """
    if positive:
        return _positive_notional(brackets, backing)
    if backing <= 0:
        return None
    found = brackets[-1]
    for bracket in brackets:
        rate = bracket.maintenance_margin_rate
        if backing - bracket.notional_cap * (ONE + rate) + bracket.cum < 0:
            found = bracket
            break
    return ratio(backing + found.cum, ONE + found.maintenance_margin_rate)


def _positive_notional(brackets: Sequence[Bracket], backing: Decimal) -> Decimal | None:
    if backing >= 0:
        return None
    found = brackets[-1]
    for bracket in brackets:
        rate = bracket.maintenance_margin_rate
        if backing + bracket.notional_cap * (ONE - rate) + bracket.cum >= 0:
            found = bracket
            break
    reach = ONE - found.maintenance_margin_rate
    return ratio(-backing - found.cum, reach) if reach > 0 else None


def liquidation_price(
    brackets: Sequence[Bracket],
    terms: Valued,
    quantity: Decimal,
    cost: Decimal,
    backing: Decimal,
) -> Decimal | None:
    """The mark price (34 digits) at which a position of signed `quantity` comes to be at risk.

    `backing` is W: wallet + other unrealised profit - other maintenance margins. None where no
    positive price puts it at risk.
    """
    positive = terms.is_positive(quantity)
    notional = liquidation_notional(brackets, positive=positive, backing=backing - cost)
    if notional is None or notional <= 0:
        return None
    return terms.price_at(notional if positive else -notional, quantity)


def hedged_prices(
    brackets: Sequence[Bracket],
    terms: Valued,
    quantities: tuple[Decimal, Decimal],
    cost: Decimal,
    backing: Decimal,
) -> list[Decimal]:
    """The mark prices (34 digits), lowest first, at which two legs that stand before one equity
    come to be at risk: none, one or two.

    `quantities` are the legs', signed and opposite; `cost` is of both. `backing` is W, as above.
    """
    signed = [abs(q) if terms.is_positive(q) else -abs(q) for q in quantities]
    sizes, net = [abs(quantity) for quantity in quantities], sum(signed, ZERO)
    found = []
    for unit in _crossings(brackets, sizes, net, backing - cost):
        price = terms.price_at(unit * signed[0], quantities[0])
        if price is not None:
            found.append(price)
    return sorted(found)


def _crossings(
    brackets: Sequence[Bracket], sizes: list[Decimal], net: Decimal, constant: Decimal
) -> Iterator[Decimal]:
    """Where constant + net x u - maintenance margins of sizes x u crosses zero, for u > 0.

    Between two caps it is linear; at a cap c of a size s, where u = c / s, its sign is that of s
    times it, which needs no division.
    """
    rows = [0] * len(sizes)
    whole = constant >= 0
    while True:
        here = [brackets[row] for row in rows]
        rates = [b.maintenance_margin_rate for b in here]
        slope = net - sum([s * rate for s, rate in zip(sizes, rates, strict=True)], ZERO)
        level = constant + sum([b.cum for b in here], ZERO)
        open_ended = [n for n, row in enumerate(rows) if row + 1 < len(brackets)]
        if not open_ended:
            if slope and (slope > 0) != whole:
                yield ratio(-level, slope)
            return
        first = min(open_ended, key=lambda n: Quotient(here[n].notional_cap, sizes[n]))
        before, whole = whole, sizes[first] * level + slope * here[first].notional_cap >= 0
        if before != whole:
            yield ratio(-level, slope)
        rows[first] += 1


def bankruptcy_price(
    terms: Valued, quantity: Decimal, cost: Decimal, equity_behind: Decimal
) -> Decimal | None:
    """The price (34 digits) at which a position's loss has used up `equity_behind`.

    `equity_behind` is the wallet plus other unrealised profit. None where no positive price does.
    Of two legs quantity and cost are sums: nothing is lost to any price where they are equal.
    """
    return terms.price_at(cost - equity_behind, quantity) if quantity else None


def profit(terms: Valued, quantity: Decimal, entry: Decimal, exit_: Decimal) -> Decimal:
    """What a position of signed `quantity` gains from one price to another (CON-3), as booked."""
    return terms.value(quantity, exit_) - terms.value(quantity, entry)


def target_price(
    terms: Valued, *, long: bool, entry: Decimal, leverage: int, target: Decimal
) -> Decimal | None:
    """The price (34 digits) at which a position has gained `target` times its initial margin.

    None where no positive price does. Its value has moved by target / leverage then, away from zero
    where the value is positive, for only then is a gain a growing notional.
    """
    moved = target if terms.is_positive(ONE if long else -ONE) else -target
    return terms.price_moved(entry, leverage + moved, Decimal(leverage))

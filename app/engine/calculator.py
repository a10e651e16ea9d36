"""Closed forms over a bracket table: where a position is liquidated, and where it is bankrupt.

With N the position's notional, W everything else that stands behind it (wallet plus other
unrealised profit less other maintenance margins) and C its signed cost, a scope is at risk when
W + (+/-N) - C < N x rate - cum (LIQ-1, CON-4); +N is a value above zero: a linear long's, an
inverse short's. Both sides are piecewise linear in N, so the one bracket that holds the crossing
gives N, and N gives the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.engine.contracts import Bracket
from app.engine.numbers import ONE, ratio
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


def bankruptcy_price(
    terms: Valued, quantity: Decimal, cost: Decimal, equity_behind: Decimal
) -> Decimal | None:
    """The price (34 digits) at which a position's loss has used up `equity_behind`.

    `equity_behind` is the wallet plus other unrealised profit. None where no positive price does.
    """
    return terms.price_at(cost - equity_behind, quantity)

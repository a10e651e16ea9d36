"""How a scope's equity is allotted to its positions, and the bankruptcy value (LIQ-3)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.figures import exposure
from app.engine.figures.exposure import maintenance_margin
from app.engine.figures.health import Health, health_after
from app.engine.figures.margin import Figures
from app.engine.markets import Market
from app.engine.numbers import ONE, ZERO, ceil_to, ratio, share
from app.engine.traders import Position


def allot(figures: Figures) -> dict[Position, Decimal]:
    """Each open position's share of the scope's equity.

    Equity of zero or more goes by maintenance margin, negative equity by unrealised loss and never
    beyond it. Shares are rounded half-even; the largest takes what rounding left.
    """
    equity = figures.health.equity
    if equity >= 0:
        weights = {leg.position: leg.margin for leg in figures.legs}
    else:
        weights = {leg.position: max(ZERO, -leg.profit) for leg in figures.legs}
    whole = sum(weights.values(), ZERO)
    if whole == 0:
        return dict.fromkeys(weights, ZERO)
    if equity < 0:
        equity = -min(-equity, whole)
    if len(weights) == 1:
        return dict.fromkeys(weights, equity)
    shares = {position: share(equity, weight, whole) for position, weight in weights.items()}
    largest = min(weights, key=lambda p: (-weights[p], p.symbol, p.side))
    shares[largest] += equity - sum(shares.values(), ZERO)
    return shares


def bankruptcy_value(market: Market, position: Position, allotted: Decimal) -> Decimal:
    """The signed value at which the position's allotted equity is used up (LIQ-3)."""
    return exposure.mark_value(market, position) - allotted


def restoring_quantity(market: Market, position: Position, now: Health) -> Decimal:
    """How much of a position to liquidate (LIQ-4), unsigned; `now` is its scope's health.

    The smallest lot-rounded quantity q with equity - clearance fee rate x value(q) >= restore
    ratio x (others + maintenance margin after q), at mark; the whole position if there is none or
    the rest would be under the minimum notional. `others` is the maintenance margin of the
    scope's other positions.
    """
    contract = market.contract
    assert market.mark is not None
    others = now.maintenance_margin - maintenance_margin(market, position)
    held = abs(position.quantity)
    per_unit = abs(contract.unrounded_value(ONE, market.mark.price))
    restored = contract.liquidation_restore_ratio
    lot = contract.lot_size
    best: Decimal | None = None
    whole = held * per_unit
    fee_in_full = contract.clearance_fee_rate * whole
    for bracket in reversed(contract.brackets):
        # Within one bracket both sides are linear in the notional left, so there the restoring
        # notionals are an interval: take its upper end. Brackets from the top: the least closed.
        if bracket.notional_floor > whole:
            continue
        highest = whole
        if bracket is not contract.brackets[-1]:
            highest = min(bracket.notional_cap, whole)
        left = _largest_left(
            now.equity - fee_in_full - restored * (others - bracket.cum),
            restored * bracket.maintenance_margin_rate - contract.clearance_fee_rate,
            bracket.notional_floor,
            highest,
        )
        if left is not None:
            best = max(lot, ceil_to(held - ratio(left, per_unit), lot))
            best = _first_restoring(market, position, now, best)
            if best is not None:
                break
    if best is None or best >= held:
        return held
    rest = abs(market.worth(held - best))
    return held if rest < contract.min_notional else best


def _largest_left(
    constant: Decimal, slope: Decimal, floor: Decimal, highest: Decimal
) -> Decimal | None:
    """The largest N in [floor, highest] with slope x N <= constant, if there is one."""
    if slope <= 0:
        return highest if slope * highest <= constant else None
    bound = ratio(constant, slope)
    if bound < floor:
        return None
    return min(bound, highest)


def _first_restoring(
    market: Market, position: Position, now: Health, start: Decimal
) -> Decimal | None:
    """The first of a few lots from just below `start` that restores, with booked (rounded) values.

    The closed form is exact but for the rounding of values; a lot either side settles it.
    """
    lot = market.contract.lot_size
    held = abs(position.quantity)
    for step in (-1, 0, 1, 2):
        quantity = start + step * lot
        if 0 < quantity <= held and restores(market, position, now, quantity):
            return quantity
    return None


def restores(market: Market, position: Position, now: Health, quantity: Decimal) -> bool:
    """Whether liquidating `quantity` at mark restores the scope (LIQ-4)."""
    contract = market.contract
    fee = contract.clearance_fee_rate * abs(market.worth(quantity))
    rest = abs(position.quantity) - quantity
    after = health_after(now, market, position, rest, -fee)
    return after.equity >= contract.liquidation_restore_ratio * after.maintenance_margin

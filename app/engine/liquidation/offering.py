"""Liquidation orders: what is offered to the book, and at what price (LIQ-4, LIQ-7)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.events import Liquidation
from app.engine.figures import allotment
from app.engine.liquidation import clearance
from app.engine.liquidation.work import Work
from app.engine.trading import matching


def offer_what_restores(work: Work) -> None:
    """Offer the smallest quantity whose liquidation restores the scope (LIQ-4)."""
    quantity = allotment.restoring_quantity(work.market, work.position, work.net())
    _offer(work, quantity)


def offer_the_rest(work: Work) -> None:
    """Offer all that is left of the position (LIQ-4, LIQ-7)."""
    _offer(work, abs(work.position.quantity))


def _offer(work: Work, quantity: Decimal) -> None:
    """One liquidation order: IOC at the bankruptcy price of the moment (LIQ-4)."""
    allotted = work.allot()
    if work.refused.get(work.position) == allotted:
        return  # the book had nothing at this price
    step, market, position = work.step, work.market, work.position
    if step.met >= step.state.limits.matched_orders:
        work.waits = True
        return
    record = work.record()
    value = allotment.bankruptcy_value(market, position, allotted)
    limit = market.contract.limit_price(value, position.quantity)
    if limit is None:
        work.refused[position] = allotted
        work.tell(record, "order", quantity=quantity, limit_price="none", allotted=allotted)
        return
    work.tell(record, "order", quantity=quantity, limit_price=limit, allotted=allotted)
    equity = work.health().equity
    if _fill(work, record, quantity, limit):
        clearance.earn(work, record, allotted + work.health().equity - equity)
    else:
        work.refused[position] = allotted


def _fill(work: Work, record: Liquidation, quantity: Decimal, limit: Decimal) -> bool:
    """Send the order to the book; returns whether anything was filled."""
    step, market, position = work.step, work.market, work.position
    taker = matching.Taker(
        work.account,
        position,
        "sell" if position.quantity > 0 else "buy",
        liquidation_id=record.liquidation_id,
    )
    plan = matching.plan(
        step.state,
        market,
        taker,
        quantity,
        limit=limit,
        prevention="expire_maker",
        met=step.met,
    )
    step.met = plan.met
    work.waits = plan.stopped == "match_limit"
    fills = matching.execute(step, market, taker, plan)
    for fill, match in zip(fills, plan.matches, strict=True):
        work.tell_fill(record, fill, match.made.notional)
    return bool(fills)

"""Liquidating one margin scope, from its first order to its last unit (LIQ)."""

from __future__ import annotations

from decimal import Decimal

from app.engine import allotment, deficits, deleveraging, funds, margin, matching, ranking, takeover
from app.engine.case import Case
from app.engine.contracts import Contract
from app.engine.events import ClearanceFee, Liquidation
from app.engine.margin import Leg
from app.engine.numbers import ZERO, round_value
from app.engine.resting import cancel_orders
from app.engine.scopes import Scope
from app.engine.state import Market, Order, Position
from app.engine.step import Step


def cancel_scope_orders(step: Step, scope: Scope) -> list[Order]:
    """Cancel a scope's open orders; for a cross account also its isolated orders (LIQ-2)."""
    orders = [
        order
        for position in step.state.accounts[scope.account_id].positions.values()
        if (position.scope == scope if scope.isolated else position.scope.asset == scope.asset)
        for order in position.orders.values()
    ]
    orders.sort(key=lambda order: order.order_id)
    cancel_orders(step, orders, "liquidation")
    return orders


def record_healed(step: Step, scope: Scope, canceled: int) -> None:
    """The record of a scope that the cancellation of its orders healed (LIQ-2, LIQ-9)."""
    case = Case.open(step, scope, canceled)
    leg = case.figures().legs[0]
    case.finish(case.record(leg.market, leg.position))


def liquidate(step: Step, scope: Scope, canceled: int) -> Case:
    """Liquidate a scope whose orders are cancelled: first by orders, then what is bankrupt.

    Where that may need a large ADL queue that is not made yet, the case `awaits` it: as a rule
    before anything is done, and it is to be begun again (ADL-5). A `paused` one goes on as well.
    """
    case = Case.open(step, scope, canceled)
    if not case.at_risk():
        return case  # healed while it waited
    legs = [leg for leg in case.figures().legs if margin.can_liquidate(leg.market, step.now)]
    if any(_awaits(case, leg.market, leg.position) for leg in legs):
        return case
    for leg in legs:
        if _goes_on(case):
            _reduce(case, leg)
    for leg in case.figures().legs:
        if margin.can_liquidate(leg.market, step.now) and _goes_on(case):
            _close_out(case, leg.market, leg.position)
    if case.unfinished:
        case.fees.clear()  # what is left may end bankrupt: then nothing may be charged (LIQ-5)
    for position in list(case.fees):
        _settle_fee(case, position)
    _close_scope(case)
    for record in case.records.values():
        case.finish(record)
    return case


def _goes_on(case: Case) -> bool:
    return not case.unfinished and case.at_risk()


def _awaits(case: Case, market: Market, position: Position) -> bool:
    """Whether a large ADL queue must be made first, for the fund does not take all (ADL-5)."""
    longs = position.quantity < 0
    if (
        market.count(longs=longs) > case.step.state.bounds.large
        and not takeover.takes_all(case, market, position)
        and not ranking.ready(case.step.state, market, case.step.now, longs=longs)
    ):
        case.awaits = market.contract.symbol, longs
        return True
    return False


def _reduce(case: Case, leg: Leg) -> None:
    """Offer what restores the scope, then the rest, at the bankruptcy price (LIQ-4)."""
    market, position = leg.market, leg.position
    quantity = allotment.restoring_quantity(market, position, case.net())
    _offer(case, market, position, quantity)
    if position.quantity and _goes_on(case):
        _offer(case, market, position, abs(position.quantity))
    if not position.quantity or not case.at_risk():
        _settle_fee(case, position)


def _offer(case: Case, market: Market, position: Position, quantity: Decimal) -> None:
    """One liquidation order: IOC at the bankruptcy price of the moment (LIQ-4)."""
    if case.refused.get(position) == case.version:
        return  # nothing changed since the book had nothing at this price
    step = case.step
    if step.met >= step.state.limits.matched_orders:
        case.paused = True
        return
    record = case.record(market, position)
    allotted = case.allot(position)
    value = allotment.bankruptcy_value(market, position, allotted)
    limit = market.contract.limit_price(value, position.quantity)
    if limit is None:
        case.refused[position] = case.version
        case.tell(record, "order", quantity=quantity, limit_price="none", allotted=allotted)
        return
    case.tell(record, "order", quantity=quantity, limit_price=limit, allotted=allotted)
    side = "sell" if position.quantity > 0 else "buy"
    account = step.state.accounts[position.account_id]
    taker = matching.Taker(account, position, side, None, record.liquidation_id)  # type: ignore[arg-type]
    plan = matching.plan(step.state, market, taker, quantity, limit, "expire_maker", step.met)
    step.met = plan.met
    equity_before = case.health().equity
    fills = matching.execute(step, market, taker, plan)
    case.paused = plan.stopped == "match_limit"
    if not fills:
        case.refused[position] = case.version
        return
    case.changed(market, position)
    for fill, match in zip(fills, plan.matches, strict=True):
        case.tell_fill(record, fill, match.made.notional)
    remaining = allotted + case.health().equity - equity_before
    case.fees[position] = max(ZERO, min(_full_fee(market.contract, record), remaining))


def _full_fee(contract: Contract, record: Liquidation) -> Decimal:
    """The clearance fee on what the orders filled, before its cap (LIQ-5)."""
    return round_value(contract.clearance_fee_rate * record.filled_value)


def _settle_fee(case: Case, position: Position) -> None:
    """Charge the clearance fee of a finished position and split it (LIQ-5, LIQ-6)."""
    fee = case.fees.pop(position, ZERO)
    if fee == 0:
        return
    step, record = case.step, case.records[position]
    contract = step.state.markets[record.symbol].contract
    fund = funds.fund_of(step.state, contract)
    asset = contract.settlement_asset
    funds.settle_inventory(step, fund, asset)
    policy = fund.policy
    below = funds.below_minimum(fund, asset)
    to_fund = round_value(
        fee * (policy.share_below_minimum if below else policy.share_above_minimum)
    )
    wallet, revenue = case.wallet(), step.wallet("revenue", "", asset)
    for destination, amount in (
        (funds.first_wallet(step, fund, asset), to_fund),
        (revenue, fee - to_fund),
    ):
        step.transfer(
            "liquidation_clearance_fee", wallet, destination, amount,
            symbol=record.symbol, liquidation_id=record.liquidation_id,
        )  # fmt: skip
    case.paid()
    step.touch_cross(case.account.account_id, asset)
    record.clearance_fee += fee
    record.clearance_fee_to_fund += to_fund
    case.tell(record, "clearance_fee", fee=fee, to_fund=to_fund, to_revenue=fee - to_fund)
    step.outcome.records.append(
        ClearanceFee(
            liquidation_id=record.liquidation_id,
            time=step.now,
            symbol=record.symbol,
            fund_id=fund.fund_id,
            asset=asset,
            rate=contract.clearance_fee_rate,
            value=record.filled_value,
            fee=fee,
            to_fund=to_fund,
            to_revenue=fee - to_fund,
            capped=fee < _full_fee(contract, record),
        )
    )


def _close_out(case: Case, market: Market, position: Position) -> None:
    """Offer once more; the fund, then the counterparties, take what is not filled (LIQ-7)."""
    _offer(case, market, position, abs(position.quantity))
    if case.paused:
        return
    if not position.quantity or not case.at_risk():
        _settle_fee(case, position)
        return
    case.fees.pop(position, None)  # nothing is charged once a part is bankrupt (LIQ-5)
    if _awaits(case, market, position):
        return  # the fund took others of this scope, and has no room for this one any more
    record = case.record(market, position)
    takeover.take_over(case, market, position, record)
    case.changed(market, position)
    if position.quantity:
        deleveraging.deleverage(case, market, position, record)
        case.changed(market, position)


def _close_scope(case: Case) -> None:
    """What is left when nothing is open: a surplus is the trader's, a deficit is covered."""
    step = case.step
    if margin.scope_positions(step.state, case.scope):
        return
    assert case.cause is not None
    wallet = case.wallet()
    contract = step.state.markets[case.cause].contract
    records = [*case.records.values()]
    # Where the cause was closed in an earlier part, the last record tells of what its fund pays.
    record = next((one for one in records if one.symbol == case.cause), records[-1])
    if wallet.balance < 0:
        paid, injected = deficits.cover(
            step, contract, wallet, -wallet.balance, record.liquidation_id
        )
        case.tell_cover(record, contract.symbol, paid, injected)
    if case.scope.isolated:
        _return_margin(case, record, contract)


def _return_margin(case: Case, record: Liquidation, contract: Contract) -> None:
    """A finished isolated position gives what it has left back to the cross wallet (LIQ-8)."""
    step = case.step
    wallet, asset = case.wallet(), contract.settlement_asset
    record.final_wallet = left = wallet.balance
    cross = step.cross_wallet(case.account, asset)
    step.transfer(
        "margin_out", wallet, cross, left,
        symbol=record.symbol, liquidation_id=record.liquidation_id,
    )  # fmt: skip
    step.touch_cross(case.account.account_id, asset)
    if left:
        case.tell(record, "margin_returned", amount=left)
    step.forget_empty(step.position(case.account, record.symbol, record.position_side))

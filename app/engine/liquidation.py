"""Liquidating one margin scope, from its first order to its last unit (LIQ, FND, ADL).

What is liquidated is a scope: an isolated position, or all that an account has cross in an asset.
It is *at risk* when equity < maintenance margin, strictly, where equity is the wallet's balance
plus the profit at mark of all its positions, less what its isolated orders hold back (LIQ-1) and,
here, less the fees its fills have earned but not paid (LIQ-5). That is asked again after each act,
and the first time the answer is no, the scope is left alone with what it still has (but a position
that is bankrupt already is closed to the end).

    orders are cancelled by the cascade (LIQ-2)
        |  still at risk
        v
    rank     a large ADL queue that may be needed is made first (ADL-5)
        v
    reduce   each position, the largest maintenance margin first (LIQ-4):
        |      offer to the book what restores the scope; then the rest of the position
        v
    close    each position that is left (LIQ-7):
        |      offer it once more; now it is bankrupt, and gone to its last unit:
        |      the fund takes over what it accepts (FND-1, FND-2);
        |      counterparties are deleveraged for the rest (ADL-2)
        v
    in the end, whichever way it came to it:
             fees are charged (LIQ-5); a scope with nothing open gives its surplus back to the
             trader (LIQ-8), or its deficit is paid (FND-4); the records are closed (LIQ-9)

*Why the wallet ends at zero.* The scope's equity is allotted to its positions, to the last unit
(LIQ-3), and everything is priced so that a position uses up what it is allotted, no less and no
more: that value is its bankruptcy value = mark value - allotted equity. Orders ask at least that
price, so what they get beyond it stays in the wallet. A takeover and ADL close at exactly that
value: profit realised there = profit at mark - allotted equity, so equity shrinks by just what the
position was allotted, and when the last one is gone balance = equity = 0 (FND-1; `takeover` and
`deleveraging` assert it). Equity below zero is allotted alike, by loss: the value is then better
than mark, and the wallet ends at zero because somebody pays the difference.

*Who pays a deficit.* Whoever has to do with a position below zero: the fund, by taking it over at a
value worse than mark (`bankruptcy_loss`), or counterparties, as far as they can bear it, out of
their profit. What nobody can bear is closed at mark, and what the scope then lacks, like what it
owes beyond the losses of its positions, is a deficit without a position: the fund of the contract
that made it pays, then the treasury (`deficits`). Never another fund, nor another scope.

A case can wait (`Work.waits`): for a queue, or because this part has done as much as one may. Then
its records are closed, without a fee, and it stays in its cascade with its stage and the positions
that stage has to go through. The next part looks anew whether it is still at risk, opens other
records of the same event, and begins with the acts of that stage for the position in hand: book,
fund and figures may be others by then. An answer from elsewhere could be waited for alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from app.engine import clearance, deficits, margin
from app.engine.deleveraging import await_queue, deleverage
from app.engine.events import Liquidation
from app.engine.offering import offer_the_rest, offer_what_restores
from app.engine.resting import cancel_orders
from app.engine.scopes import Scope
from app.engine.state import Case, Order, Wallet
from app.engine.step import Step
from app.engine.takeover import take_over
from app.engine.work import Work

Act = Callable[[Work], None]
"""What a stage does with the position in hand, while its scope is at risk."""


class Stage(NamedTuple):
    """A stage goes through the positions of a scope, and does its acts with each."""

    name: str
    acts: tuple[Act, ...]


STAGES = (
    Stage("rank", (await_queue,)),  # ADL-5
    Stage("reduce", (offer_what_restores, offer_the_rest)),  # LIQ-4
    Stage("close", (offer_the_rest, await_queue, take_over, deleverage)),  # LIQ-7, FND-1, ADL-2
)


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
    work = Work.open(step, Case(scope, canceled))
    first = margin.in_order(work.legs.values())[0]
    work.take(first.market, first.position)
    work.finish(work.record())


def advance(step: Step, case: Case) -> bool:
    """Go on with a case at its stage, as far as one part goes; returns whether it is finished."""
    work = Work.open(step, case)
    if not work.legs or not work.at_risk():
        return True  # healed, or emptied, while it waited
    deficits.find_cause(step, case.scope, work.legs.values())
    while case.stage < len(STAGES) and _goes_through(work, STAGES[case.stage].acts):
        case.stage, case.todo = case.stage + 1, None
    if work.waits:
        work.fees.clear()  # what is left may end bankrupt: then nothing may be charged (LIQ-5)
    for position in list(work.fees):
        clearance.charge(work, position)
    if not work.health().positions:
        _close_scope(work)
    for record in work.records.values():
        work.finish(record)
    if work.records:
        case.canceled = 0
    return not work.waits


def _goes_through(work: Work, acts: tuple[Act, ...]) -> bool:
    """Go through the positions of a stage; returns whether the case goes on to the next stage."""
    case, now = work.case, work.step.now
    if case.todo is None:
        case.todo = [leg.position for leg in margin.in_order(work.legs.values())]
    while case.todo:
        position = case.todo[0]
        market = work.step.state.markets[position.symbol]
        if position.quantity and margin.can_liquidate(market, now):
            work.take(market, position)
            if not _goes_on(work, acts):
                return False
        del case.todo[0]
    return True


def _goes_on(work: Work, acts: tuple[Act, ...]) -> bool:
    """Do a stage's acts with the position in hand; returns whether the case goes on to the next.

    It does while the scope is at risk and need not wait. What is bankrupt is closed to its last
    unit, though the rest of it might be whole by then.
    """
    position, at_risk = work.position, True
    for act in acts:
        act(work)
        at_risk = work.at_risk()
        if work.waits or not position.quantity or not (at_risk or work.bankrupt):
            break
    if not position.quantity or not at_risk:
        clearance.charge(work, position)
    return at_risk and not work.waits


def _close_scope(work: Work) -> None:
    """Nothing is open any more: a deficit is covered, a surplus is the trader's (FND-4, LIQ-8)."""
    contract, wallet = deficits.cause(work.step, work.scope), work.purse
    assert wallet is not None, work.scope
    records = [*work.records.values()]
    # Where the cause was closed in an earlier part, the last record tells of what its fund pays.
    record = next((one for one in records if one.symbol == contract.symbol), records[-1])
    if wallet.balance < 0:
        paid, injected = deficits.cover(
            work.step, contract, wallet, -wallet.balance, record.liquidation_id
        )
        work.tell_cover(record, contract.symbol, paid, injected)
    if work.scope.isolated:
        _return_margin(work, record, wallet)


def _return_margin(work: Work, record: Liquidation, wallet: Wallet) -> None:
    """A finished isolated position gives what it has left back to the cross wallet (LIQ-8)."""
    step, account, asset = work.step, work.account, work.scope.asset
    record.final_wallet = left = wallet.balance
    if left:
        step.transfer(
            "margin_out",
            wallet,
            step.cross_wallet(account, asset),
            left,
            symbol=record.symbol,
            liquidation_id=record.liquidation_id,
        )
        step.touch_cross(account.account_id, asset)
        work.tell(record, "margin_returned", amount=left)
    if (position := account.positions.get(work.scope.leg)) is not None:
        step.forget_empty(position)

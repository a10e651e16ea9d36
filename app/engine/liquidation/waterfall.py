"""Liquidating one margin scope, to its last unit if need be (LIQ, FND, ADL).

What is liquidated is a scope: an isolated position, or all that an account has cross in an asset.
It is *at risk* when equity < maintenance margin, strictly. Equity is the wallet's balance plus the
profit at mark of the scope's positions, for a cross account less what its isolated orders hold back
(LIQ-1) and, here, less the clearance fees that its fills have incurred and that are not charged yet
(LIQ-5). That is asked again after each act, and the first time the answer is no, the scope is left
alone with what it still has. Only the position in hand, once it is bankrupt, is closed first as far
as this part goes.

    orders are cancelled by the cascade (LIQ-2)
        |  still at risk
        v
    net      the legs of a contract in cross hedge mode, against each other at mark (LIQ-2)
        v
    rank     an ADL queue that may be needed and is too large to be made at once (ADL-5)
        v
    reduce   each position, the largest maintenance margin first (LIQ-4):
        |      offer to the book what restores the scope; then the rest of the position
        v
    close    each position that is left, in the same order (LIQ-7):
        |      offer it once more; what is left now is bankrupt:
        |      its owner's own accounts are closed against it (FND-12);
        |      the fund takes over what it accepts (FND-1, FND-2), by its policy only behind the
        |      counterparties that can bear the bankruptcy price (FND-3);
        |      counterparties are deleveraged for the rest (ADL-2)
        v
    finally, wherever it ended:
             fees are charged (LIQ-5), and a surplus goes to the fund if its policy says so. A scope
             with nothing open has its deficit paid (FND-4); what an isolated position has left goes
             back to the cross wallet, the trader's (LIQ-8). The records are closed (LIQ-9)

*Why the wallet ends at zero.* The scope's equity is allotted to its positions to the last unit: by
maintenance margin, or, when it is negative, by loss (LIQ-3). Everything is priced so that a
position uses up what it is allotted, no less and no more. That value is its bankruptcy value = mark
value - allotted equity. Orders are limited at its price or better, and what they get beyond it
stays in the wallet. A takeover and ADL close at exactly that value: the profit realised is the
profit at mark - allotted equity, so equity shrinks by just what the position was allotted, and when
the last one is gone balance = equity = 0 (FND-1; `takeover` and `deleveraging` assert it). Where
equity was negative that value is better than mark for the trader, and the wallet ends at zero
because somebody else pays the difference; it ends below zero only by what the scope owed beyond the
losses of its positions, or by what nobody could bear.

*Who pays a deficit.* First the fund of the position's contract, by taking the position over at a
value that is worse than mark for the fund (`bankruptcy_loss`), as much as it accepts. Then its
counterparties, out of their profit and as far as each can bear it. What nobody can bear is closed
at mark. What the scope then owes, like a debt beyond the losses of its positions, is a deficit
without a position: the fund of the contract that caused it pays, then the treasury (`deficits`).
Nobody else does: not the fund of another contract, nor the trader's other scopes.

Positions without a fresh mark, or in a halted contract, are passed over: with them the scope is
held open until their tick (MRK-4).

A case, a scope being liquidated, can wait (`Work.waits`): for a queue, or because this part has
done as much as one may. Then its records are closed, and fees that are not charged by then are
dropped, for what is left may end bankrupt. It stays in its cascade with its stage and the positions
that the stage has still to go through. The next part asks anew whether it is at risk, opens other
records of the same event, and begins with the acts of that stage for the position in hand, for
book, fund and figures may have changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from app.engine.events import Liquidation
from app.engine.figures import margin
from app.engine.liquidation import clearance, surplus
from app.engine.liquidation.deleveraging import (
    await_queue,
    close_own_accounts,
    counterparties_first,
    deleverage,
)
from app.engine.liquidation.netting import net_legs
from app.engine.liquidation.offering import offer_the_rest, offer_what_restores
from app.engine.liquidation.takeover import take_over
from app.engine.liquidation.work import Work
from app.engine.numbers import ZERO
from app.engine.scopes import Scope
from app.engine.state import Case, State
from app.engine.step import Step
from app.engine.traders import Order, TriggeredOrder, Wallet
from app.engine.trading import deficits
from app.engine.trading.resting import cancel_orders

Act = Callable[[Work], None]
"""What a stage does with the position in hand, while its scope is at risk."""


class Stage(NamedTuple):
    """A stage goes through the positions of a scope, and does its acts with each.

    Some are only for accounts in hedge mode.
    """

    name: str
    acts: tuple[Act, ...]
    hedged: bool = False


STAGES = (
    Stage("net", (net_legs,), hedged=True),  # LIQ-2
    Stage("rank", (await_queue,)),  # ADL-5
    Stage("reduce", (offer_what_restores, offer_the_rest)),  # LIQ-4
    Stage(
        "close",
        (  # LIQ-7, FND-12, FND-3, FND-1, ADL-2
            offer_the_rest,
            close_own_accounts,
            await_queue,
            counterparties_first,
            take_over,
            deleverage,
        ),
    ),
)


def cancel_scope_orders(step: Step, scope: Scope) -> list[Order | TriggeredOrder]:
    """Cancel a scope's open orders; for a cross account also its isolated orders (LIQ-2).

    Untriggered ones go with them (TRG-2).
    """
    state = step.state
    orders: list[Order | TriggeredOrder] = [
        order
        for position in state.accounts[scope.account_id].positions.values()
        if (position.scope == scope if scope.isolated else position.scope.asset == scope.asset)
        for order in position.orders.values()
    ]
    if scope.account_id in state.untriggered_of:
        orders += _untriggered(state, scope)
    orders.sort(key=lambda order: order.order_id)
    cancel_orders(step, orders, "liquidation")
    return orders


def _untriggered(state: State, scope: Scope) -> list[TriggeredOrder]:
    own = state.untriggered_of[scope.account_id].values()
    if scope.isolated:
        return [order for order in own if (order.symbol, order.position_side) == scope.leg]
    markets = state.markets
    return [o for o in own if markets[o.symbol].contract.settlement_asset == scope.asset]


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
        return True  # it was healed while it waited, or emptied by an ADL, which then settled it
    deficits.find_cause(step, case.scope, work.legs.values())
    while case.stage < len(STAGES) and _goes_through(work, STAGES[case.stage]):
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


def _goes_through(work: Work, stage: Stage) -> bool:
    """Go through the positions of a stage; returns whether the case goes on to the next stage."""
    if stage.hedged and work.account.position_mode == "one_way":
        return True
    case, now = work.case, work.step.now
    if case.todo is None:
        case.todo = [leg.position for leg in margin.in_order(work.legs.values())]
    while case.todo:
        position = case.todo[0]
        market = work.step.state.markets[position.symbol]
        if position.quantity and margin.can_liquidate(market, now):
            work.take(market, position)
            if not _goes_on(work, stage.acts):
                return False
        del case.todo[0]
    return True


def _goes_on(work: Work, acts: tuple[Act, ...]) -> bool:
    """Do a stage's acts with the position in hand; returns whether the case goes on to the next.

    It does while the scope is at risk and need not wait. What is bankrupt is closed as far as this
    part goes, though the rest of it might be healthy by then.
    """
    position, at_risk = work.position, True
    for act in acts:
        act(work)
        at_risk = work.at_risk()
        if work.waits or not position.quantity or not (at_risk or work.bankrupt):
            break
    if not position.quantity or not at_risk:
        clearance.charge(work, position)
        surplus.hand_over(work, position)
    return at_risk and not work.waits


def _close_scope(work: Work) -> None:
    """Nothing is open any more: a deficit is covered, a surplus is the trader's (FND-4, LIQ-8)."""
    contract, wallet = deficits.cause(work.step, work.scope), work.purse
    records = [*work.records.values()]
    # Where the cause was closed in an earlier part, the last record tells of what its fund pays.
    record = next((one for one in records if one.symbol == contract.symbol), records[-1])
    if wallet is not None and wallet.balance < 0:
        paid, injected = deficits.cover(
            work.step, contract, wallet, -wallet.balance, record.liquidation_id
        )
        work.tell_cover(record, contract.symbol, paid, injected)
    if work.scope.isolated:
        _return_margin(work, record, wallet)


def _return_margin(work: Work, record: Liquidation, wallet: Wallet | None) -> None:
    """A finished isolated position gives what it has left back to the cross wallet (LIQ-8).

    One that its profit alone backed has no wallet (ORD-3).
    """
    step, account, asset = work.step, work.account, work.scope.asset
    record.final_wallet = left = ZERO if wallet is None else wallet.balance
    if wallet is not None and left:
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

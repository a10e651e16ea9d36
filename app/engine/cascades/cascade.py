"""Cascades: finding who is at risk and liquidating them, a bounded part at a time (LIQ-2, LIQ-10).

A cascade is all the liquidations under way in one settlement asset. The command that set it off
does its first part, unless it is a trader's; each `ContinueCascade` does another. The runner sends
those: an outcome names the assets whose cascades are `pending`, and it goes on with them after it
has served others (`runner.serving`). No mark of the asset moves until the cascade has ended
(MRK-2), so all of it is about the same prices.

A scope is *at risk* when its equity < its maintenance margin, strictly (LIQ-1): `margin.health`
works out both. Equity is the wallet's balance plus the profit of the scope's positions at mark; for
a cross account less the margin of its open isolated orders. Once it is being liquidated, clearance
fees that are incurred and not charged yet are taken off as well (`work.Work.at_risk`).

One life of a scope, and the collections of a `Cascade` that it passes through:

    unchecked   scopes whose trigger a mark crossed, or that something else may have put at risk
    changed     the positions of a contract whose requirements changed, for their scopes
        |  looked at (`looking`); not at risk: it gets new triggers, and that is all
        v
    waiting     at risk, and its orders are cancelled; by scope, how many (LIQ-2). What that
        |       heals is recorded and stops here; where no mark is fresh it is held open instead,
        |       outside the cascade, until a tick (MRK-4). Of those that wait,
        |         queue       are found before the first is liquidated: this round,
        |         next_round  are those that this round's liquidations put at risk
        v
    case        liquidated (`waterfall.advance`): one at a time, the lowest equity / maintenance
        |       margin first. It stays here from part to part until it is finished
        v
    looked at again, like any scope that was touched: it is healthy, or gone, or in the next round

The work is done in this order, as much in each part as one may: `unswept` orders of a reduce-only
contract are cancelled (ORD-13); the positions of `funded` contracts are settled, of one after the
other (FPY-1: `unpaid` are those of the first, put in order in parts); what `sunk` funds lose with
goes to ADL (FND-5); scopes are looked at, while
`finding` those behind triggers that the tick crossed, too; those left `unarmed` get triggers; then
one after the other is liquidated; then the orders that the marks of `watched` contracts trigger are
fired, and what is fired is placed (TRG-2). All of a round are found, and have no orders any more,
before the first is liquidated: or else it would sell to the second. When all that is done,
`delivered` contracts are closed (DLV-1: of the first, `uncanceled` orders, then `unclosed`
positions). In the end the funds that came to be `short` are topped up (FND-7).

`found` are the accounts that are counted in the tick's answer, `events` the liquidation events of
those of which something was liquidated (LIQ-9), `paid` what a limited fund paid in an account's
(FND-12), `causes` the contracts that made what a scope owes (FND-4). `unarmed` has nothing to do
with risk: a healthy scope needs new triggers, but while crossed ones are collected the new ones
could be collected again, for ever. `queue` is a heap, for scopes come to it in any order, many at a
time, and few of them are taken in a part.

Known weaknesses: a tick is answered here, when its cascade ends, though it was applied in `prices`;
and scopes held open are kept outside the cascades (`State.held`), for otherwise each collection
here would have to pass them over.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop

from app.engine.cascades import closings, groups, payments, placing
from app.engine.commands.delivery import BeginDelivery
from app.engine.commands.funding import BeginFunding
from app.engine.commands.funds import Offload
from app.engine.commands.leaders import ContinueCascade, Recover, ReleaseIncident
from app.engine.commands.prices import IndexTick, Tick
from app.engine.figures import margin, ranking, triggers
from app.engine.handling import HANDLERS, Drives, handles
from app.engine.liquidation import looking, sinking, waterfall
from app.engine.markets import Market
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Ticked
from app.engine.scopes import Scope
from app.engine.state import Cascade, Case, State
from app.engine.step import Step
from app.engine.trading import funds, positions, resting

LEADERS = (Tick, IndexTick, ContinueCascade, Recover)
"""Commands that run a cascade and do little else: if their part fails and no scope is to blame, the
cascade is."""


def sweep(state: State, market: Market) -> None:
    """A contract is set to reduce only: its resting orders are gone through (ORD-13)."""
    if market.contract.settlement_asset in state.stalled:
        return
    open_ids = [
        i for side in (market.bids, market.asks) for level in side.levels.values() for i in level
    ]
    if open_ids:
        looking.cascade_of(state, market.contract.settlement_asset).unswept += sorted(open_ids)


def begin_tick(step: Step, tick: Tick) -> Ticked | Drives:
    """A mark changed: look at the scopes behind the triggers that it crossed, at those that look at
    each tick (`Triggers.watched`) and at those held open until one (MRK-4).

    Without any, that is all.
    """
    state, market = step.state, step.state.markets[tick.symbol]
    asset = market.contract.settlement_asset
    assert asset not in state.cascades, "a tick waits for the asset's cascade"
    ranking.forget(state, asset)
    is_there = bool(market.watches) and placing.marked(step, market)
    unchecked: list[Scope] = []
    if market.triggers.watched:
        unchecked += triggers.pop_watched(market.triggers)
    if market.held:
        unchecked += _held_here(state, market)
    sunk = sinking.sunk_by(state, market)
    crossed = triggers.any_crossed(market.triggers, tick.mark_price)
    if not (unchecked or is_there or sunk or crossed):
        return Ticked(tick.symbol, tick.mark_price, step.now, 0)
    watched = [tick.symbol] if is_there else []
    state.cascades[asset] = Cascade(asset, tick, unchecked=unchecked, watched=watched, sunk=sunk)
    return Drives(asset)


@handles(ContinueCascade, Code.no_cascade)
def go_on(step: Step, command: ContinueCascade) -> Drives:
    """The next part of an asset's cascade."""
    if command.asset not in step.state.cascades:
        raise Rejected(Code.no_cascade, f"{command.asset} has no cascade under way")
    return Drives(command.asset)


def _held_here(state: State, market: Market) -> list[Scope]:
    """The scopes that wait for a tick of this contract; those that no longer do are forgotten."""
    waiting = [scope for scope in sorted(market.held) if scope in state.held]
    found = [
        scope
        for scope in waiting
        if any(m is market for m, _ in margin.scope_positions(state, scope))
    ]
    market.held = dict.fromkeys(found)
    return found


def run(step: Step, asset: str | None) -> None:
    """Look at the scopes a command touched; then do one bounded part of the asset's cascade.

    A trader's command does no part of one: should it come upon somebody at risk, that waits for the
    next `ContinueCascade`. So does what is released, for that must be durable before it is tried;
    and a funding, delivery or offload, for many are due at once.
    """
    _settle_down(step)
    state = step.state
    for one in state.to_place:
        if one not in state.stalled:
            looking.cascade_of(state, one)
    if not state.cascades:
        return
    if asset is None:
        asset = next((a for a in state.cascades if a not in step.pending_before), None)
    if asset is None:
        return
    command = step.outcome.command
    later = isinstance(command, ReleaseIncident | BeginFunding | BeginDelivery | Offload)
    if later or HANDLERS[type(command)].moves is not None:
        step.outcome.pending = tuple(state.cascades)
        return
    _do_part(step, state.cascades[asset])
    step.outcome.pending = tuple(state.cascades)


def _settle_down(step: Step) -> None:
    """Decide groups and look at touched scopes, until neither leaves anything for the other: who is
    found at risk has its orders cancelled, and what a group cancels is touched."""
    groups.decide(step)
    while step.scopes:
        looking.check_touched(step)
        groups.decide(step)


def _do_part(step: Step, cascade: Cascade) -> None:
    """One bounded part, with what would be to blame if it failed (REC-2)."""
    whole = cascade.asset if isinstance(step.outcome.command, LEADERS) else None
    step.blamed = whole
    _sweep(step, cascade)
    if not cascade.unswept and payments.go_on(step, cascade) and sinking.go_on(step, cascade):
        _find(step, cascade)
        _liquidate(step, cascade)
        if not _has_scopes(cascade):
            placing.go_on(step, cascade)
        if not _is_busy(step.state, cascade):
            closings.go_on(step, cascade)
    _settle_down(step)
    step.blamed = next(iter(step.handled)) if whole and len(step.handled) == 1 else whole
    if not (cascade.delivered or _is_busy(step.state, cascade)):
        _end(step, cascade)


def _sweep(step: Step, cascade: Cascade) -> None:
    """Cancel orders that would open or grow a position, a bounded number (ORD-13)."""
    for _ in range(min(looking.room(step, cascade, step.state.bounds.finds), len(cascade.unswept))):
        order = step.state.orders.get(cascade.unswept.pop())
        if order is None or order.reduce_only:
            continue
        if step.state.markets[order.symbol].contract.status != "reduce_only":
            continue  # it trades again
        position = step.state.accounts[order.account_id].positions[
            order.symbol, order.position_side
        ]
        if margin.is_aside(step.state, position.scope):
            continue
        looking.handle(step, position.scope)
        opening = position.bid_quantity if order.side == "buy" else position.ask_quantity
        if not positions.reduces(position, order.side) or opening > abs(position.quantity):
            resting.cancel_orders(step, [order], "contract_reduce_only")
    looking.check_touched(step)


def look_again(state: State, market: Market) -> None:
    """What all positions of a contract require changed: the cascade looks at each (LIQ-1).

    In an order that no restart changes, and without going through them now. Meanwhile no mark of
    the asset moves (MRK-2), and those who are at risk and not looked at yet may do as little as
    those that wait (`margin.is_waiting`).
    """
    if market.positions and market.contract.settlement_asset not in state.stalled:
        cascade = looking.cascade_of(state, market.contract.settlement_asset)
        cascade.changed += market.positions.values()


def _find(step: Step, cascade: Cascade) -> None:
    """Look at scopes, those behind crossed triggers too, a bounded number; then arm as many."""
    state, left = step.state, looking.room(step, cascade, step.state.bounds.finds)
    while cascade.looking and left > 0:
        if cascade.unchecked or cascade.changed:
            scope = cascade.unchecked.pop() if cascade.unchecked else cascade.changed.pop().scope
            left -= 1
            if not margin.is_aside(state, scope):
                looking.handle(step, scope)
                looking.check(step, scope)
            continue
        if cascade.tick is None:
            cascade.finding = False
            break
        market = state.markets[cascade.tick.symbol]
        assert market.mark is not None
        crossed = triggers.pop_crossed(market.triggers, market.mark.price, left)
        if not crossed:
            cascade.finding = False
        cascade.unchecked = list(dict.fromkeys(p.scope for p in reversed(crossed)))
    looking.check_touched(step)
    while not cascade.finding and cascade.unarmed and left > 0:
        scope = cascade.unarmed.popitem()[0]
        left -= 1
        if scope not in cascade.waiting:  # those are armed when they are liquidated
            looking.handle(step, scope)
            triggers.arm(state, scope)


def _liquidate(step: Step, cascade: Cascade) -> None:
    """Liquidate the scopes in order, a bounded number; then the next round."""
    if cascade.looking or cascade.unarmed or not _ranked(step, cascade):
        return
    for _ in range(looking.room(step, cascade, step.state.bounds.liquidations)):
        case = cascade.case = cascade.case or _next_case(cascade)
        if case is None:
            return
        looking.handle(step, case.scope)
        finished = waterfall.advance(step, case)
        if finished:
            cascade.case = None
            del cascade.waiting[case.scope]
            if step.state.ranked:
                ranking.unpin(step.state)
        step.scopes[case.scope] = None
        looking.check_touched(step)
        if not finished or step.shares >= step.state.bounds.shares:
            return


def _next_case(cascade: Cascade) -> Case | None:
    """The scope that is next in order (LIQ-2)."""
    if not cascade.queue:
        cascade.queue, cascade.next_round = cascade.next_round, []
        heapify(cascade.queue)
    if not cascade.queue:
        return None
    scope = heappop(cascade.queue)[-1]
    return Case(scope, cascade.waiting[scope])


def _ranked(step: Step, cascade: Cascade) -> bool:
    """Whether liquidation may go on: what ADL queue the case awaits, if any, is made (ADL-5)."""
    case = cascade.case
    if case is None or case.awaits is None:
        return True
    looking.handle(step, case.scope)
    symbol, longs = case.awaits
    if not ranking.make(step.state, step.state.markets[symbol], step.now, longs=longs):
        return False
    case.awaits = None
    return True


def _is_busy(state: State, cascade: Cascade) -> bool:
    """Whether there is work that comes before deliveries."""
    return _has_scopes(cascade) or placing.has_work(state, cascade)


def _has_scopes(cascade: Cascade) -> bool:
    """Whether scopes are to be looked at, settled or liquidated, or orders to be swept."""
    return bool(
        cascade.unswept
        or cascade.funded
        or cascade.sunk
        or cascade.looking
        or cascade.unarmed
        or cascade.case
        or cascade.queue
        or cascade.next_round
    )


def _end(step: Step, cascade: Cascade) -> None:
    """The cascade is finished: the tick that began it is answered (MRK-2)."""
    assert not cascade.waiting, cascade.waiting
    del step.state.cascades[cascade.asset]
    if cascade.short:
        funds.end_shortage(step, cascade.asset, map(step.state.funds.__getitem__, cascade.short))
    if cascade.tick is not None:
        step.outcome.result = ticked(step.state, cascade)
    elif step.outcome.result is None:
        step.outcome.result = Done()


def ticked(state: State, cascade: Cascade) -> Ticked:
    """The answer to the tick that began a cascade, with the accounts found so far."""
    assert cascade.tick is not None
    mark = state.markets[cascade.tick.symbol].mark
    assert mark is not None
    return Ticked(mark.symbol, mark.price, mark.time, len(cascade.found))


def forget_all(state: State) -> None:
    """A new leader begins everything again."""
    state.cascades.clear()
    state.held.clear()
    for market in state.markets.values():
        market.held.clear()


def look_at(state: State, scopes: Sequence[Scope]) -> None:
    """Have scopes of one asset, in this order from the last, looked at by its next part."""
    if scopes and scopes[0].asset not in state.stalled:
        looking.cascade_of(state, scopes[0].asset).unchecked += scopes

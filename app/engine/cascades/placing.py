"""Orders that waited for a price are placed when it was there (TRG).

untriggered    it waits in its contract's `PriceWatch`, and holds nothing back
    |  a tick's mark or a trade's price is there (`firing`)
    v
fired          it waits for its turn: behind the asset's liquidations, older ones first
    |  placed by a part of the asset's cascade, as an order that comes now
    v
triggered      it became an order with a number of its own; or it ends as none: `expired`, for
               what such an order would be refused for, or `canceled`, for its account waits for
               liquidation
"""

from __future__ import annotations

from decimal import Decimal
from heapq import heappop

from app.engine.cascades import groups
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import BECOME_MARKET, PlaceTriggered
from app.engine.figures import margin, watching
from app.engine.liquidation import looking
from app.engine.markets import Market
from app.engine.numbers import ZERO
from app.engine.rejections import Rejected
from app.engine.state import Cascade, State
from app.engine.step import Step
from app.engine.traders import Account, TriggeredOrder, scope_of
from app.engine.trading import firing, meeting, trailing
from app.engine.trading.assessment import assess, reducible
from app.engine.trading.positions import reduces


def as_order(order: PlaceTriggered | TriggeredOrder, quantity: Decimal) -> PlaceOrder:
    """The order that it becomes, for that quantity."""
    return PlaceOrder(
        account_id=order.account_id,
        symbol=order.symbol,
        side=order.side,
        type="market" if order.type in BECOME_MARKET else "limit",
        quantity=quantity,
        price=order.price,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        position_side=order.position_side,
        self_trade_prevention=order.self_trade_prevention,
    )


def marked(step: Step, market: Market) -> bool:
    """A new mark: trailing stops follow it. Whether it triggers orders."""
    assert market.mark is not None, market.contract.symbol
    if not firing.counts(step.state, market):
        return False
    trailing.moved(step, market, "mark", market.mark.price)
    return watching.any_crossed(market, "mark", market.mark.price)


def begin_again(step: Step) -> None:
    """What was fired is placed, and what the mark triggered is fired: asked of the state alone.

    Trailing stops of an asset that was left alone follow the mark that there is by its release.
    """
    state = step.state
    firing.begin_again(state)
    for symbol, market in state.markets.items():
        if market.watches and marked(step, market):
            looking.cascade_of(state, market.contract.settlement_asset).watched.append(symbol)


def are_due(state: State) -> bool:
    """Whether any order is fired, or is to be, and does not await a release (REC-2)."""
    markets, stalled = state.markets, state.stalled
    fired = any(
        order.fired and markets[order.symbol].contract.settlement_asset not in stalled
        for order in state.untriggered.values()
    )
    return fired or any(firing.is_there(state, market) for market in state.markets.values())


def has_work(state: State, cascade: Cascade) -> bool:
    """Whether orders are to be fired or placed."""
    return bool(cascade.watched or cascade.asset in state.to_place)


def go_on(step: Step, cascade: Cascade) -> None:
    """Fire what the mark triggers; then place what is fired, oldest first; as much as one may.

    Whoever is at risk by then is liquidated first.
    """
    state = step.state
    left = looking.room(step, cascade, state.bounds.finds)
    while cascade.watched and left > 0:
        found = firing.marked(step, state.markets[cascade.watched[-1]], left)
        if not found:
            cascade.watched.pop()
        left -= found
    heap = state.to_place.get(cascade.asset)
    if cascade.watched or heap is None:
        return
    for _ in range(looking.room(step, cascade, state.bounds.placements)):
        if not heap or cascade.waiting or step.met >= state.limits.matched_orders:
            break
        groups.decide(step)
        order = state.untriggered.get(heappop(heap))
        if order is not None:  # else it was cancelled while it waited
            _place(step, order)
            looking.check_touched(step)
    if not heap:
        del state.to_place[cascade.asset]


def _place(step: Step, waiting: TriggeredOrder) -> None:
    """It comes now, as any order; one that is refused ends with the reason (TRG-1)."""
    state = step.state
    account, market = state.accounts[waiting.account_id], state.markets[waiting.symbol]
    looking.handle(step, scope_of(account, market.contract, waiting.position_side))
    if margin.is_waiting(state, account.account_id):
        step.end_triggered(waiting, "canceled", "liquidation")
        return
    quantity = _quantity(account, waiting, groups.take_turn(step, waiting))
    if quantity <= 0:
        step.end_triggered(waiting, "expired", "nothing_to_reduce")
        return
    command = as_order(waiting, quantity)
    try:
        plan = assess(state, command, step.now, closes=waiting.quantity is None).plan
    except Rejected as refusal:
        step.end_triggered(waiting, "expired", refusal.rejection.code)
        return
    order = meeting.order_of(step, command)
    step.end_triggered(waiting, "triggered", became=order.order_id)
    step.accept_order(order)
    step.met += plan.met
    meeting.meet(step, order, plan)


def _quantity(account: Account, waiting: TriggeredOrder, filled: Decimal) -> Decimal:
    """How much it orders, less what another has `filled` of it: to reduce, no more than there is to
    reduce by now."""
    if not waiting.reduce_only:
        assert waiting.quantity is not None, waiting
        return waiting.quantity - filled
    position = account.positions.get((waiting.symbol, waiting.position_side))
    if position is None:
        return ZERO
    if waiting.quantity is None:
        return abs(position.quantity) if reduces(position, waiting.side) else ZERO
    return min(waiting.quantity - filled, reducible(position, waiting.side))

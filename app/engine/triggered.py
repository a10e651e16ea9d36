"""Orders that wait for a price: accepted, and placed when it was there (TRG).

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

from datetime import datetime
from decimal import Decimal
from heapq import heappop

from app.engine import firing, looking, margin, meeting, trailing, watching
from app.engine.admission import (
    against_leg,
    check_delivery,
    check_price,
    check_status,
    check_terms,
)
from app.engine.assessment import account_of, assess, market_of, reducible
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import BECOME_MARKET, PlaceTriggered, rises
from app.engine.handlers import handles
from app.engine.markets import Market
from app.engine.numbers import ZERO, plain
from app.engine.positions import reduces
from app.engine.rejections import Code, Rejected
from app.engine.results import TriggeredReceipt
from app.engine.state import Cascade, State
from app.engine.step import Step
from app.engine.traders import Account, TriggeredOrder, scope_of

LOWEST_CALLBACK, HIGHEST_CALLBACK = Decimal("0.001"), Decimal("0.1")


@handles(
    PlaceTriggered,
    Code.unknown_account,
    Code.unknown_contract,
    Code.close_position_not_allowed,
    Code.quantity_not_allowed,
    Code.quantity_required,
    Code.callback_rate_not_allowed,
    Code.callback_rate_required,
    Code.callback_rate_out_of_range,
    Code.position_side_required,
    Code.position_side_mismatch,
    Code.quantity_not_positive,
    Code.quantity_off_lot,
    Code.price_not_allowed,
    Code.time_in_force_not_allowed,
    Code.price_required,
    Code.price_not_positive,
    Code.price_off_tick,
    Code.trigger_price_required,
    Code.contract_not_trading,
    Code.no_mark,
    Code.settlement_held,
    Code.settlement_under_way,
    Code.account_in_liquidation,
    Code.too_many_open_orders,
    Code.would_trigger_immediately,
    moves=frozenset(),
)
def place(step: Step, command: PlaceTriggered) -> TriggeredReceipt:
    """Have an order wait for its price; what it needs is asked when it is triggered (TRG-1)."""
    price = _check(step.state, command, step.now)
    order = TriggeredOrder(
        order_id=step.next_id("order"),
        account_id=command.account_id,
        symbol=command.symbol,
        position_side=command.position_side,
        side=command.side,
        type=command.type,
        trigger_price=command.trigger_price,
        trigger_by=command.trigger_by,
        quantity=command.quantity,
        price=command.price,
        time_in_force=command.time_in_force,
        reduce_only=_only_reduces(command),
        self_trade_prevention=command.self_trade_prevention,
        client_order_id=command.client_order_id,
        created_at=step.now,
        updated_at=step.now,
        callback_rate=command.callback_rate,
    )
    step.accept_triggered(order)
    if order.trigger_price is None:
        step.follow(order, price)
    return receipt(order)


def receipt(order: TriggeredOrder) -> TriggeredReceipt:
    """What the caller is told about an order that waits."""
    return TriggeredReceipt(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        account_id=order.account_id,
        symbol=order.symbol,
        side=order.side,
        position_side=order.position_side,
        type=order.type,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        price=order.price,
        quantity=order.quantity,
        trigger_price=order.trigger_price,
        trigger_by=order.trigger_by,
        status=order.status,
        created_at=order.created_at,
        callback_rate=order.callback_rate,
    )


def _check(state: State, command: PlaceTriggered, now: datetime) -> Decimal:
    """What can be said of it now: its terms, and that its price is not there yet. Returns that."""
    account, market = account_of(state, command.account_id), market_of(state, command.symbol)
    contract = market.contract
    _check_quantity(command)
    _check_callback(command)
    check_terms(contract, account, _as_order(command, command.quantity or contract.lot_size))
    if command.trigger_price is not None:
        check_price(contract, command.trigger_price)
    elif command.callback_rate is None:
        raise Rejected(Code.trigger_price_required, "it needs a price to wait for")
    check_status(contract, only_reduces=_only_reduces(command))
    if market.mark is None:
        raise Rejected(Code.no_mark, f"{command.symbol} has no mark price yet")
    check_delivery(market, now)
    if margin.is_waiting(state, account.account_id):
        raise Rejected(Code.account_in_liquidation, "the account waits for liquidation")
    _check_count(state, account, command.symbol)
    return _check_not_there(market, command)


def _only_reduces(command: PlaceTriggered) -> bool:
    return command.reduce_only or command.close_position or against_leg(command)


def _check_quantity(command: PlaceTriggered) -> None:
    """What closes a position takes all there is, at any price; any other order says how much."""
    if not command.close_position:
        if command.quantity is None:
            raise Rejected(Code.quantity_required, "without close_position it needs a quantity")
        return
    if command.type not in BECOME_MARKET:
        raise Rejected(
            Code.close_position_not_allowed, "only what becomes a market order closes a position"
        )
    if command.quantity is not None:
        raise Rejected(Code.quantity_not_allowed, "what closes a position takes no quantity")


def _check_callback(command: PlaceTriggered) -> None:
    """A trailing stop has a callback rate, and no other order."""
    rate = command.callback_rate
    if command.type != "trailing_stop":
        if rate is not None:
            raise Rejected(
                Code.callback_rate_not_allowed, "only a trailing stop has a callback rate"
            )
        return
    if rate is None:
        raise Rejected(Code.callback_rate_required, "a trailing stop needs a callback rate")
    if not LOWEST_CALLBACK <= rate <= HIGHEST_CALLBACK:
        raise Rejected(
            Code.callback_rate_out_of_range,
            "a callback rate is from 0.1 % to 10 %",
            callback_rate=plain(rate),
            lowest=plain(LOWEST_CALLBACK),
            highest=plain(HIGHEST_CALLBACK),
        )


def _check_count(state: State, account: Account, symbol: str) -> None:
    """ORD-10: few wait, so that cancelling all is bounded."""
    own = state.untriggered_of.get(account.account_id, {}).values()
    count, most = sum(o.symbol == symbol for o in own), state.limits.untriggered_per_contract
    if count >= most:
        raise Rejected(
            Code.too_many_open_orders,
            "the account has as many untriggered orders in the contract as it may",
            untriggered_orders=count,
            limit=most,
        )


def _check_not_there(market: Market, command: PlaceTriggered) -> Decimal:
    """Before its first trade, a contract's last price is its mark. Returns the price it waits for,
    as it is now."""
    assert market.mark is not None
    price, trigger = market.mark.price, command.trigger_price
    if command.trigger_by == "last" and market.last_price is not None:
        price = market.last_price
    if trigger is None:
        return price
    if price >= trigger if rises(command.side, command.type) else price <= trigger:
        raise Rejected(
            Code.would_trigger_immediately,
            "its trigger price is there already",
            trigger_price=plain(trigger),
            price=plain(price),
        )
    return price


def _as_order(order: PlaceTriggered | TriggeredOrder, quantity: Decimal) -> PlaceOrder:
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


# A part of the asset's cascade


def marked(step: Step, market: Market) -> bool:
    """A new mark: trailing stops follow it. Whether it triggers orders."""
    assert market.mark is not None, market.contract.symbol
    if not _counts(step.state, market):
        return False
    trailing.moved(step, market, "mark", market.mark.price)
    return watching.any_crossed(market, "mark", market.mark.price)


def _counts(state: State, market: Market) -> bool:
    """Whether the mark triggers orders: those of a halted contract wait for a tick after the halt.

    So does all of an asset that is left alone (REC-2), until its release.
    """
    contract, mark = market.contract, market.mark
    if mark is None or mark.awaited or contract.status == "halted":
        return False
    return contract.settlement_asset not in state.halted


def _is_there(state: State, market: Market) -> bool:
    if not market.watches or not _counts(state, market):
        return False
    assert market.mark is not None, market.contract.symbol
    return watching.any_crossed(market, "mark", market.mark.price)


def begin_again(state: State) -> None:
    """What was fired is placed, and what the mark triggered is fired: asked of the state alone."""
    firing.begin_again(state)
    for symbol, market in state.markets.items():
        if _is_there(state, market):
            looking.cascade_of(state, market.contract.settlement_asset).watched.append(symbol)


def are_due(state: State) -> bool:
    """Whether any order is fired, or is to be."""
    fired = any(order.fired for order in state.untriggered.values())
    return fired or any(_is_there(state, market) for market in state.markets.values())


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
    quantity = _quantity(account, waiting)
    if not quantity:
        step.end_triggered(waiting, "expired", "nothing_to_reduce")
        return
    command = _as_order(waiting, quantity)
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


def _quantity(account: Account, waiting: TriggeredOrder) -> Decimal:
    """How much it orders: to reduce, no more than there is to reduce by now."""
    if not waiting.reduce_only:
        assert waiting.quantity is not None, waiting
        return waiting.quantity
    position = account.positions.get((waiting.symbol, waiting.position_side))
    if position is None:
        return ZERO
    if waiting.quantity is None:
        return abs(position.quantity) if reduces(position, waiting.side) else ZERO
    return min(waiting.quantity, reducible(position, waiting.side))

"""Orders that wait for a price: accepted, amended (TRG-1); `placing` says what becomes of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from app.engine.cascades import groups
from app.engine.cascades.placing import as_order
from app.engine.commands.triggered import (
    BECOME_MARKET,
    AmendTriggered,
    PlaceTriggered,
    rises,
)
from app.engine.contracts import Contract
from app.engine.figures import margin
from app.engine.figures.admission import (
    against_leg,
    check_delivery,
    check_price,
    check_quantity,
    check_status,
    check_terms,
)
from app.engine.handling import handles
from app.engine.markets import Market
from app.engine.numbers import ONE, plain
from app.engine.rejections import Code, Rejected
from app.engine.results import TriggeredReceipt
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Account, TriggeredOrder
from app.engine.trading import firing
from app.engine.trading.assessment import account_of, market_of

LOWEST_CALLBACK, HIGHEST_CALLBACK = Decimal("0.001"), Decimal("0.1")


CHECKS = (
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
)
"""What an order that is to wait can be refused for, in the order in which `check` asks."""


@handles(PlaceTriggered, *CHECKS, moves=frozenset())
def place(step: Step, command: PlaceTriggered) -> TriggeredReceipt:
    """Have an order wait for its price; what it needs is asked when it is triggered (TRG-1)."""
    check(step.state, command, step.now)
    return receipt(accept(step, command))


def accept(
    step: Step, command: PlaceTriggered, group_id: int | None = None, *, dormant: bool = False
) -> TriggeredOrder:
    """Keep an order whose terms are right, as one of a group if it is (TRG-2)."""
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
        reduce_only=only_reduces(command),
        self_trade_prevention=command.self_trade_prevention,
        client_order_id=command.client_order_id,
        created_at=step.now,
        updated_at=step.now,
        callback_rate=command.callback_rate,
        group_id=group_id,
        dormant=dormant,
    )
    step.accept_triggered(order)
    if order.trigger_price is None and not dormant:
        step.follow(order, firing.price_of(step.state.markets[order.symbol], order.trigger_by))
    return order


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
        group_id=order.group_id,
        reason=order.reason,
        updated_at=order.updated_at,
    )


@handles(
    AmendTriggered,
    Code.order_not_open,
    Code.trigger_price_not_allowed,
    Code.quantity_not_allowed,
    Code.callback_rate_not_allowed,
    Code.callback_rate_out_of_range,
    Code.quantity_not_positive,
    Code.quantity_off_lot,
    Code.price_not_allowed,
    Code.price_not_positive,
    Code.price_off_tick,
    Code.contract_not_trading,
    Code.settlement_held,
    Code.settlement_under_way,
    Code.account_in_liquidation,
    Code.quantity_filled,
    Code.would_trigger_immediately,
    moves=frozenset(),
)
def amend(step: Step, command: AmendTriggered) -> TriggeredReceipt:
    """Give an order that waits other terms, judged as one that is placed now (TRG-1)."""
    state = step.state
    order = _waiting_order(state, command)
    market, anew = state.markets[order.symbol], _amended(order, command)
    if order.trail is not None and command.trigger_price is not None:
        raise Rejected(Code.trigger_price_not_allowed, "it follows the price already")
    _check_given(market.contract, order, command)
    check_status(market.contract, only_reduces=order.reduce_only)
    check_delivery(market, step.now)
    _check_not_waiting(state, order.account_id)
    _check_unfilled(anew, groups.filled(state, order))
    if not order.dormant:
        follows = order.trail is not None
        _check_level(market, anew, _level(state, order, anew), follows=follows)
    step.amend_triggered(order, anew.quantity, anew.price, anew.trigger_price, anew.callback_rate)
    return receipt(order)


def _waiting_order(state: State, command: AmendTriggered) -> TriggeredOrder:
    """The order, while its price has not been there: one that a mark triggers is as good as fired,
    though the cascade has not come to it (TRG-2)."""
    order = state.untriggered.get(command.order_id)
    if order is not None and command.account_id in (None, order.account_id):
        market = state.markets[order.symbol]
        if order.dormant or not (order.fired or _is_due(state, market, order)):
            return order
    raise Rejected(
        Code.order_not_open, "no such order waits for a price", order_id=command.order_id
    )


def _is_due(state: State, market: Market, order: TriggeredOrder) -> bool:
    if order.trigger_by != "mark" or not firing.counts(state, market):
        return False
    level, follows = _level(state, order, order), order.trail is not None
    return level is not None and _is_there(market, order, level, follows=follows)


def _amended(order: TriggeredOrder, command: AmendTriggered) -> PlaceTriggered:
    """It as it would be placed with its new terms."""
    return PlaceTriggered(
        account_id=order.account_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        quantity=order.quantity if command.quantity is None else command.quantity,
        price=order.price if command.price is None else command.price,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
        position_side=order.position_side,
        self_trade_prevention=order.self_trade_prevention,
        trigger_price=(
            order.trigger_price if command.trigger_price is None else command.trigger_price
        ),
        trigger_by=order.trigger_by,
        close_position=order.quantity is None,
        callback_rate=(
            order.callback_rate if command.callback_rate is None else command.callback_rate
        ),
    )


def _check_given(contract: Contract, order: TriggeredOrder, command: AmendTriggered) -> None:
    """What is given is what an order of its type has, and as it must be."""
    if command.quantity is not None and order.quantity is None:
        raise Rejected(Code.quantity_not_allowed, "what closes a position takes no quantity")
    if command.callback_rate is not None:
        if order.callback_rate is None:
            raise Rejected(
                Code.callback_rate_not_allowed, "only a trailing stop has a callback rate"
            )
        _check_range(command.callback_rate)
    if command.quantity is not None:
        check_quantity(contract, command.quantity)
    if command.price is not None:
        if order.price is None:
            raise Rejected(Code.price_not_allowed, "a market order has no price")
        check_price(contract, command.price)
    if command.trigger_price is not None:
        check_price(contract, command.trigger_price)


def _level(
    state: State, order: TriggeredOrder, terms: PlaceTriggered | TriggeredOrder
) -> Decimal | None:
    """The price that it would wait for with these terms: in a trail, so far from its best."""
    if order.trail is None:
        return terms.trigger_price
    assert terms.callback_rate is not None, terms
    rate = terms.callback_rate
    return state.trails[order.trail].best * (ONE + rate if order.side == "buy" else ONE - rate)


def _check_unfilled(anew: PlaceTriggered, filled: Decimal) -> None:
    """TRG-2: what is left of it is what the other one of its oco has not filled."""
    if anew.quantity is not None and anew.quantity <= filled:
        raise Rejected(
            Code.quantity_filled,
            "the other order of its group has filled that much",
            quantity=plain(anew.quantity),
            filled_quantity=plain(filled),
        )


def check(
    state: State,
    command: PlaceTriggered,
    now: datetime,
    *,
    others: int = 0,
    dormant: bool = False,
) -> None:
    """What can be said of it now, behind so many `others` of its group: its terms, and that its
    price is not there yet; which is no matter while it is dormant."""
    account, market = account_of(state, command.account_id), market_of(state, command.symbol)
    contract = market.contract
    _check_quantity(command)
    _check_callback(command)
    quantity = contract.lot_size if command.quantity is None else command.quantity
    check_terms(contract, account, as_order(command, quantity))
    if command.trigger_price is not None:
        check_price(contract, command.trigger_price)
    elif command.callback_rate is None:
        raise Rejected(Code.trigger_price_required, "it needs a price to wait for")
    check_status(contract, only_reduces=only_reduces(command))
    if market.mark is None:
        raise Rejected(Code.no_mark, f"{command.symbol} has no mark price yet")
    check_delivery(market, now)
    _check_not_waiting(state, account.account_id)
    _check_count(state, account, command.symbol, others)
    if not dormant:
        _check_level(market, command, command.trigger_price)


def _check_not_waiting(state: State, account_id: str) -> None:
    if margin.is_waiting(state, account_id):
        raise Rejected(Code.account_in_liquidation, "the account waits for liquidation")


def only_reduces(command: PlaceTriggered) -> bool:
    """Whether it can but reduce a position."""
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
    _check_range(rate)


def _check_range(rate: Decimal) -> None:
    if not LOWEST_CALLBACK <= rate <= HIGHEST_CALLBACK:
        raise Rejected(
            Code.callback_rate_out_of_range,
            "a callback rate is from 0.1 % to 10 %",
            callback_rate=plain(rate),
            lowest=plain(LOWEST_CALLBACK),
            highest=plain(HIGHEST_CALLBACK),
        )


def _check_count(state: State, account: Account, symbol: str, others: int) -> None:
    """ORD-10: few wait, so that cancelling all is bounded."""
    own = state.untriggered_of.get(account.account_id, {}).values()
    count = sum(order.symbol == symbol for order in own) + others
    most = state.limits.untriggered_per_contract
    if count >= most:
        raise Rejected(
            Code.too_many_open_orders,
            "the account has as many untriggered orders in the contract as it may",
            untriggered_orders=count,
            limit=most,
        )


def _check_level(
    market: Market, order: PlaceTriggered, level: Decimal | None, *, follows: bool = False
) -> None:
    """The price that it waits for is not there yet."""
    if level is not None and _is_there(market, order, level, follows=follows):
        raise Rejected(
            Code.would_trigger_immediately,
            "its trigger price is there already",
            trigger_price=plain(level),
            price=plain(firing.price_of(market, order.trigger_by)),
        )


def _is_there(
    market: Market, order: PlaceTriggered | TriggeredOrder, level: Decimal, *, follows: bool
) -> bool:
    """A trailing stop follows a price up to sell where it falls, so turns round when it begins."""
    price = firing.price_of(market, order.trigger_by)
    return price >= level if rises(order.side, order.type) != follows else price <= level

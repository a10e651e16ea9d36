"""What a delivery closes (DLV-1): the contract's orders, its positions, its fund's inventory.

Everything closes at the settlement price, which is the contract's last mark, when the liquidations
at it are through: so nobody's equity changes but by the settlement fee. Between those who are
closed and those who are not yet stands the exchange (`Step.deliver`). When nothing is left it holds
nothing but the residue of rounding, which is revenue's.
"""

from __future__ import annotations

from decimal import Decimal

from app.engine.events import ContractSettled, PositionSettled
from app.engine.figures import margin
from app.engine.liquidation import looking
from app.engine.markets import Delivery, Market
from app.engine.numbers import ZERO, derived_price, round_value
from app.engine.queues import Ordering
from app.engine.scopes import Scope
from app.engine.state import Cascade, State
from app.engine.step import Step
from app.engine.traders import Order, Position, TriggeredOrder, scope_of
from app.engine.trading import deficits, funds, positions, resting

One = Order | TriggeredOrder | Position


def deliver(state: State, market: Market) -> None:
    """The contract is closed when all else that its asset's cascade has to do is done."""
    contract = market.contract
    looking.cascade_of(state, contract.settlement_asset).delivered.append(contract.symbol)


def deliver_again(state: State) -> None:
    """The deliveries that were under way go on, also for those who are not set aside any more."""
    for symbol in sorted(state.markets):
        market = state.markets[symbol]
        asset = market.contract.settlement_asset
        if not is_under_way(market) or asset in state.stalled:
            continue
        if symbol not in looking.cascade_of(state, asset).delivered:
            deliver(state, market)


def is_under_way(market: Market) -> bool:
    """Whether the contract is being closed at its settlement price."""
    return market.delivery is not None and market.delivery.under_way


def goes_on(state: State, market: Market) -> bool:
    """Whether the contract is being closed, and not all that is left awaits a release (REC-2)."""
    contract = market.contract
    if not is_under_way(market) or contract.settlement_asset in state.stalled:
        return False
    held = contract.symbol in funds.fund_of(state, contract).inventory
    return held or not market.positions or _is_left(state, market)


def go_on(step: Step, cascade: Cascade) -> None:
    """Close what is delivered, a bounded number of orders and positions.

    Who is put at risk by a fee is liquidated before others are closed.
    """
    state = step.state
    left = looking.room(step, cascade, state.bounds.closes)
    while cascade.delivered and left > 0 and not cascade.waiting:
        left -= 1
        market = state.markets[cascade.delivered[0]]
        if cascade.uncanceled is None:
            cascade.uncanceled = _orders(state, market)[::-1]
        if cascade.uncanceled:
            _close(step, cascade, market, cascade.uncanceled.pop())
            continue
        if cascade.unclosed is None:
            cascade.unclosed = Ordering(list(market.positions))
        if not cascade.unclosed.go_on(state.bounds.ordered):
            break
        leg = cascade.unclosed.pop()
        if leg is None:
            step.blamed = cascade.asset
            _finish(step, cascade, market)
        elif (position := market.positions.get(leg)) is not None:
            _close(step, cascade, market, position)
    step.blamed = cascade.asset


def _finish(step: Step, cascade: Cascade, market: Market) -> None:
    """All has been gone through; what was released meanwhile is not closed yet."""
    cascade.uncanceled = cascade.unclosed = None
    if not _is_left(step.state, market):
        _end(step, market)
        del cascade.delivered[0]


def _is_left(state: State, market: Market) -> bool:
    """Whether anything is open that is not set aside."""
    left = (*_orders(state, market), *market.positions.values())
    return any(not margin.is_aside(state, _scope(state, market, one)) for one in left)


def _orders(state: State, market: Market) -> list[Order | TriggeredOrder]:
    """The open and untriggered orders, in an order that no restart changes."""
    found: list[Order | TriggeredOrder] = [
        order
        for side in (market.bids, market.asks)
        for price in side.prices
        for order in side.levels[price].values()
    ]
    symbol = market.contract.symbol
    waiting = [one for one in state.untriggered.values() if one.symbol == symbol]
    return found + sorted(waiting, key=lambda one: one.order_id)


def _scope(state: State, market: Market, one: One) -> Scope:
    """The margin scope of a position, or of the leg that an order is for."""
    if isinstance(one, Position):
        return one.scope
    return scope_of(state.accounts[one.account_id], market.contract, one.position_side)


def _close(step: Step, cascade: Cascade, market: Market, one: One) -> None:
    """Cancel an order, or close a position; its fee may put its scope at risk."""
    state = step.state
    scope = _scope(state, market, one)
    if not _is_open(state, one) or margin.is_aside(state, scope):
        return
    looking.handle(step, scope)
    if isinstance(one, Position):
        _settle(step, market, one)
    else:
        resting.cancel_orders(step, [one], "settled")
    looking.check_touched(step)
    if scope in cascade.waiting:
        deficits.made_by(cascade, scope, market.contract.symbol)


def _is_open(state: State, one: One) -> bool:
    """An order may have been cancelled since it was found."""
    if isinstance(one, Position):
        return True
    return one.order_id in (state.orders if isinstance(one, Order) else state.untriggered)


def _settle(step: Step, market: Market, position: Position) -> None:
    """A position closes at the settlement price; what an isolated one has left is its owner's.

    The fee is at most the equity that remains.
    """
    state, contract, delivery = step.state, market.contract, market.delivery
    account = state.accounts[position.account_id]
    assert delivery is not None, contract.symbol
    assert delivery.price is not None, delivery
    assert contract.delivery_at is not None, contract.symbol
    quantity, cost = position.quantity, position.cost
    value = market.worth(quantity)
    fee = round_value(abs(value) * (contract.settlement_fee_rate or ZERO))
    if fee:
        fee = max(ZERO, min(fee, margin.health(state, position.scope).equity))
    settled = positions.settle(
        state,
        account,
        position,
        -quantity,
        value=-value,
        price=delivery.price,
        fee=fee,
        manner="delivery",
    )
    step.outcome.records.append(
        PositionSettled(
            sequence=step.outcome.sequence,
            account_id=position.account_id,
            symbol=contract.symbol,
            position_side=position.side,
            time=contract.delivery_at,
            quantity=quantity,
            entry_price=contract.price_of(cost, quantity),
            settlement_price=delivery.price,
            profit=settled.profit,
            fee=fee,
        )
    )
    step.deliver(market, quantity, value)
    positions.book(
        step, account, position, settled, f"settlement/{contract.symbol}", "settlement_fee"
    )


def _end(step: Step, market: Market) -> None:
    """The fund's inventory closes; and, where nothing waits for a release, the contract is over."""
    _close_inventory(step, market)
    if market.positions or _orders(step.state, market):
        return
    delivery, contract = market.delivery, market.contract
    assert delivery is not None, contract.symbol
    assert delivery.price is not None, delivery
    assert delivery.quantity == 0, delivery
    assert contract.delivery_at is not None, contract.symbol
    residue = -delivery.cost
    revenue = step.wallet("revenue", "", contract.settlement_asset)
    step.transfer("settlement_residue", market.clearing, revenue, residue, symbol=contract.symbol)
    step.deliver(market, ZERO, residue)
    step.outcome.records.append(
        ContractSettled(
            sequence=step.outcome.sequence,
            symbol=contract.symbol,
            time=contract.delivery_at,
            settled_at=step.now,
            settlement_price=delivery.price,
            given_by="index" if delivery.reason is None else "admin",
            reason=delivery.reason,
            samples=delivery.samples,
            index_mean=mean(market, delivery),
            residue=residue,
        )
    )
    step.settle_contract(market, delivery)


def mean(market: Market, delivery: Delivery) -> Decimal | None:
    """The mean of the index samples, rounded as any price that is worked out (NUM-1)."""
    if not delivery.samples:
        return None
    return derived_price(delivery.total, Decimal(delivery.samples), market.contract.tick_size)


def _close_inventory(step: Step, market: Market) -> None:
    """What the contract's fund holds closes, without a fee (FND-1).

    It is settled to the mark, which is the settlement price: with what a fund could not have
    settled the cascade began (`sinking`).
    """
    contract = market.contract
    fund = funds.fund_of(step.state, contract)
    if contract.symbol not in fund.inventory:
        return
    funds.settle_inventory(step, fund, contract.settlement_asset)
    inventory = fund.inventory[contract.symbol]
    quantity, worth = inventory.quantity, market.worth(inventory.quantity)
    assert inventory.cost == worth, inventory
    step.deliver(market, quantity, worth)
    step.set_inventory(fund, contract.symbol, ZERO, ZERO)

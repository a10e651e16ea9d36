"""Delivery (DLV-1): when it is due, at which price, and who gives one where the index does not.

    BeginDelivery    due at the delivery time (`due`): the price is fixed and is the contract's last
                     mark, with all of LIQ; without enough index prices the contract is held
    SettleContract   by an admin: a price for one that is held, which is due at once then
    a cascade's part closes the next positions (`closings`), when nobody is at risk any more

From its delivery time on a contract is not traded. What is under way is kept with it, so a new
leader goes on where the last one ended.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from app.engine.cascades import cascade, closings
from app.engine.commands import Due
from app.engine.commands.delivery import BeginDelivery, SettleContract
from app.engine.commands.prices import Tick
from app.engine.handling import handles
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.numbers import INTEGER_DIGITS
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, SettlementPriced
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading.assessment import market_of

FEWEST = 10
"""Index samples that a settlement price takes at least."""
OLDEST = timedelta(seconds=60)
"""How old the newest of them may be at the delivery time."""


def due(state: State) -> Due | None:
    """The delivery that is due first; one whose asset has a cascade, or is left alone, waits."""
    if state.deliveries is None:
        state.deliveries = _schedule(state)
    for one in state.deliveries:
        if not (state.cascades or state.stalled) or not _must_wait(state, one):
            return one
    return None


def _schedule(state: State) -> list[Due]:
    """The delivery times of all contracts that are not held, or being closed, or settled."""
    found = [
        (market.contract.delivery_at, symbol)
        for symbol, market in state.markets.items()
        if (delivery := market.delivery) and delivery.phase in ("ahead", "priced")
        if market.contract.delivery_at is not None and market.contract.status != "settled"
    ]
    return [Due(time, BeginDelivery(symbol, time)) for time, symbol in sorted(found)]


def _must_wait(state: State, one: Due) -> bool:
    assert isinstance(one.command, BeginDelivery), one
    asset = state.markets[one.command.symbol].contract.settlement_asset
    return asset in state.cascades or asset in state.stalled


@handles(BeginDelivery)
def begin(step: Step, command: BeginDelivery) -> Done:
    """It is time: the contract is held, or its settlement price becomes its last mark.

    A halt is over then: there is nothing that it could keep from being traded.
    """
    market = step.state.markets[command.symbol]
    contract, delivery = market.contract, market.delivery
    assert delivery is not None, command
    assert contract.delivery_at == command.time, (command, contract)
    price = delivery.price or _index_mean(market)
    if price is None:
        step.set_delivery(market, replace(delivery, phase="held"))
        step.alert(
            "settlement_held",
            None,
            contract.settlement_asset,
            symbol=contract.symbol,
            samples=delivery.samples,
            status=contract.status,
        )
        return Done(command.symbol)
    step.set_delivery(market, replace(delivery, phase="closing", price=price))
    if contract.status == "halted":
        step.set_contract(market, replace(contract, status="reduce_only"))
    sequence = market.mark.sequence if market.mark is not None else None
    step.set_mark(market, Mark(command.symbol, price=price, time=step.now, sequence=sequence))
    cascade.begin_tick(step, Tick(command.symbol, price))
    closings.deliver(step.state, market)
    return Done(command.symbol)


def _index_mean(market: Market) -> Decimal | None:
    """The mean of the samples; None where there are too few, the newest is too old, the contract
    is halted, or the mean is no price."""
    delivery, contract = market.delivery, market.contract
    assert delivery is not None, contract.symbol
    assert contract.delivery_at is not None, contract.symbol
    newest = delivery.sampled_at
    if newest is None or delivery.samples < FEWEST or contract.delivery_at - newest > OLDEST:
        return None
    if contract.status == "halted":
        return None
    return closings.mean(market, delivery) or None


@handles(SettleContract, Code.unknown_contract, Code.settlement_not_held, Code.price_not_positive)
def settle(step: Step, command: SettleContract) -> SettlementPriced:
    """Take an admin's settlement price; the contract is delivered at it at once."""
    market = market_of(step.state, command.symbol)
    delivery, time = market.delivery, market.contract.delivery_at
    if delivery is None or time is None or delivery.phase != "held":
        raise Rejected(
            Code.settlement_not_held, f"{command.symbol} does not wait for a settlement price"
        )
    assert command.price.adjusted() < INTEGER_DIGITS, command
    if command.price <= 0:
        raise Rejected(Code.price_not_positive, "a price must be positive")
    priced = replace(delivery, phase="priced", price=command.price, reason=command.reason)
    step.set_delivery(market, priced)
    return SettlementPriced(command.symbol, command.price, time)

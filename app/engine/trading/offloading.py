"""Offloading: a fund sells what it took over, step by step (FND-5).

A step is due at each whole interval (`handlers.offload`), for each contract that the fund holds
something of. What it will be is worked out without changing anything (`next_step`, which readers
are shown as well), then done: the fund's inventory is settled to mark, an order meets the book, and
what that came to beyond mark is booked as `offload_pnl`. So the fund's other money is never touched
by how a step goes, and a step that the fund cannot pay for is not done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from app.engine.commands import Side
from app.engine.events import OffloadReason, OffloadStep
from app.engine.figures import margin
from app.engine.markets import Market
from app.engine.numbers import ONE, ZERO, begin_of, ceil_to, floor_to, ratio
from app.engine.policies import OffloadPolicy
from app.engine.state import Fund, Inventory, State
from app.engine.step import Step
from app.engine.trading import breakers, funds, matching


class NextOffload(NamedTuple):
    """A step as it would be done now: an order of `side`, IOC within `limit`, and its fills.

    `profit` is what it adds to the fund beyond the inventory's value at mark. Where there is a
    `reason`, nothing is done.
    """

    side: Side
    limit: Decimal | None
    quantity: Decimal = ZERO
    profit: Decimal = ZERO
    reason: OffloadReason | None = None
    fills: matching.Plan | None = None


def begin(step: Step, fund: Fund) -> None:
    """A fund's policy is another one: the steps of what it holds begin, or end, or come at other
    times."""
    policy = fund.policy.offload
    for inventory in fund.inventory.values():
        if policy is None:
            step.set_offload(inventory, None, None)
            continue
        mark = step.state.markets[inventory.symbol].mark
        assert mark is not None, inventory
        entry = inventory.entry_price or mark.price
        step.set_offload(inventory, _next_time(policy, step.now), entry)


def took_over(step: Step, fund: Fund, market: Market, before: Decimal) -> None:
    """A fund that held `before` has taken over: what it holds is offloaded, and came at mark."""
    policy, inventory = fund.policy.offload, fund.inventory.get(market.contract.symbol)
    if policy is None or inventory is None:
        return
    assert market.mark is not None, inventory
    entry, held = inventory.entry_price, inventory.quantity
    if entry is None or before * held < 0:
        entry = market.mark.price
    elif abs(held) > abs(before):
        cost = market.contract.value(before, entry) + market.worth(held - before)
        entry = market.contract.price_of(cost, held) or market.mark.price  # worth no unit
    step.set_offload(inventory, inventory.offload_at or _next_time(policy, step.now), entry)


def _next_time(policy: OffloadPolicy, now: datetime) -> datetime:
    """Whole intervals since midnight UTC, so that a fund's inventory is settled at once for all."""
    interval = timedelta(seconds=policy.interval_seconds)
    return begin_of(now, interval) + interval


def profit_of(market: Market, inventory: Inventory) -> Decimal:
    """What an inventory has gained at mark since it came (`stop_profit`)."""
    entry = inventory.entry_price
    assert entry is not None, inventory
    return market.worth(inventory.quantity) - market.contract.value(inventory.quantity, entry)


def next_step(state: State, fund: Fund, market: Market, now: datetime) -> NextOffload:
    """What a step of a fund that offloads would be, with the contract's book as it stands."""
    policy, inventory = fund.policy.offload, fund.inventory[market.contract.symbol]
    assert policy is not None, fund
    side: Side = "sell" if inventory.quantity > 0 else "buy"
    found = NextOffload(side, _limit(policy, market, side))
    reason = _why_not(policy, market, inventory, now)
    if reason is not None:
        return found._replace(reason=reason)
    quantity, fills = _size(state, policy, market, inventory, found)
    if fills.filled == 0:
        return found._replace(reason="no_liquidity")
    profit = _profit(market, inventory, fills)
    found = found._replace(quantity=quantity, profit=profit, fills=fills)
    asset = market.contract.settlement_asset
    if funds.balance_at_mark(state, fund, asset) + profit < 0:
        return found._replace(reason="would_empty_fund")
    payable = breakers.payable_today(fund, asset, now)
    if payable is not None and -profit > payable:
        return found._replace(reason="payout_limit")
    return found


def _why_not(
    policy: OffloadPolicy, market: Market, inventory: Inventory, now: datetime
) -> OffloadReason | None:
    """What keeps a step from being looked at; all but the book and the balance."""
    contract = market.contract
    if contract.status == "halted":
        return "halted"
    if contract.delivery_at is not None and now >= contract.delivery_at:
        return "awaiting_settlement"
    if margin.is_stale(market, now):
        return "stale_mark"
    if policy.stop_profit is not None and profit_of(market, inventory) < policy.stop_profit:
        return "below_stop_profit"
    return None


def _limit(policy: OffloadPolicy, market: Market, side: Side) -> Decimal | None:
    """The worst price within `max_slippage` of mark, to the tick on the fund's side of it.

    None where that is no price.
    """
    assert market.mark is not None, market.contract.symbol
    price, tick = market.mark.price, market.contract.tick_size
    if side == "sell":
        return max(tick, ceil_to(price * (ONE - policy.max_slippage), tick))
    return floor_to(price * (ONE + policy.max_slippage), tick) or None


def _size(
    state: State, policy: OffloadPolicy, market: Market, inventory: Inventory, found: NextOffload
) -> tuple[Decimal, matching.Plan]:
    """How much a step offers, and what of the book it fills.

    A fraction of the inventory, or all of a small one; no more than a share of the depth that can
    be had within the limit (ORD-11); but a lot at least.
    """
    held, lot = abs(inventory.quantity), market.contract.lot_size
    most = held
    if abs(market.worth(inventory.quantity)) > policy.full_size_notional:
        most = max(min(lot, held), floor_to(held * policy.fraction, lot))
    if found.limit is None:
        return ZERO, matching.Plan()
    enough = floor_to(ratio(most, policy.max_depth_share), lot) + lot
    visible = _meet(state, market, found, enough).filled
    size = min(most, max(lot, floor_to(visible * policy.max_depth_share, lot)))
    return size, _meet(state, market, found, size)


def _meet(state: State, market: Market, found: NextOffload, quantity: Decimal) -> matching.Plan:
    taker = matching.Taker(None, None, found.side)
    return matching.plan(
        state, market, taker, quantity, limit=found.limit, prevention="expire_maker"
    )


def _profit(market: Market, inventory: Inventory, fills: matching.Plan) -> Decimal:
    """What fills add to an inventory that is settled to mark."""
    rest = _rest(inventory, fills)
    paid = sum((match.made.value for match in fills.matches), ZERO)
    return market.worth(rest) - market.worth(inventory.quantity) + paid


def _rest(inventory: Inventory, fills: matching.Plan) -> Decimal:
    return inventory.quantity - fills.filled.copy_sign(inventory.quantity)


def offload(step: Step, fund: Fund, market: Market) -> None:
    """Do a fund's next step in a contract, or say why not; then the next one has its time."""
    symbol, policy = market.contract.symbol, fund.policy.offload
    inventory = fund.inventory[symbol]
    assert policy is not None, fund
    assert market.mark is not None, inventory
    planned = next_step(step.state, fund, market, step.now)
    held, profit, average, filled = inventory.quantity, ZERO, None, ZERO
    if planned.fills is not None and planned.reason is None:
        filled, average = planned.fills.filled, _average(market, inventory, planned.fills)
        profit = _sell(step, fund, market, inventory, planned)
    step.outcome.records.append(
        OffloadStep(
            sequence=step.outcome.sequence,
            time=step.now,
            fund_id=fund.fund_id,
            symbol=symbol,
            side=planned.side,
            held=held,
            mark_price=market.mark.price,
            quantity=planned.quantity,
            limit_price=planned.limit,
            filled_quantity=filled,
            average_price=average,
            profit=profit,
            reason=planned.reason,
        )
    )
    if inventory.quantity:
        step.set_offload(inventory, _next_time(policy, step.now), inventory.entry_price)


def _average(market: Market, inventory: Inventory, fills: matching.Plan) -> Decimal:
    paid = sum((match.made.notional for match in fills.matches), ZERO)
    return market.contract.average_price(paid, fills.filled.copy_sign(inventory.quantity))


def _sell(
    step: Step, fund: Fund, market: Market, inventory: Inventory, planned: NextOffload
) -> Decimal:
    """Settle the fund's inventory, meet the book, book the result; returns that."""
    fills, symbol = planned.fills, market.contract.symbol
    assert fills is not None, planned
    funds.settle_inventory(step, fund, market.contract.settlement_asset)
    profit = _profit(market, inventory, fills) + funds.unrealized_profit(step.state, inventory)
    rest = _rest(inventory, fills)
    matching.execute(step, market, matching.Taker(None, None, planned.side), fills)
    step.set_inventory(fund, symbol, rest, market.worth(rest))
    funds.book_offload(step, fund, market, profit)
    return profit

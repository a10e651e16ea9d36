"""Matching: first a plan, changing nothing, then its execution (ORD-1, ORD-2, ORD-9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from app.engine import margin, orderbook, positions
from app.engine.commands import SelfTradePrevention, Side
from app.engine.events import Fill, Trade
from app.engine.numbers import ZERO, round_value
from app.engine.state import Account, Market, Order, Position, State
from app.engine.step import Step


class Match(NamedTuple):
    """A resting order to be filled, and by how much."""

    maker: Order
    quantity: Decimal


@dataclass(slots=True)
class Plan:
    """What an incoming order would do: fills, orders to cancel, and why it stopped early."""

    matches: list[Match] = field(default_factory=list)
    cancels: list[tuple[Order, str]] = field(default_factory=list)
    filled: Decimal = ZERO
    stopped: str | None = None


@dataclass(slots=True)
class _Exposure:
    """What a plan has already given one maker's position: signed quantity and value, and fees."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    fee: Decimal = ZERO


class Taker(NamedTuple):
    """The incoming side of a match; `order_id` None for a liquidation order."""

    account: Account
    position: Position
    side: Side
    order_id: int | None = None
    liquidation_id: int | None = None


def plan(
    state: State,
    market: Market,
    taker: Taker,
    quantity: Decimal,
    limit: Decimal | None,
    prevention: SelfTradePrevention,
) -> Plan:
    """Walk the opposite side of the book, best first, for `quantity` within `limit`."""
    result = Plan()
    given: dict[str, _Exposure] = {}
    for maker in orderbook.best_first(market, orderbook.opposite(taker.side)):
        assert maker.price is not None
        left = quantity - result.filled
        if left == 0 or not orderbook.crosses(taker.side, limit, maker.price):
            break
        if maker.account_id == taker.account.account_id:
            if prevention != "expire_taker":
                result.cancels.append((maker, "self_trade"))
            if prevention != "expire_maker":
                result.stopped = "self_trade"
                break
            continue
        exposure = given.setdefault(maker.account_id, _Exposure())
        size = min(left, _fillable(state, maker, exposure))
        if size == 0:
            result.cancels.append((maker, "nothing_to_reduce"))
        elif _bears(state, market, maker, size, exposure):
            result.matches.append(Match(maker, size))
            result.filled += size
        else:
            result.cancels.append((maker, "would_be_at_risk"))
    return result


def _fillable(state: State, maker: Order, exposure: _Exposure) -> Decimal:
    """What a resting order can still fill: a reduce-only one no more than there is to reduce."""
    if not maker.reduce_only:
        return maker.remaining
    account = state.accounts[maker.account_id]
    held = account.positions[maker.symbol, maker.position_side].quantity + exposure.quantity
    to_reduce = max(ZERO, held if maker.side == "sell" else -held)
    return min(maker.remaining, to_reduce)


def _bears(state: State, market: Market, maker: Order, size: Decimal, exposure: _Exposure) -> bool:
    """Whether the maker's scope stays whole when this fill comes on top of the others (ORD-9).

    Keeps the fill in `exposure` if so.
    """
    assert maker.price is not None
    account = state.accounts[maker.account_id]
    position = account.positions[maker.symbol, maker.position_side]
    signed = size if maker.side == "buy" else -size
    value = market.contract.value(signed, maker.price)
    quantity = exposure.quantity + signed
    total = exposure.value + value
    fee = exposure.fee + round_value(abs(value) * market.contract.maker_fee_rate)
    if not _survives(state, market, account, position, quantity, total, maker.price, fee):
        return False
    exposure.quantity, exposure.value, exposure.fee = quantity, total, fee
    return True


def _survives(
    state: State,
    market: Market,
    account: Account,
    position: Position,
    quantity: Decimal,
    value: Decimal,
    price: Decimal,
    fee: Decimal,
) -> bool:
    scope = position.scope
    before = margin.health(state, scope)
    held_value = margin.mark_value(market, position)
    after = positions.settle(state, account, position, quantity, value, price, fee)
    new_profit = positions.unrealized(market, after.quantity, after.cost)
    equity = before.equity + new_profit - (held_value - position.cost) + after.profit - after.fee
    required = (
        before.maintenance_margin - position.margin + positions.rest_margin(market, after.quantity)
    )
    if scope[0] == "cross":
        return equity >= required
    if equity + after.margin < required:
        return False
    asset = market.contract.settlement_asset
    cross = margin.health(state, ("cross", account.account_id, asset, "both"))
    cross_after = cross.equity - after.margin - after.opening_fee
    return cross_after + _order_margin(state, account, position) >= cross.maintenance_margin


def _order_margin(state: State, account: Account, position: Position) -> Decimal:
    """What the position's own open orders hold back: a fill of theirs may use it."""
    market = state.markets[position.symbol]
    leverage = margin.leverage_of(account, market.contract)
    return margin.order_margin(market, position, leverage)


def execute(step: Step, market: Market, taker: Taker, result: Plan) -> list[Fill]:
    """Carry a plan out: cancels and fills, both sides of each booked at the same rounded value."""
    for order, reason in result.cancels:
        step.close_order(order, "expired" if reason != "would_be_at_risk" else "canceled", reason)
    return [_fill(step, market, taker, match) for match in result.matches]


def _fill(step: Step, market: Market, taker: Taker, match: Match) -> Fill:
    state, contract, maker = step.state, market.contract, match.maker
    price = maker.price
    assert price is not None
    value = contract.value(match.quantity, price)
    maker_fee = round_value(value * contract.maker_fee_rate)
    charged = taker.liquidation_id is None
    taker_fee = round_value(value * contract.taker_fee_rate) if charged else ZERO
    state.counters.trade += 1
    trade_id = state.counters.trade
    maker_account = state.accounts[maker.account_id]
    maker_position = maker_account.positions[maker.symbol, maker.position_side]
    step.fill_order(maker, match.quantity, value)
    bought = taker.side == "buy"
    sides = (
        (maker_account, maker_position, not bought, maker_fee, None),
        (taker.account, taker.position, bought, taker_fee, taker.liquidation_id),
    )
    for account, position, buys, fee, liquidation_id in sides:
        sign = 1 if buys else -1
        manner: positions.Manner = "trade" if liquidation_id is None else "liquidation"
        settlement = positions.settle(
            state, account, position, sign * match.quantity, sign * value, price, fee, manner
        )
        positions.book(step, account, position, settlement, f"trade/{trade_id}", liquidation_id)
    step.outcome.records.append(
        Trade(
            trade_id, step.now, contract.symbol, price, match.quantity, value, taker.side,
            taker.account.account_id, taker.order_id, taker_fee,
            maker.account_id, maker.order_id, maker_fee, taker.liquidation_id,
        )
    )  # fmt: skip
    return Fill(trade_id, price, match.quantity, taker_fee)

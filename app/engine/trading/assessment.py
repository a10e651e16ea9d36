"""Judging an order before anything changes: terms, market, margin (ORD-3..5, ORD-7)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from app.engine.commands import Side
from app.engine.commands.orders import PlaceOrder
from app.engine.contracts import Contract
from app.engine.figures import margin, outlay
from app.engine.figures.admission import (
    band_of,
    by_nature,
    check_leverage,
    check_mark,
    check_status,
    check_terms,
)
from app.engine.figures.standing import Standing
from app.engine.markets import Market
from app.engine.numbers import UNIT, ZERO, divide_up, plain
from app.engine.rejections import Code, Rejected
from app.engine.state import State
from app.engine.traders import Account, Order, Position, scope_of
from app.engine.trading import interest, matching, positions
from app.engine.trading.matching import Plan, Taker

ROUNDING_PER_FILL = 2 * UNIT
"""By how much an order's fills may together need more than it was judged to need in one piece."""


def account_of(state: State, account_id: str) -> Account:
    """The account, or `unknown_account`."""
    account = state.accounts.get(account_id)
    if account is None:
        raise Rejected(Code.unknown_account, f"there is no account {account_id}")
    return account


def market_of(state: State, symbol: str) -> Market:
    """The contract's market, or `unknown_contract`."""
    market = state.markets.get(symbol)
    if market is None:
        raise Rejected(Code.unknown_contract, f"there is no contract {symbol}", symbol=symbol)
    return market


class Needs(NamedTuple):
    """What an order needs at its limit, and of how much (ORD-4, ORD-5), in its asset."""

    requirement: Decimal
    open_loss: Decimal
    fee: Decimal
    available: Decimal

    @property
    def total(self) -> Decimal:
        """What must not be more than is available."""
        return self.requirement + self.open_loss + self.fee


NOTHING = Needs(requirement=ZERO, open_loss=ZERO, fee=ZERO, available=ZERO)


class Assessment(NamedTuple):
    """An acceptable order: what it would do, and what it needs.

    `limit` is the worst price it may trade at (None: there is nothing to trade with).
    """

    plan: Plan
    limit: Decimal | None
    needs: Needs
    only_reduces: bool


def assess(state: State, command: PlaceOrder, now: datetime, *, closes: bool = False) -> Assessment:
    """Judge an order without changing anything; raises `Rejected` with the rule's code.

    One that `closes` all of a position may: the other reduce-only orders end with it (TRG-1).
    """
    command = by_nature(command)
    account = account_of(state, command.account_id)
    market = market_of(state, command.symbol)
    check_terms(market.contract, account, command)
    position = position_of(account, market.contract, command)
    only_reduces = _only_reduces(position, command)
    check_status(market.contract, only_reduces=only_reduces)
    if market.mark is None:
        raise Rejected(Code.no_mark, f"{command.symbol} has no mark price yet")
    return _judge(state, position, command, now, only_reduces=only_reduces, closes=closes)


def assess_again(state: State, order: Order, command: PlaceOrder, now: datetime) -> Assessment:
    """Judge what is to be in place of an open order, as if that were not there (ORD-15)."""
    position = state.accounts[order.account_id].positions[order.symbol, order.position_side]
    only_reduces = _only_reduces(position, command, order)
    check_status(state.markets[order.symbol].contract, only_reduces=only_reduces)
    return _judge(state, position, command, now, only_reduces=only_reduces, replaced=order)


def _judge(
    state: State,
    position: Position,
    command: PlaceOrder,
    now: datetime,
    *,
    only_reduces: bool,
    replaced: Order | None = None,
    closes: bool = False,
) -> Assessment:
    """Judge an order whose terms are right, without the open one that it replaces."""
    account, market = state.accounts[command.account_id], state.markets[command.symbol]
    check_mark(market, command, now, only_reduces=only_reduces)
    _check_account(state, account, position)
    _check_open_orders(state, account, position, command, replaced)
    if command.reduce_only and not closes:
        _check_reduce_only(position, command, replaced)
    before = Standing.of(state, account, position)
    if replaced is not None and not replaced.reduce_only:
        assert replaced.price is not None
        value = market.contract.unrounded_value(replaced.remaining, replaced.price)
        before.forget_order(command.side, value)
    if command.price is not None:  # whoever cannot pay costs no walk through the book
        needs = _check_order(
            before, command, command.price, command.quantity, only_reduces=only_reduces
        )
        plan = _plan(state, before, command, only_reduces=only_reduces)
        limit: Decimal | None = command.price
    else:
        plan = _plan(state, before, command, only_reduces=only_reduces)
        limit = plan.worst_price
        if limit is None:
            return Assessment(plan, None, NOTHING, only_reduces)
        needs = _check_order(before, command, limit, plan.filled, only_reduces=only_reduces)
    _check_plan(plan, before, command, needs.available, only_reduces=only_reduces)
    if plan.opened and interest.is_limited(market.contract):
        interest.check_growth(state, market, command.side, plan)
    return Assessment(plan, limit, needs, only_reduces)


def _plan(state: State, before: Standing, command: PlaceOrder, *, only_reduces: bool) -> Plan:
    """What the order would do: a market order inside the price band (ORD-4, ORD-11)."""
    market, bound = before.market, command.price
    if bound is None and market.contract.price_band is not None:
        assert market.mark is not None
        lowest, highest = band_of(market.mark.price, market.contract.price_band)
        bound = highest if command.side == "buy" else lowest
    taker = Taker(
        before.account,
        before.position,
        command.side,
        standing=before,
        only_reduces=only_reduces,
    )
    return matching.plan(
        state,
        market,
        taker,
        command.quantity,
        limit=bound,
        prevention=command.self_trade_prevention,
    )


def _check_plan(
    plan: Plan, before: Standing, command: PlaceOrder, available: Decimal, *, only_reduces: bool
) -> None:
    """ORD-5: at every price at which it trades, its own account pays for what it moves (NUM-5)."""
    if command.time_in_force == "gtx" and (plan.matches or plan.stopped):
        raise Rejected(Code.would_trade_immediately, "a post-only order may not trade on arrival")
    after = plan.taker
    if after is None:
        return
    contract = after.market.contract
    if plan.opened and (gross := after.gross()) > before.gross():
        check_leverage(contract, after.leverage, gross)
    floor = None
    if not only_reduces:
        left = command.quantity - plan.filled
        if left and not plan.stopped and command.time_in_force == "gtc":
            assert command.price is not None
            after.rest(command.side, contract.unrounded_value(left, command.price))
        floor = ZERO if available else min(ZERO, before.found.uncommitted)
    missing = after.missing(floor)
    if plan.unborne or missing > ROUNDING_PER_FILL * len(plan.matches):
        has = before.available(requirements=not only_reduces)
        raise Rejected(
            Code.insufficient_margin,
            "its fills would need more than the account has for them",
            required=plain(has + missing),
            available=plain(has),
        )


def _check_account(state: State, account: Account, position: Position) -> None:
    """LIQ-10: whoever waits for liquidation places no orders."""
    if not (state.cascades or state.held or state.incidents):
        return  # then nobody is at risk (NUM-4)
    if margin.is_waiting(state, account.account_id) or margin.health(state, position.scope).at_risk:
        raise Rejected(Code.account_in_liquidation, "the account waits for liquidation")


def _check_open_orders(
    state: State,
    account: Account,
    position: Position,
    command: PlaceOrder,
    replaced: Order | None,
) -> None:
    """ORD-10: as many orders rest as cancelling all, or a liquidation, can bear in one command."""
    if command.time_in_force not in ("gtc", "gtx"):
        return
    limits = state.limits
    for count, most in (
        (len(position.orders), limits.open_orders_per_contract),
        (account.open_orders, limits.open_orders),
    ):
        if count - (replaced is not None) >= most:
            raise Rejected(
                Code.too_many_open_orders,
                "the account has as many open orders as it may",
                open_orders=count,
                limit=most,
            )


def _check_reduce_only(position: Position, command: PlaceOrder, replaced: Order | None) -> None:
    left = reducible(position, command.side, replaced)
    if command.quantity > left:
        raise Rejected(
            Code.reduce_only_rejected,
            "there is not that much position left to reduce",
            quantity=plain(command.quantity),
            reducible=plain(left),
        )


def reducible(position: Position, side: Side, replaced: Order | None = None) -> Decimal:
    """What the account's resting reduce-only orders leave to reduce (ORD-1)."""
    resting = sum(
        (o.remaining for o in position.reducing.values() if o.side == side and o is not replaced),
        ZERO,
    )
    held = abs(position.quantity) if positions.reduces(position, side) else ZERO
    return max(ZERO, held - resting)


def position_of(account: Account, contract: Contract, command: PlaceOrder) -> Position:
    """The leg the order trades, or an empty one that is not kept."""
    key = (command.symbol, command.position_side)
    position = account.positions.get(key)
    if position is None:
        position = Position(account.account_id, *key, scope_of(account, contract, key[1]))
    return position


def _only_reduces(position: Position, command: PlaceOrder, replaced: Order | None = None) -> bool:
    if not positions.reduces(position, command.side):
        return False
    if command.reduce_only:
        return True
    resting = position.bid_quantity if command.side == "buy" else position.ask_quantity
    if replaced is not None:
        resting -= replaced.remaining
    return resting + command.quantity <= abs(position.quantity)


def _check_order(
    before: Standing,
    command: PlaceOrder,
    limit: Decimal,
    quantity: Decimal,
    *,
    only_reduces: bool,
) -> Needs:
    """ORD-5 at its limit: extra requirement + open loss + taker fee against what is available."""
    market, contract = before.market, before.market.contract
    assert market.mark is not None
    if not only_reduces:
        _check_notional(contract, command.quantity, limit)
    value = contract.unrounded_value(quantity, limit)
    extra = ZERO if command.reduce_only else _extra_requirement(before, command, value)
    open_loss = outlay.open_loss(contract, command.side, quantity, value, market.mark.price)
    fee = abs(value) * contract.taker_fee_rate
    needs = Needs(requirement=extra, open_loss=open_loss, fee=fee, available=before.available())
    if needs.total > needs.available and not (
        only_reduces and _bears_close(before, open_loss + fee)
    ):
        raise Rejected(
            Code.insufficient_margin,
            "the order needs more than the available balance",
            required=plain(contract.needed(needs.total)),
            available=plain(needs.available),
            margin=plain(extra),
            open_loss=plain(contract.needed(open_loss)),
            fee=plain(contract.needed(fee)),
        )
    return needs


def check_lowered(state: State, order: Order, command: PlaceOrder) -> None:
    """What is to be left of an open order at its price is no dust, unless it only reduces."""
    position = state.accounts[order.account_id].positions[order.symbol, order.position_side]
    if not _only_reduces(position, command, order):
        assert order.price is not None
        _check_notional(state.markets[order.symbol].contract, command.quantity, order.price)


def _check_notional(contract: Contract, quantity: Decimal, limit: Decimal) -> None:
    """What opens is worth at least the minimum; closing is always possible (ORD-12)."""
    notional = abs(contract.value(quantity, limit))
    if notional == 0:
        raise Rejected(Code.below_min_notional, "the order is worth nothing at its price")
    if notional < contract.min_notional:
        raise Rejected(
            Code.below_min_notional,
            "the order is worth less than the contract's minimum",
            notional=plain(notional),
            min_notional=plain(contract.min_notional),
        )


def _bears_close(before: Standing, loss: Decimal) -> bool:
    """Whether the scope's own equity pays for a close (ORD-5, second sentence)."""
    return before.own_slack() >= loss


def _extra_requirement(before: Standing, command: PlaceOrder, value: Decimal) -> Decimal:
    """How much the order raises the contract's requirement (ORD-4); checks its leverage (ORD-3)."""
    held = before.value
    bids = before.bids + (value if command.side == "buy" else ZERO)
    asks = before.asks + (value if command.side == "sell" else ZERO)
    gross = before.gross()
    after = max(abs(held + bids), abs(held - asks))
    if after == gross:
        return ZERO
    check_leverage(before.market.contract, before.leverage, after)
    return divide_up(after, before.leverage) - divide_up(gross, before.leverage)

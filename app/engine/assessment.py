"""Judging an order before anything changes: terms, market, margin (ORD-3..5, ORD-7)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from app.engine import calculator, margin, orderbook, positions
from app.engine.commands import PlaceOrder
from app.engine.contracts import Contract
from app.engine.numbers import ONE, ZERO, divide_half_even, divide_up, is_multiple, plain
from app.engine.rejections import Rejected, Rejection
from app.engine.state import Account, Market, Position, State, scope_of


def account_of(state: State, account_id: str) -> Account:
    """The account, or `unknown_account`."""
    account = state.accounts.get(account_id)
    if account is None:
        raise Rejected("unknown_account", f"there is no account {account_id}")
    return account


def market_of(state: State, symbol: str) -> Market:
    """The contract's market, or `unknown_contract`."""
    market = state.markets.get(symbol)
    if market is None:
        raise Rejected("unknown_contract", f"there is no contract {symbol}", symbol=symbol)
    return market


class Assessment(NamedTuple):
    """An acceptable order's figures (ORD-4, ORD-5), in the settlement asset.

    `limit` is the worst price it may trade at (None: there is nothing to trade with).
    """

    limit: Decimal | None
    requirement: Decimal
    open_loss: Decimal
    fee: Decimal
    available: Decimal
    only_reduces: bool


def assess(state: State, command: PlaceOrder, now: datetime) -> Assessment:
    """Judge an order without changing anything; raises `Rejected` with the rule's code."""
    account = account_of(state, command.account_id)
    market = market_of(state, command.symbol)
    contract = market.contract
    _check_terms(contract, account, command)
    position = _position(account, contract, command)
    only_reduces = _only_reduces(position, command)
    _check_market(market, command, now, only_reduces=only_reduces)
    _check_account(state, account, position)
    assert market.mark is not None
    if command.reduce_only:
        _check_reduce_only(position, command)
    limit, quantity = _limit(market, command)
    if limit is None:
        return Assessment(None, ZERO, ZERO, ZERO, ZERO, only_reduces)
    _check_notional(market, command, limit, only_reduces=only_reduces)
    if command.time_in_force == "gtx" and _would_trade(market, command):
        raise Rejected("would_trade_immediately", "a post-only order may not trade on arrival")
    return _check_margin(state, account, market, position, command, limit, quantity)


def _check_terms(contract: Contract, account: Account, command: PlaceOrder) -> None:
    if command.position_side != "both":
        raise Rejected(
            "position_side_mismatch", "an account in one-way mode trades position_side both",
            position_side=command.position_side, position_mode=account.position_mode,
        )  # fmt: skip
    if command.quantity <= 0:
        raise Rejected("quantity_not_positive", "quantity must be positive")
    if not is_multiple(command.quantity, contract.lot_size):
        raise Rejected(
            "quantity_off_lot", "quantity must be a multiple of the lot size",
            quantity=plain(command.quantity), lot_size=plain(contract.lot_size),
        )  # fmt: skip
    if command.type == "market":
        if command.price is not None:
            raise Rejected("price_not_allowed", "a market order has no price")
        if command.time_in_force not in ("ioc", "fok"):
            raise Rejected("time_in_force_not_allowed", "a market order is ioc or fok")
        return
    if command.price is None:
        raise Rejected("price_required", "a limit order needs a price")
    if command.price <= 0:
        raise Rejected("price_not_positive", "price must be positive")
    if not is_multiple(command.price, contract.tick_size):
        raise Rejected(
            "price_off_tick", "price must be a multiple of the tick size",
            price=plain(command.price), tick_size=plain(contract.tick_size),
        )  # fmt: skip


def _check_market(
    market: Market, command: PlaceOrder, now: datetime, *, only_reduces: bool
) -> None:
    contract = market.contract
    if contract.status != "trading" and not (contract.status == "reduce_only" and only_reduces):
        raise Rejected(
            "contract_not_trading", f"{contract.symbol} is {contract.status}",
            status=contract.status,
        )  # fmt: skip
    if market.mark is None:
        raise Rejected("no_mark", f"{contract.symbol} has no mark price yet")
    if not only_reduces and margin.is_stale(market, now):
        raise Rejected(
            "stale_mark", "the mark price is too old for an order that can increase risk",
            mark_time=market.mark.time.isoformat(),
            mark_staleness_seconds=contract.mark_staleness_seconds,
        )  # fmt: skip
    band = contract.price_band
    if band is not None and command.price is not None:
        lowest, highest = _band(market.mark.price, band)
        if not lowest <= command.price <= highest:
            raise Rejected(
                "price_out_of_band", "price is too far from mark", price=plain(command.price),
                lowest=plain(lowest), highest=plain(highest),
            )  # fmt: skip


def _band(mark: Decimal, band: Decimal) -> tuple[Decimal, Decimal]:
    return mark * (ONE - band), mark * (ONE + band)


def _check_account(state: State, account: Account, position: Position) -> None:
    """LIQ-10: whoever waits for liquidation places no orders."""
    if not state.cascades and not state.held:
        return  # then nobody is at risk (NUM-4)
    if margin.is_waiting(state, account.account_id) or margin.health(state, position.scope).at_risk:
        raise Rejected("account_in_liquidation", "the account waits for liquidation")


def _check_reduce_only(position: Position, command: PlaceOrder) -> None:
    resting = sum(
        (o.remaining for o in position.reducing.values() if o.side == command.side),
        ZERO,
    )
    held = abs(position.quantity) if positions.reduces(position, command.side) else ZERO
    if command.quantity > held - resting:
        raise Rejected(
            "reduce_only_rejected", "there is not that much position left to reduce",
            quantity=plain(command.quantity), reducible=plain(max(ZERO, held - resting)),
        )  # fmt: skip


def _position(account: Account, contract: Contract, command: PlaceOrder) -> Position:
    """The account's leg, or an empty one that is not kept."""
    key = (command.symbol, command.position_side)
    position = account.positions.get(key)
    if position is None:
        position = Position(account.account_id, *key, scope_of(account, contract, key[1]))
    return position


def _only_reduces(position: Position, command: PlaceOrder) -> bool:
    if not positions.reduces(position, command.side):
        return False
    resting = position.bid_quantity if command.side == "buy" else position.ask_quantity
    return command.reduce_only or resting + command.quantity <= abs(position.quantity)


def _limit(market: Market, command: PlaceOrder) -> tuple[Decimal | None, Decimal]:
    """The worst price the order may trade at and the quantity it can come to.

    For a market order that is the worst price the book would give, inside the price band (ORD-4);
    None when the book gives nothing.
    """
    if command.price is not None:
        return command.price, command.quantity
    assert market.mark is not None
    bound = None
    if market.contract.price_band is not None:
        lowest, highest = _band(market.mark.price, market.contract.price_band)
        bound = highest if command.side == "buy" else lowest
    left, worst = command.quantity, None
    for maker in orderbook.best_first(market, orderbook.opposite(command.side)):
        assert maker.price is not None
        if left == 0 or not orderbook.crosses(command.side, bound, maker.price):
            break
        worst = maker.price
        left -= min(left, maker.remaining)
    return worst, command.quantity - left


def _check_notional(
    market: Market, command: PlaceOrder, limit: Decimal, *, only_reduces: bool
) -> None:
    value = market.contract.value(command.quantity, limit)
    if value == 0:
        raise Rejected("below_min_notional", "the order is worth nothing at its price")
    if value < market.contract.min_notional and not only_reduces:
        raise Rejected(
            "below_min_notional", "the order is worth less than the contract's minimum",
            notional=plain(value), min_notional=plain(market.contract.min_notional),
        )  # fmt: skip


def _would_trade(market: Market, command: PlaceOrder) -> bool:
    best = next(orderbook.best_first(market, orderbook.opposite(command.side)), None)
    if best is None or best.price is None:
        return False
    return orderbook.crosses(command.side, command.price, best.price)


def _check_margin(
    state: State,
    account: Account,
    market: Market,
    position: Position,
    command: PlaceOrder,
    limit: Decimal,
    quantity: Decimal,
) -> Assessment:
    """ORD-5: extra requirement + open loss + taker fee against the available balance."""
    contract = market.contract
    assert market.mark is not None
    value = contract.unrounded_value(quantity, limit)
    extra = ZERO
    if not command.reduce_only:
        extra = _extra_requirement(account, market, position, command, value)
    worse = limit - market.mark.price if command.side == "buy" else market.mark.price - limit
    open_loss = contract.unrounded_value(quantity, max(ZERO, worse))
    fee = value * contract.taker_fee_rate
    available = margin.available_balance(state, account, contract.settlement_asset)
    only_reduces = _only_reduces(position, command)
    needed = extra + open_loss + fee
    if needed > available and not (only_reduces and _bears_close(state, position, open_loss + fee)):
        raise Rejected(
            "insufficient_margin", "the order needs more than the available balance",
            required=plain(needed), available=plain(available), margin=plain(extra),
            open_loss=plain(open_loss), fee=plain(fee),
        )  # fmt: skip
    return Assessment(limit, extra, open_loss, fee, available, only_reduces)


def _bears_close(state: State, position: Position, loss: Decimal) -> bool:
    """Whether the scope's own equity pays for a close (ORD-5, second sentence)."""
    scope = margin.health(state, position.scope)
    return scope.equity - loss >= scope.maintenance_margin


def _extra_requirement(
    account: Account, market: Market, position: Position, command: PlaceOrder, value: Decimal
) -> Decimal:
    """How much the order raises the contract's requirement (ORD-4); checks its leverage (ORD-3)."""
    contract = market.contract
    held = margin.mark_value(market, position)
    bids = position.bid_value + (value if command.side == "buy" else ZERO)
    asks = position.ask_value + (value if command.side == "sell" else ZERO)
    before = margin.gross_requirement(market, position)
    after = max(abs(held + bids), abs(held - asks))
    leverage = margin.leverage_of(account, contract)
    if after > before:
        check_leverage(contract, leverage, after)
    divisor = Decimal(leverage)
    return divide_up(after, divisor) - divide_up(before, divisor)


def check_leverage(contract: Contract, leverage: int, notional: Decimal) -> None:
    """Refuse a leverage that the notional's bracket does not allow (ORD-3, CON-4)."""
    allowed = contract.max_leverage(notional)
    if allowed == 0:
        raise Rejected(
            "position_too_large", "the notional is beyond the contract's last bracket",
            notional=plain(notional), notional_cap=plain(contract.brackets[-1].notional_cap),
        )  # fmt: skip
    if leverage > allowed:
        raise Rejected(
            "leverage_too_high", "the notional's bracket does not allow this leverage",
            notional=plain(notional), leverage=leverage, max_leverage=allowed,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Preview:
    """What an order would need and leave, if it filled at its worst price; nothing changes."""

    requirement: Decimal
    open_loss: Decimal
    fee: Decimal
    required: Decimal
    available_balance: Decimal
    worst_price: Decimal | None
    liquidation_price: Decimal | None


def preview(state: State, command: PlaceOrder, now: datetime) -> Preview | Rejection:
    """Judge an order and say where the resulting position would be liquidated."""
    try:
        found = assess(state, command, now)
    except Rejected as refusal:
        return refusal.rejection
    price = None if found.limit is None else _resulting_liquidation_price(state, command, found)
    return Preview(
        found.requirement, found.open_loss, found.fee,
        found.requirement + found.open_loss + found.fee, found.available, found.limit, price,
    )  # fmt: skip


def _resulting_liquidation_price(
    state: State, command: PlaceOrder, found: Assessment
) -> Decimal | None:
    account, market = state.accounts[command.account_id], state.markets[command.symbol]
    contract = market.contract
    position = _position(account, contract, command)
    assert found.limit is not None
    signed = command.quantity if command.side == "buy" else -command.quantity
    value = contract.value(signed, found.limit)
    fee = abs(value) * contract.taker_fee_rate
    after = positions.settle(state, account, position, signed, value, found.limit, fee)
    if after.quantity == 0:
        return None
    before = margin.health(state, position.scope)
    held = margin.mark_value(market, position)
    behind = before.equity - (held - position.cost) + after.profit - after.fee + after.margin
    others = before.maintenance_margin - position.margin
    price = calculator.liquidation_price(
        contract.brackets, contract.contract_size, after.quantity, after.cost, behind - others
    )
    return None if price is None else divide_half_even(price, ONE)

"""What an order may be at all, before any margin is looked at (ORD-1, CON-1, MRK-4, FND-12); who
may move money, and how much (ORD-6, LIQ-10)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from app.engine.commands import PositionSide
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import PlaceTriggered
from app.engine.contracts import Contract
from app.engine.figures import margin
from app.engine.markets import Market
from app.engine.numbers import INTEGER_DIGITS, ONE, is_multiple, plain, time_text
from app.engine.rejections import Code, Rejected
from app.engine.state import State
from app.engine.traders import Account

AGAINST = (("long", "sell"), ("short", "buy"))
"""What works against a leg of hedge mode."""


def check_terms(contract: Contract, account: Account, command: PlaceOrder) -> None:
    """An order is one that the account's mode and its own type allow (ORD-1, ORD-3)."""
    check_leg(account, command.position_side)
    check_quantity(contract, command.quantity)
    if command.type == "market":
        if command.price is not None:
            raise Rejected(Code.price_not_allowed, "a market order has no price")
        if command.time_in_force not in ("ioc", "fok"):
            raise Rejected(Code.time_in_force_not_allowed, "a market order is ioc or fok")
        return
    if command.price is None:
        raise Rejected(Code.price_required, "a limit order needs a price")
    check_price(contract, command.price)


def check_leg(account: Account, side: PositionSide) -> None:
    """A leg is one of the account's mode (ORD-3)."""
    hedged = account.position_mode == "hedge"
    if hedged and side == "both":
        raise Rejected(
            Code.position_side_required,
            "an account in hedge mode has position_side long or short",
            position_mode=account.position_mode,
        )
    if not hedged and side != "both":
        raise Rejected(
            Code.position_side_mismatch,
            "an account in one-way mode has position_side both",
            position_side=side,
            position_mode=account.position_mode,
        )


def by_nature(command: PlaceOrder) -> PlaceOrder:
    """The order as it is kept: one that works against its leg only reduces it (ORD-3)."""
    if command.position_side == "both" or command.reduce_only or not against_leg(command):
        return command
    return replace(command, reduce_only=True)


def against_leg(command: PlaceOrder | PlaceTriggered) -> bool:
    """Whether an order works against a leg of hedge mode, which never turns."""
    side = command.position_side
    return side != "both" and (side, command.side) in AGAINST


def check_quantity(contract: Contract, quantity: Decimal) -> None:
    """A quantity is so many lots (CON-1)."""
    assert quantity.adjusted() < INTEGER_DIGITS, quantity
    if quantity <= 0:
        raise Rejected(Code.quantity_not_positive, "quantity must be positive")
    if not is_multiple(quantity, contract.lot_size):
        raise Rejected(
            Code.quantity_off_lot,
            "quantity must be a multiple of the lot size",
            quantity=plain(quantity),
            lot_size=plain(contract.lot_size),
        )


def check_price(contract: Contract, price: Decimal) -> None:
    """A price is so many ticks (CON-1)."""
    assert price.adjusted() < INTEGER_DIGITS, price
    if price <= 0:
        raise Rejected(Code.price_not_positive, "price must be positive")
    if not is_multiple(price, contract.tick_size):
        raise Rejected(
            Code.price_off_tick,
            "price must be a multiple of the tick size",
            price=plain(price),
            tick_size=plain(contract.tick_size),
        )


def check_status(contract: Contract, *, only_reduces: bool) -> None:
    """What increases risk needs a contract that trades (CON-1)."""
    if contract.status != "trading" and not (contract.status == "reduce_only" and only_reduces):
        raise Rejected(
            Code.contract_not_trading,
            f"{contract.symbol} is {contract.status}",
            status=contract.status,
        )


def check_mark(market: Market, command: PlaceOrder, now: datetime, *, only_reduces: bool) -> None:
    """Risk is increased at a fresh mark only, and nothing traded far from it (MRK-4, FND-12), while
    a funding is settled (FPY-1), or from the delivery time on (DLV-1)."""
    contract = market.contract
    assert market.mark is not None
    if contract.delivery_at is not None:
        check_delivery(market, now)
    if market.funding is not None and market.funding.time is not None:
        raise Rejected(
            Code.funding_under_way, f"{contract.symbol} trades again when its funding is settled"
        )
    if not only_reduces and margin.is_stale(market, now):
        raise Rejected(
            Code.stale_mark,
            "the mark price is too old for an order that can increase risk",
            mark_time=time_text(market.mark.time),
            mark_staleness_seconds=contract.mark_staleness_seconds,
        )
    band = contract.price_band
    if band is not None and command.price is not None:
        lowest, highest = band_of(market.mark.price, band)
        if not lowest <= command.price <= highest:
            raise Rejected(
                Code.price_out_of_band,
                "price is too far from mark",
                price=plain(command.price),
                lowest=plain(lowest),
                highest=plain(highest),
            )


def check_delivery(market: Market, now: datetime) -> None:
    """From its delivery time on a contract is not traded, and its terms stay (DLV-1)."""
    contract = market.contract
    if contract.delivery_at is None or now < contract.delivery_at:
        return
    if market.delivery is not None and market.delivery.phase == "held":
        raise Rejected(
            Code.settlement_held,
            f"{contract.symbol} waits for its settlement price",
            delivery_at=time_text(contract.delivery_at),
        )
    raise Rejected(
        Code.settlement_under_way,
        f"{contract.symbol} is being settled",
        delivery_at=time_text(contract.delivery_at),
    )


def band_of(mark: Decimal, band: Decimal) -> tuple[Decimal, Decimal]:
    """The lowest and the highest price of an order (FND-12)."""
    return mark * (ONE - band), mark * (ONE + band)


def check_leverage(contract: Contract, leverage: int, notional: Decimal) -> None:
    """A leverage is one that the notional's bracket allows (ORD-3, CON-4)."""
    if notional > contract.brackets[-1].notional_cap:
        raise Rejected(
            Code.position_too_large,
            "the notional is beyond the contract's last bracket",
            notional=plain(contract.needed(notional)),
            notional_cap=plain(contract.brackets[-1].notional_cap),
        )
    check_bracket(contract, leverage, notional)


def check_bracket(contract: Contract, leverage: int, notional: Decimal) -> None:
    """A leverage is one that the bracket of the notional, or the last, allows (ORD-3)."""
    allowed = contract.bracket(notional).max_leverage
    if leverage > allowed:
        raise Rejected(
            Code.leverage_too_high,
            "the notional's bracket does not allow this leverage",
            notional=plain(contract.needed(notional)),
            leverage=leverage,
            max_leverage=allowed,
        )


def check_not_waiting(state: State, account: Account) -> None:
    """LIQ-10: whoever waits for liquidation moves no money."""
    if margin.is_waiting(state, account.account_id):
        raise Rejected(Code.account_in_liquidation, "the account waits for liquidation")


def check_spendable(state: State, account: Account, asset: str, amount: Decimal) -> None:
    """At most what is available leaves the cross wallet (ORD-6)."""
    spendable = margin.spendable(state, account, asset)
    if amount > spendable:
        raise Rejected(
            Code.insufficient_balance,
            "the amount exceeds what is available",
            amount=plain(amount),
            available=plain(spendable),
        )

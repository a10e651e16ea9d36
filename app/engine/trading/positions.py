"""Booking what a fill does to a position and its wallets (NUM-3)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.events import LedgerKind
from app.engine.figures import exposure, settlement
from app.engine.figures.settlement import Held, Manner, Settlement
from app.engine.numbers import ZERO
from app.engine.outcome import OwnerResult
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Account, Position, Wallet
from app.engine.trading import holding


def settle(
    state: State,
    account: Account,
    position: Position,
    quantity: Decimal,
    *,
    value: Decimal,
    price: Decimal,
    manner: Manner,
    fee: Decimal = ZERO,
) -> Settlement:
    """Work out what the rules force on a position as it stands (LIQ, FND-1, ADL, DLV-1)."""
    market = state.markets[position.symbol]
    balance = None
    if position.isolated:
        balance = position.wallet.balance if position.wallet else ZERO
    leverage = exposure.leverage_of(account, market.contract)
    held = Held(position.quantity, position.cost, balance, leverage)
    return settlement.settle(
        market, held, quantity, value=value, price=price, fee=fee, manner=manner
    )


def book(
    step: Step,
    account: Account,
    position: Position,
    settled: Settlement,
    reference: str,
    fee: LedgerKind = "trading_fee",
) -> None:
    """Book a settlement: money first (its fee as that kind), then the position, then what depends
    on it."""
    state = step.state
    market = state.markets[position.symbol]
    contract = market.contract
    asset = contract.settlement_asset
    cross = step.cross_wallet(account, asset)
    isolated = position.isolated
    wallet = step.isolated_wallet(position) if isolated else cross
    revenue = step.wallet("revenue", "", asset)
    moves: list[tuple[LedgerKind, Wallet, Wallet, Decimal]] = [
        ("realized_profit", market.clearing, wallet, settled.profit),
        (fee, wallet, revenue, settled.fee),
    ]
    if isolated:
        moves = [
            ("margin_in", cross, wallet, max(ZERO, settled.margin)),
            *moves,
            ("trading_fee", cross, revenue, settled.opening_fee),
            ("margin_out", wallet, cross, max(ZERO, -settled.margin)),
        ]
    for kind, source, destination, amount in moves:
        if amount:
            step.transfer(
                kind, source, destination, amount, symbol=position.symbol, reference=reference
            )
    if settled.profit:
        holding.remember_profit(step, contract, account, settled.profit)
        if account.owner_id is not None:
            won, lost = max(ZERO, settled.profit), max(ZERO, -settled.profit)
            step.tell_owner(OwnerResult(account.owner_id, position.symbol, won=won, lost=lost))
    turned = position.quantity * settled.quantity <= 0
    step.set_position(position, settled.quantity, settled.cost)
    exposure.remember(market, position, settled.value, settled.maintenance)
    if isolated:
        step.touch_cross(account.account_id, asset)
    if turned:
        drop_idle_reduce_only(step, position)
    step.forget_empty(position)


def drop_idle_reduce_only(step: Step, position: Position) -> None:
    """Expire reduce-only orders that have nothing left to reduce (ORD-1)."""
    for order in list(position.reducing.values()):
        if not reduces(position, order.side):
            step.close_order(order, "expired", "nothing_to_reduce")


def reduces(position: Position, side: str) -> bool:
    """Whether an order of `side` works against the position."""
    return position.quantity < 0 if side == "buy" else position.quantity > 0

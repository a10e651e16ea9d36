"""What an order would need, and where the position would be liquidated: judged, and not placed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from app.engine.cascades.placing import as_order
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.triggered import PlaceTriggered
from app.engine.figures import margin
from app.engine.figures.standing import Standing
from app.engine.handlers import triggered
from app.engine.numbers import ZERO
from app.engine.rejections import Rejected, Rejection
from app.engine.state import State
from app.engine.trading.assessment import Assessment, assess, position_of


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


def preview_waiting(state: State, command: PlaceTriggered, now: datetime) -> Preview | Rejection:
    """Judge an order that waits for a price: it needs nothing before it is triggered (TRG-1)."""
    try:
        triggered.check(state, command, now)
    except Rejected as refusal:
        return refusal.rejection
    account, market = state.accounts[command.account_id], state.markets[command.symbol]
    order = as_order(command, market.contract.lot_size)
    standing = Standing.of(state, account, position_of(account, market.contract, order))
    return Preview(
        requirement=ZERO,
        open_loss=ZERO,
        fee=ZERO,
        required=ZERO,
        available_balance=standing.available(),
        worst_price=None,
        liquidation_price=None,
    )


def preview(state: State, command: PlaceOrder, now: datetime) -> Preview | Rejection:
    """Judge an order and say where the resulting position would be liquidated."""
    try:
        found = assess(state, command, now)
    except Rejected as refusal:
        return refusal.rejection
    needs, contract = found.needs, state.markets[command.symbol].contract
    price = None if found.limit is None else _resulting_liquidation_price(state, command, found)
    return Preview(
        requirement=needs.requirement,
        open_loss=contract.needed(needs.open_loss),
        fee=contract.needed(needs.fee),
        required=contract.needed(needs.total),
        available_balance=needs.available,
        worst_price=found.limit,
        liquidation_price=price,
    )


def _resulting_liquidation_price(
    state: State, command: PlaceOrder, found: Assessment
) -> Decimal | None:
    """As if the whole order filled at its worst price, whatever is there to fill it now."""
    account, market = state.accounts[command.account_id], state.markets[command.symbol]
    contract = market.contract
    after = Standing.of(state, account, position_of(account, contract, command))
    assert found.limit is not None
    signed = command.quantity if command.side == "buy" else -command.quantity
    value = contract.value(signed, found.limit)
    after.fill(
        signed,
        value=value,
        price=found.limit,
        fee=abs(value) * contract.taker_fee_rate,
        manner="trade",
    )
    if after.quantity == 0:
        return None
    cost, backing = after.cost, after.backing()
    other = margin.beside(account, after.position)
    if other is not None:
        cost, backing = cost + other.cost, backing - (other.profit - other.margin)
    return margin.liquidation_price(market, after.quantity, other, cost=cost, backing=backing)

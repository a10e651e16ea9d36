"""How a fill changes a position and its wallets (NUM-3, FND-4).

`settle` works out a fill without changing anything, so that the same arithmetic serves the check
of a resting order (ORD-9) and the booking.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from app.engine import deficits, margin
from app.engine.events import LedgerKind
from app.engine.numbers import ZERO, divide_up, round_down, share
from app.engine.state import Account, Market, Position, State, Wallet
from app.engine.step import Step

Manner = Literal["trade", "liquidation", "deleveraging"]
"""Why a position changes: its owner's order, its own liquidation, or somebody else's (ADL)."""


class Settlement(NamedTuple):
    """What a fill does: the position after it, and the money it moves.

    `profit` goes from clearing to the scope's wallet; `fee` from that wallet to revenue;
    `opening_fee` from the cross wallet to revenue; `margin` from the cross to the isolated wallet
    (negative: back).
    """

    quantity: Decimal
    cost: Decimal
    profit: Decimal
    fee: Decimal
    opening_fee: Decimal
    margin: Decimal


def settle(
    state: State,
    account: Account,
    position: Position,
    quantity: Decimal,
    value: Decimal,
    price: Decimal,
    fee: Decimal = ZERO,
    manner: Manner = "trade",
) -> Settlement:
    """Work out a fill of signed `quantity` at signed `value` (rounded once, NUM-2).

    `price` is the fill's, used to split a fill that turns the position around (NUM-3).
    """
    market = state.markets[position.symbol]
    contract = market.contract
    held = position.quantity
    closing = _closing(held, quantity)
    if closing == quantity:
        closed_value, opened_value = value, ZERO
    elif closing == 0:
        closed_value, opened_value = ZERO, value
    else:
        closed_value = contract.value(closing, price)
        opened_value = value - closed_value
    cost_share = share(position.cost, -closing, held) if closing else ZERO
    profit = -closed_value - cost_share
    after = held + quantity
    cost = position.cost - cost_share + opened_value
    if not position.isolated:
        return Settlement(after, cost, profit, fee, ZERO, ZERO)
    closing_fee = share(fee, closing, quantity) if closing else ZERO
    moved = ZERO
    if closing:
        moved -= _released(state, account, market, position, closing, profit, closing_fee, manner)
    if opened_value:
        opening = quantity - closing
        leverage = margin.leverage_of(account, contract)
        moved += _opening_margin(market, leverage, opening, opened_value)
    return Settlement(after, cost, profit, closing_fee, fee - closing_fee, moved)


def _closing(held: Decimal, quantity: Decimal) -> Decimal:
    """The part of a signed fill that closes what is held, signed like the fill."""
    if held * quantity >= 0:
        return ZERO
    return quantity if abs(quantity) <= abs(held) else -held


def _opening_margin(market: Market, leverage: int, quantity: Decimal, value: Decimal) -> Decimal:
    """Initial margin of an isolated fill and, so that it starts whole, its open loss (ORD-5)."""
    assert market.mark is not None
    open_loss = value - market.contract.value(quantity, market.mark.price)
    return divide_up(abs(value), Decimal(leverage)) + max(ZERO, open_loss)


def _released(
    state: State,
    account: Account,
    market: Market,
    position: Position,
    closing: Decimal,
    profit: Decimal,
    fee: Decimal,
    manner: Manner,
) -> Decimal:
    """What a close gives back from the isolated to the cross wallet; negative: what cross pays in.

    The closed part's share of the margin leaves with its profit. A loss beyond that share is
    first paid by the cross wallet when the owner closed (FND-4), else by the isolated wallet. A
    liquidation leaves everything in the isolated wallet until it is finished.
    """
    if manner == "liquidation":
        return ZERO
    balance = position.wallet.balance if position.wallet else ZERO
    net = share(balance, closing, -position.quantity) + profit - fee
    if net < 0:
        if manner == "deleveraging":
            return ZERO
        asset = market.contract.settlement_asset
        return -min(-net, margin.spendable(state, account, asset))
    rest = position.quantity + closing
    if rest == 0:
        return net
    rest_cost = position.cost - share(position.cost, -closing, position.quantity)
    slack = balance + profit - fee + unrealized(market, rest, rest_cost) - rest_margin(market, rest)
    return max(ZERO, min(net, round_down(slack)))


def unrealized(market: Market, quantity: Decimal, cost: Decimal) -> Decimal:
    """Unrealised profit of a signed quantity and cost at mark (CON-3)."""
    assert market.mark is not None
    return market.contract.value(quantity, market.mark.price) - cost


def rest_margin(market: Market, quantity: Decimal) -> Decimal:
    """Maintenance margin of a signed quantity at mark (CON-4)."""
    assert market.mark is not None
    return market.contract.maintenance_margin(
        abs(market.contract.value(quantity, market.mark.price))
    )


def book(
    step: Step,
    account: Account,
    position: Position,
    settlement: Settlement,
    reference: str,
    liquidation_id: int | None = None,
) -> None:
    """Book a settlement: money first, then the position, then what depends on it."""
    state = step.state
    market = state.markets[position.symbol]
    contract = market.contract
    asset = contract.settlement_asset
    cross = step.cross_wallet(account, asset)
    isolated = position.isolated
    wallet = step.isolated_wallet(position, asset) if isolated else cross
    revenue = step.wallet("revenue", "", asset)
    moves: list[tuple[LedgerKind, Wallet, Wallet, Decimal]] = [
        ("margin_in", cross, wallet, max(ZERO, settlement.margin)),
        ("realized_profit", market.clearing, wallet, settlement.profit),
        ("trading_fee", wallet, revenue, settlement.fee),
        ("trading_fee", cross, revenue, settlement.opening_fee),
        ("margin_out", wallet, cross, max(ZERO, -settlement.margin)),
    ]
    for kind, source, destination, amount in moves:
        if amount:
            step.transfer(
                kind, source, destination, amount, symbol=position.symbol, reference=reference
            )
    turned = position.quantity * settlement.quantity <= 0
    step.set_position(position, settlement.quantity, settlement.cost)
    if isolated:
        step.touch_cross(account.account_id, asset)
    if turned:
        drop_idle_reduce_only(step, position)
        if isolated and liquidation_id is None and wallet.balance < 0:
            deficits.cover(step, contract, wallet, -wallet.balance, None)
    step.forget_empty(position)


def drop_idle_reduce_only(step: Step, position: Position) -> None:
    """Expire reduce-only orders that have nothing left to reduce (ORD-1)."""
    for order in list(position.reducing.values()):
        if not reduces(position, order.side):
            step.close_order(order, "expired", "nothing_to_reduce")


def reduces(position: Position, side: str) -> bool:
    """Whether an order of `side` works against the position."""
    return position.quantity < 0 if side == "buy" else position.quantity > 0

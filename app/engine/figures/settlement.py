"""What a fill does to a position and the money behind it (NUM-3, FND-4): arithmetic, no booking.

The same arithmetic judges a fill before anything trades (`standing`) and settles what the rules
force on an account (`positions`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal, NamedTuple

from app.engine.markets import Market
from app.engine.numbers import ZERO, divide_up, round_down, share

Manner = Literal["trade", "liquidation", "deleveraging", "delivery"]
"""Why a position changes: its owner's order, its own liquidation, or somebody else's (ADL), or its
contract's delivery."""


class Held(NamedTuple):
    """A position as a fill finds it: signed quantity and cost, and what stands behind it.

    `wallet` is the isolated wallet (None: the position is cross), `leverage` divides the notional
    of what is opened, `spendable` is what the cross wallet may pay for a voluntary loss (FND-4).
    """

    quantity: Decimal
    cost: Decimal
    wallet: Decimal | None
    leverage: int
    spendable: Decimal = ZERO


class Settlement(NamedTuple):
    """What a fill does: the position after it, and the money it moves.

    `profit` goes from clearing to the scope's wallet; `fee` from that wallet to revenue;
    `opening_fee` from the cross wallet to revenue; `margin` from the cross to the isolated wallet
    (negative: back). `opens` says whether any of it opens or grows the position. What is held then
    is worth `value` at mark, and has that `maintenance` margin.
    """

    quantity: Decimal
    cost: Decimal
    profit: Decimal
    fee: Decimal
    opening_fee: Decimal
    margin: Decimal
    opens: bool
    value: Decimal
    maintenance: Decimal


def settle(
    market: Market,
    held: Held,
    quantity: Decimal,
    *,
    value: Decimal,
    price: Decimal,
    fee: Decimal,
    manner: Manner,
) -> Settlement:
    """Work out a fill of signed `quantity` at signed `value` (rounded once, NUM-2).

    `price` is the fill's, used to split a fill that turns the position around (NUM-3).
    """
    closing = _closing(held.quantity, quantity)
    if closing == quantity:
        closed_value, opened_value = value, ZERO
    elif closing == 0:
        closed_value, opened_value = ZERO, value
    else:
        closed_value = market.contract.value(closing, price)
        opened_value = value - closed_value
    cost_share = share(held.cost, -closing, held.quantity) if closing else ZERO
    profit = -closed_value - cost_share
    after = held.quantity + quantity
    cost = held.cost - cost_share + opened_value
    opens = closing != quantity
    worth = market.worth(after)
    maintenance = market.contract.maintenance_margin(abs(worth))
    closing_fee, moved = fee, ZERO
    if held.wallet is not None:
        closing_fee = share(fee, closing, quantity) if closing else ZERO
        if closing:
            own = worth - cost - maintenance
            gained = profit - closing_fee
            moved -= _released(held, held.wallet, closing, gained, own=own, manner=manner)
        if opens:
            moved += opening_margin(market, held.leverage, quantity - closing, opened_value)
    return Settlement(
        quantity=after,
        cost=cost,
        profit=profit,
        fee=closing_fee,
        opening_fee=fee - closing_fee,
        margin=moved,
        opens=opens,
        value=worth,
        maintenance=maintenance,
    )


def _closing(held: Decimal, quantity: Decimal) -> Decimal:
    """The part of a signed fill that closes what is held, signed like the fill."""
    if held * quantity >= 0:
        return ZERO
    return quantity if abs(quantity) <= abs(held) else -held


def opening_margin(market: Market, leverage: int, quantity: Decimal, value: Decimal) -> Decimal:
    """Initial margin of an isolated fill and, so that it starts whole, its open loss (ORD-5)."""
    open_loss = value - market.worth(quantity)
    return divide_up(abs(value), leverage) + max(ZERO, open_loss)


def _released(
    held: Held,
    wallet: Decimal,
    closing: Decimal,
    gained: Decimal,
    *,
    own: Decimal,
    manner: Manner,
) -> Decimal:
    """What a close gives back from the isolated to the cross wallet; negative: what cross pays in.

    The closed part's share of the margin leaves with what it `gained`, its profit less its fee. A
    loss beyond that share is first paid by the cross wallet when the owner closed (FND-4), else by
    the isolated wallet. What is left must stay whole: it has its `own` profit at mark less its
    maintenance margin. A liquidation leaves everything in the isolated wallet until it is finished.
    """
    if manner == "liquidation":
        return ZERO
    net = share(wallet, closing, -held.quantity) + gained
    if net < 0:
        return -min(-net, held.spendable) if manner == "trade" else ZERO
    if held.quantity + closing == 0:
        return net
    return max(ZERO, min(net, round_down(wallet + gained + own)))

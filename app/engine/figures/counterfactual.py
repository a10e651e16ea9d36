"""What each policy would have done with an ADL event: worked out from what the event kept (ADL-1).

Of the first places of its queue an event keeps what they had. These are ranked anew, and the
quantity is closed against them at the bankruptcy price as far as each can bear it, then at mark:
as if nobody else stood opposite. Where the event kept its whole queue, so it would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import NamedTuple

from app.engine.events import CloseReason, QueueEntry
from app.engine.figures import ranking
from app.engine.figures.bearing import most_borne
from app.engine.figures.spreading import Spread
from app.engine.markets import Market
from app.engine.numbers import ZERO, Quotient, share
from app.engine.policies import AdlPolicy
from app.engine.queues import Block, Leg, Ranking


class Chosen(NamedTuple):
    """What a policy closes against one place; `score` is the policy's."""

    rank: int
    account_id: str
    position_side: str
    score: Decimal
    quantity_before: Decimal
    quantity: Decimal
    reason: CloseReason


class PolicyOutcome(NamedTuple):
    """What a policy would have done; `left` is what the places could not take even at mark."""

    chosen: tuple[Chosen, ...]
    left: Decimal
    overshoot: Decimal


class Bankrupt(NamedTuple):
    """What was closed: a signed quantity and its signed bankruptcy value, in a contract at mark."""

    market: Market
    quantity: Decimal
    value: Decimal

    def gained(self, size: Decimal) -> Decimal:
        """What closing an unsigned `size` at the bankruptcy price adds to a counterparty."""
        quantity = size.copy_sign(self.quantity)
        return self.market.worth(quantity) - share(self.value, quantity, self.quantity)


class _Kept(NamedTuple):
    """A place with its figures, as decimals; `known` unless its scope was left alone (REC-2)."""

    quantity: Decimal
    profit: Decimal
    balance: Decimal
    equity: Decimal
    margin: Decimal
    slack: Decimal
    known: bool = True


def _kept(place: QueueEntry) -> _Kept:
    if place.profit is None:
        return _Kept(Decimal(place.quantity), ZERO, ZERO, ZERO, ZERO, ZERO, known=False)
    texts = (place.quantity, place.profit, place.balance, place.equity, place.margin, place.slack)
    quantity, profit, balance, equity, margin, slack = [Decimal(text or "0") for text in texts]
    return _Kept(quantity, profit, balance, equity, margin, slack)


def choose(
    bankrupt: Bankrupt, places: Sequence[QueueEntry], policy: AdlPolicy, most: int | None
) -> PolicyOutcome:
    """What `policy` closes against the places; `most` bounds the shares by size; None:
    there are none. Exact context."""
    kept: dict[Leg, _Kept] = {(p.account_id, p.position_side): _kept(p) for p in places}
    entries = sorted((*_place(bankrupt.market, one, policy), *leg) for leg, one in kept.items())
    left, taken, chosen = abs(bankrupt.quantity), dict.fromkeys(kept, ZERO), list[Chosen]()

    def at_bankruptcy(leg: Leg, size: Decimal) -> Decimal:
        return _bearable(bankrupt, kept[leg], size)

    def at_mark(_: Leg, size: Decimal) -> Decimal:
        return size

    phases: tuple[tuple[CloseReason, Callable[[Leg, Decimal], Decimal]], ...] = (
        ("bankruptcy_price", at_bankruptcy),
        ("mark_price", at_mark),
    )
    for reason, bears in phases:
        lot = bankrupt.market.contract.lot_size
        shares: dict[Leg, Decimal] = {}
        if policy == "pro_rata" and most is not None and left:
            queue = Ranking(policy, [Block(entries)], {entry[2:]: entry for entry in entries})
            spread = Spread(queue, bears, lot, most, dict(taken)) if entries else None
            found = spread.over(left) if spread else []
            shares = {one.entry[2:]: one.borne for one in found}
            left -= sum(shares.values(), ZERO)
        for rank, entry in enumerate(entries, start=1):
            leg = entry[2:]
            size = shares.get(leg, ZERO)
            before = kept[leg].quantity - taken[leg]
            more = _more(bears, leg, size, min(left, before - size))
            left, size = left - more, size + more
            if size:
                taken[leg] += size
                chosen.append(Chosen(rank, *leg, -entry[0], before, size, reason))
    return PolicyOutcome(tuple(chosen), left, _overshoot(bankrupt, kept, taken))


def _more(
    bears: Callable[[Leg, Decimal], Decimal], leg: Leg, size: Decimal, wanted: Decimal
) -> Decimal:
    """What a place bears beyond its share, along the queue."""
    return max(ZERO, bears(leg, size + wanted) - size) if wanted > 0 else ZERO


def _place(market: Market, one: _Kept, policy: AdlPolicy) -> tuple[Decimal, Quotient]:
    if policy == "current":
        return ranking.place(one.profit, abs(market.worth(one.quantity)), one.equity)
    if policy == "legacy":
        return ranking.legacy_place(one.profit, one.balance, one.equity, one.margin)
    return ranking.size_place(one.quantity, one.equity)


def _bearable(bankrupt: Bankrupt, one: _Kept, size: Decimal) -> Decimal:
    """As `counterparty.bearable` says of a live one (ADL-2)."""
    if not one.known:
        return ZERO
    market, own = bankrupt.market, bankrupt.market.maintenance_margin(one.quantity)

    def bears(quantity: Decimal) -> bool:
        gained = bankrupt.gained(quantity)
        freed = own - market.maintenance_margin(one.quantity - quantity)
        left = one.slack + gained + freed
        return left >= 0 or (gained >= 0 and left >= one.slack)

    lot = market.contract.lot_size
    if one.slack >= 0 and not bears(lot):
        return ZERO
    return most_borne(bears, size, lot, at_risk=one.slack < 0)


def _overshoot(bankrupt: Bankrupt, kept: dict[Leg, _Kept], taken: dict[Leg, Decimal]) -> Decimal:
    """The profit at mark that is given up beyond the deficit (ADL-4)."""
    given_up = ZERO
    for leg, size in taken.items():
        given_up += max(ZERO, share(kept[leg].profit, size, kept[leg].quantity))
    closed = sum(taken.values(), ZERO).copy_sign(bankrupt.quantity)
    deficit = share(bankrupt.value, closed, bankrupt.quantity) - bankrupt.market.worth(closed)
    return max(ZERO, given_up - max(ZERO, deficit))

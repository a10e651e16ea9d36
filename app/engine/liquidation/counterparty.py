"""What one counterparty bears of what is bankrupt, and how that is closed against it (ADL-2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import Decimal

from app.engine.events import CloseReason, Deleveraged, QueueEntry
from app.engine.figures import margin, ranking
from app.engine.figures.bearing import most_borne
from app.engine.figures.health import health_after
from app.engine.markets import Market
from app.engine.numbers import ZERO, share
from app.engine.queues import Ranking
from app.engine.state import Inventory
from app.engine.step import Step
from app.engine.traders import Account, Position
from app.engine.trading import deficits, positions, resting

QUEUE_KEPT = 20
"""How much of the ranked queue an event keeps beyond the counterparties themselves."""


@dataclass(slots=True, kw_only=True)
class Closing(ABC):
    """What is being closed against the other side: `held`, whose bankruptcy value, as far as it is
    left, is `value`, signed.

    A position that is liquidated, or a fund's inventory (`sinking`), of which there is no account
    and no liquidation.
    """

    step: Step
    market: Market
    held: Position | Inventory
    value: Decimal
    account: Account | None = None
    liquidation_id: int | None = None
    event_id: int | None = None
    """Of the ADL, where it is known before it is done."""
    queue: Ranking
    same_owner: bool = False
    """Whether the counterparties are its owner's own (FND-12)."""
    kept: tuple[QueueEntry, ...] = field(init=False)
    """The head of the queue as it was."""
    own: tuple[int, Decimal] | None = None
    """Rank and score of the account's own other leg, which comes after all others (ADL-2)."""
    closed: list[Deleveraged] = field(default_factory=list)
    given_up: Decimal = ZERO
    loss: Decimal = field(init=False)
    """What closing one lot at bankruptcy value takes from a counterparty."""

    def __post_init__(self) -> None:
        """The first fill is still to come."""
        self.kept = ranking.head(self.step.state, self.queue, self.market, QUEUE_KEPT)
        self.loss = self._lot_loss()

    @property
    def full(self) -> bool:
        """Whether the event has as many counterparties as it may (LIQ-10)."""
        return len(self.closed) >= self.step.state.bounds.closed

    @property
    def mark(self) -> Decimal:
        """The contract's mark price."""
        assert self.market.mark is not None
        return self.market.mark.price

    @property
    def reference(self) -> str:
        """What the counterparties' transfers refer to."""
        if self.liquidation_id is None:
            return f"adl/{self.event_id}"
        return f"liquidation/{self.liquidation_id}"

    def part(self, quantity: Decimal) -> Decimal:
        """The bankruptcy value's part that belongs to `quantity`; the last takes what is left."""
        return share(self.value, quantity, self.held.quantity)

    def _lot_loss(self) -> Decimal:
        lot = self.market.contract.lot_size.copy_sign(self.held.quantity)
        return self.part(lot) - self.market.worth(lot)

    def close(self, quantity: Decimal, value: Decimal) -> None:
        """This side of a fill at `value`: what is left and its bankruptcy value shrink."""
        part = self.part(quantity)
        self.book(quantity, value, part)
        self.value -= part
        if self.held.quantity:
            self.loss = self._lot_loss()

    @abstractmethod
    def book(self, quantity: Decimal, value: Decimal, part: Decimal) -> None:
        """Book that `quantity`, whose part of the bankruptcy value is `part`, closes at `value`."""

    @abstractmethod
    def tell_cover(self, paid: Decimal, injected: Decimal) -> None:
        """Fund and treasury have paid for a deficit."""


def bearable(closing: Closing, held: Position, size: Decimal) -> Decimal:
    """The largest lot-rounded part, at most `size`, that leaves the counterparty's scope whole.

    What closing takes from it grows in proportion and what it frees shrinks as brackets fall, so
    its health is concave in the quantity.
    """
    step, market = closing.step, closing.market
    if margin.is_aside(step.state, held.scope):
        return ZERO  # it takes part at mark only, where nobody is left (REC-2)
    lot = market.contract.lot_size
    before = margin.health(step.state, held.scope)
    sign = 1 if closing.held.quantity > 0 else -1

    def slack(quantity: Decimal, gained: Decimal) -> Decimal:
        rest = held.quantity + sign * quantity
        return health_after(before, market, held, rest, gained).slack

    def bears(quantity: Decimal) -> bool:
        gained = market.worth(sign * quantity) - closing.part(sign * quantity)
        left = slack(quantity, gained)
        return left >= 0 or (gained >= 0 and left >= before.slack)

    if not before.at_risk and not bears(lot):
        ranking.remember_room(closing.queue, held, slack(lot, ZERO))
        return ZERO
    return most_borne(bears, size, lot, at_risk=before.at_risk)


def close_against(
    closing: Closing,
    account: Account,
    held: Position,
    size: Decimal,
    *,
    rank: int,
    score: Decimal,
    at_mark: bool,
) -> None:
    """One fill between the bankrupt position and a counterparty, without fee."""
    step, market = closing.step, closing.market
    sign = 1 if closing.held.quantity > 0 else -1
    quantity = sign * size
    worth = market.worth(quantity)
    value = worth if at_mark else closing.part(quantity)
    resting.cancel_orders(
        step, sorted(held.orders.values(), key=lambda o: o.order_id), "deleveraged"
    )
    before = abs(held.quantity)
    counterparty = positions.settle(
        step.state, account, held, quantity, value=value, price=closing.mark, manner="deleveraging"
    )
    positions.book(step, account, held, counterparty, closing.reference)
    _cover_emptied(closing, account, held)
    closing.close(quantity, value)
    profit_at_mark = counterparty.profit + value - worth
    closing.given_up += max(ZERO, profit_at_mark)
    closing.closed.append(
        Deleveraged(
            rank=rank,
            account_id=account.account_id,
            position_side=held.side,
            score=score,
            quantity_before=before,
            quantity=size,
            price=market.contract.price_of(value, quantity),
            realized_profit=counterparty.profit,
            reason=_reason(closing, at_mark=at_mark),
        )
    )


def _reason(closing: Closing, *, at_mark: bool) -> CloseReason:
    if closing.same_owner:
        return "same_owner"
    return "mark_price" if at_mark else "bankruptcy_price"


def _cover_emptied(closing: Closing, account: Account, held: Position) -> None:
    """A counterparty below zero that is closed to its last position leaves a debt (FND-4).

    It waited for a tick of its own (MRK-4); this liquidation's contract made the debt due.
    """
    contract = closing.market.contract
    wallet = held.wallet if held.isolated else account.wallets[contract.settlement_asset]
    if wallet is None or wallet.balance >= 0:
        return
    if not margin.scope_positions(closing.step.state, held.scope):
        paid, injected = deficits.cover(
            closing.step, contract, wallet, -wallet.balance, closing.liquidation_id
        )
        closing.tell_cover(paid, injected)
        closing.step.forget_empty(held)

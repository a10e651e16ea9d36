"""Auto-deleveraging: what fund and book cannot take is closed against the other side (ADL)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from app.engine.events import AdlEvent, Deleveraged, Liquidation, QueueEntry
from app.engine.figures import margin, ranking
from app.engine.figures.health import health_after
from app.engine.liquidation import takeover
from app.engine.liquidation.work import Work
from app.engine.markets import Delivery, Market
from app.engine.numbers import ZERO, share
from app.engine.queues import Ranking
from app.engine.step import Step
from app.engine.traders import OTHER_LEG, Account, Position
from app.engine.trading import deficits, funds, positions, resting

QUEUE_KEPT = 20
"""How much of the ranked queue an event keeps beyond the counterparties themselves."""


@dataclass(slots=True)
class _Closing:
    """A bankrupt position being closed; `value` is the signed bankruptcy value of what is left."""

    work: Work
    market: Market
    position: Position
    record: Liquidation
    value: Decimal
    queue: Ranking
    own: tuple[int, Decimal] | None = None
    """Rank and score of the account's own other leg, which comes after all others (ADL-2)."""
    closed: list[Deleveraged] = field(default_factory=list)
    given_up: Decimal = ZERO
    loss: Decimal = ZERO
    """What closing one lot at bankruptcy value takes from a counterparty."""

    @property
    def step(self) -> Step:
        return self.work.step

    @property
    def full(self) -> bool:
        """Whether the event has as many counterparties as it may (LIQ-10)."""
        return len(self.closed) >= self.step.state.bounds.closed

    @property
    def mark(self) -> Decimal:
        assert self.market.mark is not None
        return self.market.mark.price


def await_queue(work: Work) -> None:
    """Wait for a large ADL queue that is not made, where the fund does not take all (ADL-5)."""
    market, longs = work.market, work.position.quantity < 0
    if (
        market.count(longs=longs) > work.step.state.bounds.large
        and not takeover.takes_all(work)
        and not ranking.ready(work.step.state, market, work.step.now, longs=longs)
    ):
        work.case.awaits = market.contract.symbol, longs
        work.waits = True


def deleverage(work: Work) -> None:
    """Close the rest of a bankrupt position against its counterparties (ADL-2)."""
    step, market, position, record = work.step, work.market, work.position, work.record()
    quantity, others = position.quantity, work.health().equity - work.allot()
    value = work.bankruptcy_value()
    queue = ranking.queue(step.state, market, step.now, longs=quantity < 0)
    kept = ranking.head(queue, market, QUEUE_KEPT)
    closing = _Closing(work, market, position, record, value, queue)
    closing.loss = _lot_loss(closing)
    _against_ranked(closing, at_mark=False)
    if not position.quantity:  # its parts add up to its whole bankruptcy value (LIQ-3)
        assert closing.value == 0, (record, closing.value)
        assert work.health().equity == others, (record, others)
    closed_at_mark = _close_at_mark(closing) if not closing.full else ZERO
    work.waits = position.quantity != 0
    _report(closing, quantity, value, closed_at_mark, kept)


def _report(
    closing: _Closing,
    before: Decimal,
    value: Decimal,
    closed_at_mark: Decimal,
    kept: tuple[QueueEntry, ...],
) -> None:
    """What was closed of a position of `before` at `value`: story, alert and event (ADL-3, ADL-4).

    `kept` is the head of the queue as it was.
    """
    step, market, record = closing.step, closing.market, closing.record
    contract, queue = market.contract, closing.queue
    price = contract.price_of(value, before)
    quantity = before - closing.position.quantity
    mark_value = market.worth(quantity)
    deficit = max(ZERO, value - closing.value - mark_value)
    event = AdlEvent(
        adl_event_id=step.next_id("adl_event"),
        liquidation_id=record.liquidation_id,
        time=step.now,
        symbol=contract.symbol,
        fund_id=record.fund_id,
        side=record.side,
        quantity=abs(quantity),
        bankruptcy_price=price,
        mark_price=closing.mark,
        deficit=deficit,
        notional_closed=abs(mark_value),
        overshoot=max(ZERO, closing.given_up - deficit),
        queue_length=len(queue.places),
        queue=kept,
        counterparties=tuple(closing.closed),
        ranked_at=queue.made_at or step.now,
        adl_policy=queue.policy,
    )
    _announce(closing, event, closed_at_mark)
    step.outcome.records.append(event)
    step.tell_volume("adl", contract, quantity, closing.mark)


def _announce(closing: _Closing, event: AdlEvent, closed_at_mark: Decimal) -> None:
    record = closing.record
    record.deleveraged_quantity += event.quantity
    closing.work.tell(
        record,
        "deleveraging",
        adl_event_id=event.adl_event_id,
        quantity=event.quantity,
        price=event.bankruptcy_price,
        counterparties=len(event.counterparties),
        closed_at_mark=closed_at_mark,
    )
    closing.step.alert(
        "adl",
        event.fund_id,
        closing.market.contract.settlement_asset,
        symbol=event.symbol,
        quantity=event.quantity,
        deficit=event.deficit,
        liquidation_id=event.liquidation_id,
    )


def _against_ranked(closing: _Closing, *, at_mark: bool) -> None:
    """Walk the queue: each counterparty as far as it holds and, at bankruptcy price, can bear.

    The account's own other leg, isolated in hedge mode, is not one of them.
    """
    accounts = closing.step.state.accounts
    walk = ranking.walk(closing.queue, lambda: ZERO if at_mark else closing.loss)
    for rank, (key, _, account_id, side) in walk:
        if closing.position.quantity == 0 or closing.full:
            return
        account = accounts[account_id]
        held = closing.market.positions.get((account_id, side))
        if held is None or held.quantity * closing.position.quantity >= 0:
            continue
        if account is closing.work.account:
            closing.own = rank, -key
            continue
        size = min(abs(held.quantity), abs(closing.position.quantity))
        if not at_mark:
            size = _bearable(closing, held, size)
        if size > 0:
            _close_against(closing, account, held, size, rank=rank, score=-key, at_mark=at_mark)


def _bearable(closing: _Closing, held: Position, size: Decimal) -> Decimal:
    """The largest lot-rounded part, at most `size`, that leaves the counterparty's scope whole.

    What closing takes from it grows in proportion and what it frees shrinks as brackets fall, so
    its health is concave in the quantity: from a healthy start there is one turn, found by halving.
    """
    step, market = closing.step, closing.market
    if margin.is_aside(step.state, held.scope):
        return ZERO  # it takes part at mark only, where nobody is left (REC-2)
    lot = market.contract.lot_size
    before = margin.health(step.state, held.scope)
    sign = 1 if closing.position.quantity > 0 else -1

    def slack(quantity: Decimal, gained: Decimal) -> Decimal:
        rest = held.quantity + sign * quantity
        return health_after(before, market, held, rest, gained).slack

    def bears(quantity: Decimal) -> bool:
        gained = market.worth(sign * quantity) - _part(closing, sign * quantity)
        left = slack(quantity, gained)
        return left >= 0 or (gained >= 0 and left >= before.slack)

    if not before.at_risk and not bears(lot):
        ranking.remember_room(closing.queue, held, slack(lot, ZERO))
        return ZERO
    if bears(size):
        return size
    low, high = 1, int(size / lot)
    if before.at_risk:
        return ZERO
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if bears(middle * lot) else (low, middle)
    return low * lot


def _lot_loss(closing: _Closing) -> Decimal:
    market = closing.market
    lot = market.contract.lot_size * (1 if closing.position.quantity > 0 else -1)
    return _part(closing, lot) - market.worth(lot)


def _part(closing: _Closing, quantity: Decimal) -> Decimal:
    """The part of the bankruptcy value that belongs to `quantity`; the last takes what is left."""
    return share(closing.value, quantity, closing.position.quantity)


def _close_against(
    closing: _Closing,
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
    sign = 1 if closing.position.quantity > 0 else -1
    quantity = sign * size
    worth = market.worth(quantity)
    part = _part(closing, quantity)
    value = worth if at_mark else part
    resting.cancel_orders(
        step, sorted(held.orders.values(), key=lambda o: o.order_id), "deleveraged"
    )
    before = abs(held.quantity)
    counterparty = positions.settle(
        step.state,
        account,
        held,
        quantity,
        value=value,
        price=closing.mark,
        manner="deleveraging",
    )
    positions.book(
        step, account, held, counterparty, f"liquidation/{closing.record.liquidation_id}"
    )
    _cover_emptied(closing, account, held)
    _close_own(closing, quantity, value, part)
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
            reason="mark_price" if at_mark else "bankruptcy_price",
        )
    )


def _cover_emptied(closing: _Closing, account: Account, held: Position) -> None:
    """A counterparty below zero that is closed to its last position leaves a debt (FND-4).

    It waited for a tick of its own (MRK-4); this liquidation's contract made the debt due.
    """
    contract = closing.market.contract
    wallet = held.wallet if held.isolated else account.wallets[contract.settlement_asset]
    if wallet is None or wallet.balance >= 0:
        return
    if not margin.scope_positions(closing.step.state, held.scope):
        paid, injected = deficits.cover(
            closing.step, contract, wallet, -wallet.balance, closing.record.liquidation_id
        )
        closing.work.tell_cover(closing.record, contract.symbol, paid, injected)
        closing.step.forget_empty(held)


def _close_own(
    closing: _Closing, quantity: Decimal, value: Decimal, bankruptcy_part: Decimal
) -> None:
    """The bankrupt side of a fill at `value`; the bankruptcy value shrinks by its part."""
    closing.work.close(quantity, value, closing.record)
    closing.value -= bankruptcy_part
    if closing.position.quantity:
        closing.loss = _lot_loss(closing)


def _close_at_mark(closing: _Closing) -> Decimal:
    """What nobody could bear, at mark value: against the same queue, then the account's own other
    leg, then what a delivery has closed already, then the fund's inventory.

    The deficit that remains is paid by the fund, then by the treasury (FND-4). Returns how much
    was closed so, unsigned.
    """
    position, contract, value = closing.position, closing.market.contract, closing.value
    left = position.quantity
    if left == 0:
        return ZERO
    _against_ranked(closing, at_mark=True)
    if position.quantity and closing.own and not closing.full:
        _against_own(closing, *closing.own)
    if position.quantity and closing.market.delivery is not None:
        _against_delivered(closing, closing.market.delivery)
    if position.quantity and not closing.full:
        _against_inventory(closing)
    closed = abs(left - position.quantity)
    worth = closing.market.worth(left) - closing.market.worth(position.quantity)
    deficit = max(ZERO, value - closing.value - worth)
    closing.work.tell(closing.record, "closed_at_mark", quantity=closed, deficit=deficit)
    if deficit:
        paid, injected = deficits.cover(
            closing.step, contract, closing.work.wallet(), deficit, closing.record.liquidation_id
        )
        closing.work.tell_cover(closing.record, contract.symbol, paid, injected)
    return closed


def _against_own(closing: _Closing, rank: int, score: Decimal) -> None:
    """Last of the traders: the account's own other leg, which has a margin of its own."""
    account, position = closing.work.account, closing.position
    own = account.positions[position.symbol, OTHER_LEG[position.side]]
    size = min(abs(own.quantity), abs(position.quantity))
    _close_against(closing, account, own, size, rank=rank, score=score, at_mark=True)


def _against_delivered(closing: _Closing, delivery: Delivery) -> None:
    """Counterparties that were closed at the settlement price, which is the mark: the exchange
    stands for them (DLV-1)."""
    left = closing.position.quantity
    if left * delivery.quantity >= 0:
        return
    quantity = min(abs(left), abs(delivery.quantity)).copy_sign(left)
    worth = closing.market.worth(quantity)
    _close_own(closing, quantity, worth, _part(closing, quantity))
    closing.step.deliver(closing.market, quantity, worth)


def _against_inventory(closing: _Closing) -> None:
    """The last counterparty: the fund's own opposite inventory, at mark value."""
    step, contract = closing.step, closing.market.contract
    fund = funds.fund_of(step.state, contract)
    inventory = fund.inventory[contract.symbol]
    quantity = closing.position.quantity
    assert abs(inventory.quantity) >= abs(quantity), (inventory, quantity)
    worth = closing.market.worth(quantity)
    _close_own(closing, quantity, worth, closing.value)
    rest, cost = inventory.quantity + quantity, inventory.cost + worth
    if rest != 0:
        step.set_inventory(fund, contract.symbol, rest, cost)
        return
    step.set_inventory(fund, contract.symbol, ZERO, ZERO)
    assert cost >= 0, (inventory, cost)  # the takeover that came before settled what it gained
    if cost:  # and of what it lost as much as the fund had
        clearing, liquidation_id = closing.market.clearing, closing.record.liquidation_id
        deficits.cover(step, contract, clearing, cost, liquidation_id)

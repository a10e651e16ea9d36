"""The other side as a whole: who of it is closed, in which order, and what is told of it (ADL)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from app.engine.events import AdlEvent
from app.engine.figures import ranking
from app.engine.figures.spreading import Spread
from app.engine.liquidation import counterparty
from app.engine.liquidation.counterparty import Closing
from app.engine.markets import Delivery
from app.engine.numbers import ZERO
from app.engine.queues import Leg
from app.engine.traders import OTHER_LEG, Position


def against_others(closing: Closing, *, at_mark: bool) -> None:
    """By the policy of the queue (ADL-1); what no share was found for goes along it."""
    if closing.queue.policy == "pro_rata":
        _in_proportion(closing, at_mark=at_mark)
    against_ranked(closing, at_mark=at_mark)


def _in_proportion(closing: Closing, *, at_mark: bool) -> None:
    """Each counterparty in proportion to its size and, at bankruptcy price, as far as it can bear.

    Shares are worked out before the first is closed, and judged again then: values are rounded.
    """
    market, bounds = closing.market, closing.step.state.bounds

    def bears(leg: Leg, size: Decimal) -> Decimal:
        room = closing.queue.rooms.get(leg)
        if at_mark or (room is not None and room < closing.loss):
            return size if at_mark else ZERO
        return counterparty.bearable(closing, market.positions[leg], size)

    closed: defaultdict[Leg, Decimal] = defaultdict(Decimal)
    for done in closing.closed:
        closed[done.account_id, done.position_side] += done.quantity
    spread = Spread(closing.queue, bears, market.contract.lot_size, bounds.shares, closed)
    held = closing.held
    if isinstance(held, Position) and held.side in OTHER_LEG:
        spread.without((held.account_id, OTHER_LEG[held.side]))
    for share in spread.over(abs(held.quantity)):
        key, _, account_id, side = share.entry
        size = bears((account_id, side), share.borne)
        if closing.full or not size:
            continue  # it goes along the queue, or on in the next part
        closing.step.shares += 1
        account = closing.step.state.accounts[account_id]
        other = market.positions[account_id, side]
        counterparty.close_against(
            closing, account, other, size, rank=share.rank, score=-key, at_mark=at_mark
        )


def against_ranked(closing: Closing, *, at_mark: bool) -> None:
    """Walk the queue: each counterparty as far as it holds and, at bankruptcy price, can bear.

    The account's own other leg, isolated in hedge mode, is not one of them.
    """
    accounts = closing.step.state.accounts
    walk = ranking.walk(closing.queue, lambda: ZERO if at_mark else closing.loss)
    for rank, (key, _, account_id, side) in walk:
        if closing.held.quantity == 0 or closing.full:
            return
        account = accounts[account_id]
        held = closing.market.positions.get((account_id, side))
        if held is None or held.quantity * closing.held.quantity >= 0:
            continue
        if account is closing.account and not closing.same_owner:
            closing.own = rank, -key
            continue
        size = min(abs(held.quantity), abs(closing.held.quantity))
        if not at_mark:
            size = counterparty.bearable(closing, held, size)
        if size > 0:
            counterparty.close_against(
                closing, account, held, size, rank=rank, score=-key, at_mark=at_mark
            )


def against_delivered(closing: Closing, delivery: Delivery) -> None:
    """Counterparties that were closed at the settlement price, which is the mark: the exchange
    stands for them (DLV-1)."""
    left = closing.held.quantity
    if left * delivery.quantity >= 0:
        return
    quantity = min(abs(left), abs(delivery.quantity)).copy_sign(left)
    worth = closing.market.worth(quantity)
    closing.close(quantity, worth)
    closing.step.deliver(closing.market, quantity, worth)


def event_of(closing: Closing, before: Decimal, value: Decimal) -> AdlEvent:
    """What was closed of a quantity of `before` at `value` (ADL-3, ADL-4)."""
    market, queue = closing.market, closing.queue
    contract = market.contract
    quantity = before - closing.held.quantity
    mark_value = market.worth(quantity)
    deficit = max(ZERO, value - closing.value - mark_value)
    return AdlEvent(
        adl_event_id=closing.event_id or closing.step.next_id("adl_event"),
        liquidation_id=closing.liquidation_id,
        time=closing.step.now,
        symbol=contract.symbol,
        fund_id=contract.insurance_fund,
        side="long" if before > 0 else "short",
        quantity=abs(quantity),
        bankruptcy_price=contract.price_of(value, before),
        mark_price=closing.mark,
        deficit=deficit,
        notional_closed=abs(mark_value),
        overshoot=max(ZERO, closing.given_up - deficit),
        queue_length=len(queue.places),
        queue=closing.kept,
        counterparties=tuple(closing.closed),
        ranked_at=queue.made_at or closing.step.now,
        adl_policy=queue.policy,
    )


def announce(closing: Closing, event: AdlEvent) -> None:
    """Tell the operators, but not of an owner's own accounts; keep the event, and count it (ADL-3,
    HIS-3)."""
    step, contract = closing.step, closing.market.contract
    if not closing.same_owner:
        of = {} if event.liquidation_id is None else {"liquidation_id": event.liquidation_id}
        step.alert(
            "adl",
            event.fund_id,
            contract.settlement_asset,
            symbol=event.symbol,
            quantity=event.quantity,
            deficit=event.deficit,
            **of,
        )
    step.outcome.records.append(event)
    sign = 1 if event.side == "long" else -1
    step.tell_volume("adl", contract, sign * event.quantity, closing.mark)

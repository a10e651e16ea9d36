"""Auto-deleveraging: what fund and book cannot take is closed against the other side (ADL)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from app.engine.events import AdlEvent, QueueEntry
from app.engine.figures import ranking
from app.engine.figures.spreading import Spread
from app.engine.liquidation import counterparty, takeover
from app.engine.liquidation.counterparty import Closing
from app.engine.liquidation.work import Work
from app.engine.markets import Delivery
from app.engine.numbers import ZERO
from app.engine.queues import Leg
from app.engine.traders import OTHER_LEG
from app.engine.trading import deficits, funds

QUEUE_KEPT = 20
"""How much of the ranked queue an event keeps beyond the counterparties themselves."""


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


def close_own_accounts(work: Work) -> None:
    """Close a bankrupt position against its owner's other ones, before anybody else (FND-12).

    At bankruptcy value, ranked and as far as each can bear it, as ADL does (ADL-2). An owner has
    few accounts. One that is not declared has none: then its own other leg is where ADL-2 says.
    """
    step, market, position = work.step, work.market, work.position
    if work.account.owner_id is None:
        return
    quantity, own = position.quantity, step.state.owners[work.account.owner_id]
    queue = ranking.among(step.state, market, own, longs=quantity < 0)
    if not queue.places:
        return
    others, value = work.health().equity - work.allot(), work.bankruptcy_value()
    kept = ranking.head(queue, market, QUEUE_KEPT)
    closing = Closing(work, market, position, work.record(), value, queue, same_owner=True)
    closing.loss = counterparty.lot_loss(closing)
    _against_ranked(closing, at_mark=False)
    if not closing.closed:
        return
    work.go_bankrupt()
    assert position.quantity or work.health().equity == others, (closing.record, others)
    work.waits = closing.full and position.quantity != 0
    _report(closing, quantity, value, ZERO, kept)


def counterparties_first(work: Work) -> None:
    """Where the fund's policy says so, counterparties come before it, as far as each can bear the
    bankruptcy price (FND-3): what is left is offered to the fund, then closed at mark."""
    fund = funds.fund_of(work.step.state, work.market.contract)
    if not fund.policy.counterparty_first:
        return
    work.go_bankrupt()
    closing, before, kept = _begin(work)
    _against_bankrupt(closing)
    work.waits = closing.full and work.position.quantity != 0
    if closing.closed:
        _report(closing, *before, ZERO, kept)


def deleverage(work: Work) -> None:
    """Close the rest of a bankrupt position against its counterparties (ADL-2)."""
    closing, before, kept = _begin(work)
    _against_bankrupt(closing)
    closed_at_mark = _close_at_mark(closing) if not closing.full else ZERO
    work.waits = work.position.quantity != 0
    _report(closing, *before, closed_at_mark, kept)


def _begin(work: Work) -> tuple[Closing, tuple[Decimal, Decimal], tuple[QueueEntry, ...]]:
    """The position in hand, its quantity and value as they are, and the head of the queue."""
    step, market, position, record = work.step, work.market, work.position, work.record()
    value = work.bankruptcy_value()
    queue = ranking.queue(step.state, market, step.now, longs=position.quantity < 0)
    kept = ranking.head(queue, market, QUEUE_KEPT)
    closing = Closing(work, market, position, record, value, queue)
    closing.loss = counterparty.lot_loss(closing)
    return closing, (position.quantity, value), kept


def _against_bankrupt(closing: Closing) -> None:
    """Close at bankruptcy value what counterparties can bear."""
    work, record = closing.work, closing.record
    others = work.health().equity - work.allot()
    _against_others(closing, at_mark=False)
    if not closing.position.quantity:  # its parts add up to its whole bankruptcy value (LIQ-3)
        assert closing.value == 0, (record, closing.value)
        assert work.health().equity == others, (record, others)


def _report(
    closing: Closing,
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


def _announce(closing: Closing, event: AdlEvent, closed_at_mark: Decimal) -> None:
    record = closing.record
    record.deleveraged_quantity += event.quantity
    closing.work.tell(
        record,
        "own_accounts" if closing.same_owner else "deleveraging",
        adl_event_id=event.adl_event_id,
        quantity=event.quantity,
        price=event.bankruptcy_price,
        counterparties=len(event.counterparties),
        closed_at_mark=closed_at_mark,
    )
    if closing.same_owner:
        return  # nobody else has to know
    closing.step.alert(
        "adl",
        event.fund_id,
        closing.market.contract.settlement_asset,
        symbol=event.symbol,
        quantity=event.quantity,
        deficit=event.deficit,
        liquidation_id=event.liquidation_id,
    )


def _against_others(closing: Closing, *, at_mark: bool) -> None:
    """By the policy of the queue (ADL-1); what no share was found for goes along it."""
    if closing.queue.policy == "pro_rata":
        _in_proportion(closing, at_mark=at_mark)
    _against_ranked(closing, at_mark=at_mark)


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
    if closing.position.side in OTHER_LEG:
        spread.without((closing.work.account.account_id, OTHER_LEG[closing.position.side]))
    for share in spread.over(abs(closing.position.quantity)):
        if closing.full:
            return
        key, _, account_id, side = share.entry
        held = market.positions[account_id, side]
        size = bears((account_id, side), share.borne)
        if size > 0:
            closing.step.shares += 1
            account = closing.step.state.accounts[account_id]
            counterparty.close_against(
                closing, account, held, size, rank=share.rank, score=-key, at_mark=at_mark
            )


def _against_ranked(closing: Closing, *, at_mark: bool) -> None:
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
        if account is closing.work.account and not closing.same_owner:
            closing.own = rank, -key
            continue
        size = min(abs(held.quantity), abs(closing.position.quantity))
        if not at_mark:
            size = counterparty.bearable(closing, held, size)
        if size > 0:
            counterparty.close_against(
                closing, account, held, size, rank=rank, score=-key, at_mark=at_mark
            )


def _close_at_mark(closing: Closing) -> Decimal:
    """What nobody could bear, at mark value: against the same queue, then the account's own other
    leg, then what a delivery has closed already, then the fund's inventory.

    The deficit that remains is paid by the fund, then by the treasury (FND-4). Returns how much
    was closed so, unsigned.
    """
    position, contract, value = closing.position, closing.market.contract, closing.value
    left = position.quantity
    if left == 0:
        return ZERO
    _against_others(closing, at_mark=True)
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


def _against_own(closing: Closing, rank: int, score: Decimal) -> None:
    """Last of the traders: the account's own other leg, which has a margin of its own."""
    account, position = closing.work.account, closing.position
    own = account.positions[position.symbol, OTHER_LEG[position.side]]
    size = min(abs(own.quantity), abs(position.quantity))
    counterparty.close_against(closing, account, own, size, rank=rank, score=score, at_mark=True)


def _against_delivered(closing: Closing, delivery: Delivery) -> None:
    """Counterparties that were closed at the settlement price, which is the mark: the exchange
    stands for them (DLV-1)."""
    left = closing.position.quantity
    if left * delivery.quantity >= 0:
        return
    quantity = min(abs(left), abs(delivery.quantity)).copy_sign(left)
    worth = closing.market.worth(quantity)
    counterparty.close_own(closing, quantity, worth, counterparty.part_of(closing, quantity))
    closing.step.deliver(closing.market, quantity, worth)


def _against_inventory(closing: Closing) -> None:
    """The last counterparty: the fund's own opposite inventory, at mark value."""
    step, contract = closing.step, closing.market.contract
    fund = funds.fund_of(step.state, contract)
    inventory = fund.inventory[contract.symbol]
    quantity = closing.position.quantity
    assert abs(inventory.quantity) >= abs(quantity), (inventory, quantity)
    worth = closing.market.worth(quantity)
    counterparty.close_own(closing, quantity, worth, closing.value)
    rest, cost = inventory.quantity + quantity, inventory.cost + worth
    if rest != 0:
        step.set_inventory(fund, contract.symbol, rest, cost)
        return
    step.set_inventory(fund, contract.symbol, ZERO, ZERO)
    assert cost >= 0, (inventory, cost)  # the takeover that came before settled what it gained
    if cost:  # and of what it lost as much as the fund had
        clearing, liquidation_id = closing.market.clearing, closing.record.liquidation_id
        deficits.cover(step, contract, clearing, cost, liquidation_id)

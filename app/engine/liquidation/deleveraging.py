"""Auto-deleveraging: what fund and book cannot take is closed against the other side (ADL)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from app.engine.events import Liquidation
from app.engine.figures import ranking
from app.engine.liquidation import counterparty, opposing, takeover
from app.engine.liquidation.counterparty import Closing
from app.engine.liquidation.work import Work
from app.engine.numbers import ZERO
from app.engine.queues import Ranking
from app.engine.traders import OTHER_LEG, Position
from app.engine.trading import deficits, funds


@dataclass(slots=True, kw_only=True)
class _Bankrupt(Closing):
    """A bankrupt position, in the hands of a part of its liquidation."""

    work: Work
    record: Liquidation
    held: Position

    @staticmethod
    def of(work: Work, queue: Ranking, *, same_owner: bool = False) -> _Bankrupt:
        """The position in hand, to be closed against those of a queue."""
        record = work.record()
        return _Bankrupt(
            step=work.step,
            market=work.market,
            held=work.position,
            value=work.bankruptcy_value(),
            account=work.account,
            liquidation_id=record.liquidation_id,
            queue=queue,
            same_owner=same_owner,
            work=work,
            record=record,
        )

    def book(self, quantity: Decimal, value: Decimal, part: Decimal) -> None:  # noqa: ARG002
        """What it closes for beyond its bankruptcy value is the scope's, or a deficit."""
        self.work.close(quantity, value, self.record)

    def tell_cover(self, paid: Decimal, injected: Decimal) -> None:
        """That belongs into its story."""
        self.work.tell_cover(self.record, self.held.symbol, paid, injected)


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
    others = work.health().equity - work.allot()
    closing = _Bankrupt.of(work, queue, same_owner=True)
    value = closing.value
    opposing.against_ranked(closing, at_mark=False)
    if not closing.closed:
        return
    work.go_bankrupt()
    assert position.quantity or work.health().equity == others, (closing.record, others)
    work.waits = closing.full and position.quantity != 0
    _report(closing, quantity, value, ZERO)


def counterparties_first(work: Work) -> None:
    """Where the fund's policy says so, counterparties come before it, as far as each can bear the
    bankruptcy price (FND-3): what is left is offered to the fund, then closed at mark."""
    fund = funds.fund_of(work.step.state, work.market.contract)
    if not fund.policy.counterparty_first:
        return
    work.go_bankrupt()
    closing = _begin(work)
    quantity, value = work.position.quantity, closing.value
    _against_bankrupt(closing)
    work.waits = closing.full and work.position.quantity != 0
    if closing.closed:
        _report(closing, quantity, value, ZERO)


def deleverage(work: Work) -> None:
    """Close the rest of a bankrupt position against its counterparties (ADL-2)."""
    closing = _begin(work)
    quantity, value = work.position.quantity, closing.value
    _against_bankrupt(closing)
    closed_at_mark = _close_at_mark(closing) if not closing.full else ZERO
    work.waits = work.position.quantity != 0
    _report(closing, quantity, value, closed_at_mark)


def _begin(work: Work) -> _Bankrupt:
    """The position in hand, to be closed against all that stand opposite."""
    step, longs = work.step, work.position.quantity < 0
    return _Bankrupt.of(work, ranking.queue(step.state, work.market, step.now, longs=longs))


def _against_bankrupt(closing: _Bankrupt) -> None:
    """Close at bankruptcy value what counterparties can bear."""
    work, record = closing.work, closing.record
    others = work.health().equity - work.allot()
    opposing.against_others(closing, at_mark=False)
    if not closing.held.quantity:  # its parts add up to its whole bankruptcy value (LIQ-3)
        assert closing.value == 0, (record, closing.value)
        assert work.health().equity == others, (record, others)


def _report(closing: _Bankrupt, before: Decimal, value: Decimal, closed_at_mark: Decimal) -> None:
    """What was closed of a position of `before` at `value`, in its story and as an event."""
    event, record = opposing.event_of(closing, before, value), closing.record
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
    opposing.announce(closing, event)


def _close_at_mark(closing: _Bankrupt) -> Decimal:
    """What nobody could bear, at mark value: against the same queue, then the account's own other
    leg, then what a delivery has closed already, then the fund's inventory.

    The deficit that remains is paid by the fund, then by the treasury (FND-4). Returns how much
    was closed so, unsigned.
    """
    position, contract, value = closing.held, closing.market.contract, closing.value
    left = position.quantity
    if left == 0:
        return ZERO
    opposing.against_others(closing, at_mark=True)
    if position.quantity and closing.own and not closing.full:
        _against_own(closing, *closing.own)
    if position.quantity and closing.market.delivery is not None:
        opposing.against_delivered(closing, closing.market.delivery)
    if position.quantity and not closing.full:
        _against_inventory(closing)
    closed = abs(left - position.quantity)
    worth = closing.market.worth(left) - closing.market.worth(position.quantity)
    deficit = max(ZERO, value - closing.value - worth)
    closing.work.tell(closing.record, "closed_at_mark", quantity=closed, deficit=deficit)
    if deficit:
        paid, injected = deficits.cover(
            closing.step, contract, closing.work.wallet(), deficit, closing.liquidation_id
        )
        closing.tell_cover(paid, injected)
    return closed


def _against_own(closing: _Bankrupt, rank: int, score: Decimal) -> None:
    """Last of the traders: the account's own other leg, which has a margin of its own."""
    account, position = closing.work.account, closing.held
    own = account.positions[position.symbol, OTHER_LEG[position.side]]
    size = min(abs(own.quantity), abs(position.quantity))
    counterparty.close_against(closing, account, own, size, rank=rank, score=score, at_mark=True)


def _against_inventory(closing: _Bankrupt) -> None:
    """The last counterparty: the fund's own opposite inventory, at mark value."""
    step, contract = closing.step, closing.market.contract
    fund = funds.fund_of(step.state, contract)
    inventory = fund.inventory[contract.symbol]
    quantity = closing.held.quantity
    assert abs(inventory.quantity) >= abs(quantity), (inventory, quantity)
    worth = closing.market.worth(quantity)
    closing.close(quantity, worth)
    rest, cost = inventory.quantity + quantity, inventory.cost + worth
    assert rest or not cost, (inventory, cost)  # all of it was settled, or was closed (`sinking`)
    step.set_inventory(fund, contract.symbol, rest, cost)

"""What the policies would have done: for the one that did, it is what was done (ADL-1)."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal, localcontext

from app.engine.events import AdlEvent
from app.engine.figures.counterfactual import Bankrupt, PolicyOutcome, choose
from app.engine.numbers import EXACT
from app.engine.policies import AdlPolicy
from app.engine.state import State


def worked_out(
    event: AdlEvent, account: str | None, state: State, policy: AdlPolicy
) -> PolicyOutcome:
    """From what an event kept, at the mark and brackets that are still those of its time."""
    market = state.markets[event.symbol]
    quantity = event.quantity if event.side == "long" else -event.quantity
    places = [place for place in event.queue if place.account_id != account]
    with localcontext(EXACT):
        bankrupt = Bankrupt(market, quantity, market.worth(quantity) + event.deficit)
        return choose(bankrupt, places, policy, state.bounds.shares)


def check_counterfactual(event: AdlEvent, account: str | None, state: State) -> None:
    """The policy of an event, worked out afterwards, closes what it closed.

    Where the event kept all: its whole queue, made just then, and a bankruptcy value to the unit.
    Values of parts are rounded one after the other there, so that somebody may bear a lot less.
    """
    contract, closed = state.markets[event.symbol].contract, defaultdict[str, Decimal](Decimal)
    for part in event.counterparties:
        closed[part.account_id] += part.quantity
    whole = event.queue_length == len(event.queue) <= state.bounds.large
    whole = whole and all(place.profit is not None for place in event.queue)  # none left alone
    full = len(event.counterparties) >= state.bounds.closed
    owners = any(part.reason == "same_owner" for part in event.counterparties)
    traders = sum(closed.values()) == event.quantity and account not in closed
    if not (whole and traders and event.deficit) or full or owners:
        return
    found = worked_out(event, account, state, event.adl_policy)
    assert found.left == 0, (event, found)
    for one in found.chosen:
        closed[one.account_id] -= one.quantity
    lots = len(event.counterparties) * contract.lot_size
    assert all(abs(off) <= lots for off in closed.values()), (event, found)
    assert abs(found.overshoot - event.overshoot) <= lots * event.mark_price, (event, found)

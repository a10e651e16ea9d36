"""The ADL policies compared on one event (ADL-1).

What was done is what the event says. What another policy would have done is worked out from the
places that the event kept, with the contract's brackets of now. Its bankruptcy value is the deficit
beyond mark value, to the unit; where there was none, that of the printed price.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args

from app.engine.events import QueueEntry
from app.engine.figures.counterfactual import Bankrupt, choose
from app.engine.markets import Market
from app.engine.marks import Mark
from app.engine.numbers import ZERO
from app.engine.policies import AdlPolicy
from app.store.queries import Row, Rows


class Compared:
    """An event, with what each policy closes; `bankrupt` is the account that was liquidated."""

    def __init__(
        self, event: Row, parts: Rows, market: Market, *, bankrupt: str | None, most: int
    ) -> None:
        self._event, self._parts = event, parts
        self._most: int | None = most
        self._market = replace(
            market, mark=Mark(event["symbol"], price=event["mark_price"], time=event["time"])
        )
        kept = [QueueEntry(*place) for place in event["queue"]]
        same_owner = any(part["reason"] == "same_owner" for part in parts)
        known = any(place.profit is not None for place in kept) or not kept
        own = None if same_owner else bankrupt
        self.places = [place for place in kept if known and place.account_id != own]
        all_known = all(place.profit is not None for place in kept)
        self.complete = all_known and len(kept) == event["queue_length"]
        if same_owner:  # they are closed one by one (FND-12)
            self._most = None

    def policies(self) -> Iterator[dict[str, Any]]:
        """Each policy with its counterparties. Inside the exact context."""
        for policy in get_args(AdlPolicy):
            actual = policy == self._event["adl_policy"]
            yield self._actual(policy) if actual else self._worked_out(policy)

    def _actual(self, policy: AdlPolicy) -> dict[str, Any]:
        closed = sum((part["quantity"] for part in self._parts), ZERO)
        return {
            "policy": policy,
            "actual": True,
            "quantity": closed,
            "left": self._event["quantity"] - closed,
            "overshoot": self._event["overshoot"],
            "counterparties": self._parts,
        }

    def _worked_out(self, policy: AdlPolicy) -> dict[str, Any]:
        found = choose(self._bankrupt(), self.places, policy, self._most)
        return {
            "policy": policy,
            "actual": False,
            "quantity": self._event["quantity"] - found.left,
            "left": found.left,
            "overshoot": found.overshoot,
            "counterparties": [one._asdict() for one in found.chosen],
        }

    def _bankrupt(self) -> Bankrupt:
        event, contract = self._event, self._market.contract
        size: Decimal = event["quantity"]
        quantity = size if event["side"] == "long" else -size
        value = self._market.worth(quantity) + event["deficit"]
        if not event["deficit"]:
            price = event["bankruptcy_price"]
            value = contract.value(quantity, price) if price else ZERO
        return Bankrupt(self._market, quantity, value)

"""What a fund has above its required minimum, and who lacks it (FND-8): figures, no booking.

A fund without a minimum has neither: nobody has said what it needs.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from app.engine.numbers import ZERO, Quotient
from app.engine.results import FundToFund
from app.engine.state import Fund, State
from app.engine.trading import funds


class Means(NamedTuple):
    """A fund in an asset, its inventory settled to mark: its balance, and what it could spare."""

    fund_id: str
    minimum: Decimal
    balance: Decimal
    spare: Decimal

    @property
    def coverage(self) -> Quotient:
        """The balance as a fraction of the minimum (FND-7)."""
        return Quotient(self.balance, self.minimum)


def means(state: State, fund: Fund, asset: str) -> Means | None:
    """How a fund stands once its inventory is settled to mark; None: it has no minimum.

    To spare is what is above the minimum, as far as the rest carries the inventory (FND-2).
    """
    minimum = fund.required_minimum.get(asset)
    if minimum is None:
        return None
    balance = max(ZERO, funds.balance_at_mark(state, fund, asset))
    notional = funds.net_notional(state, fund, asset)
    kept = max(minimum, funds.carrying(fund, notional, balance) if notional else ZERO)
    return Means(fund.fund_id, minimum, balance, spare=max(ZERO, balance - kept))


def proposal(state: State, asset: str) -> tuple[FundToFund, ...]:
    """What a rebalance moves (FND-8): from who has most to spare, to who is covered least.

    Each move ends a giver's excess or a taker's shortage, so there are fewer than funds.
    """
    found = [means(state, fund, asset) for fund in state.funds.values()]
    return tuple(_moves([one for one in found if one is not None]))


def _moves(found: list[Means]) -> Iterator[FundToFund]:
    givers = sorted((one for one in found if one.spare), key=lambda g: (g.spare, g.fund_id))
    takers = [one for one in found if one.balance < one.minimum]
    takers.sort(key=lambda taker: (taker.coverage, taker.fund_id))
    for taker in takers:
        missing = taker.minimum - taker.balance
        while givers and missing:
            giver = givers.pop()
            amount = min(missing, giver.spare)
            missing -= amount
            yield FundToFund(giver.fund_id, taker.fund_id, amount)
            if amount < giver.spare:
                givers.append(giver._replace(spare=giver.spare - amount))

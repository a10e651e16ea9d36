"""What owners won in a contract in an hour, and what was paid for them there (FND-12).

Kept as it comes, so that no report adds trades and liquidations up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from app.engine.numbers import EXACT, begin_of
from app.engine.outcome import Outcome
from app.store.growing import WIDTHS, Growing, Grown, join


class OwnerRow(NamedTuple):
    """An owner's hour in a contract: what all its accounts won and lost there in sums, and what the
    contract's fund and the treasury paid where one of them was liquidated."""

    owner_id: str
    symbol: str
    interval: Literal["1h"]
    time: datetime
    won: Decimal
    lost: Decimal
    fund_paid: Decimal
    treasury_paid: Decimal

    @property
    def key(self) -> tuple[str, str, Literal["1h"], datetime]:
        """The key of its row."""
        return self[:4]

    def then(self, later: OwnerRow) -> OwnerRow:
        """The hour with what came to it later."""
        return self._replace(
            won=EXACT.add(self.won, later.won),
            lost=EXACT.add(self.lost, later.lost),
            fund_paid=EXACT.add(self.fund_paid, later.fund_paid),
            treasury_paid=EXACT.add(self.treasury_paid, later.treasury_paid),
        )


def owner_rows(outcomes: Iterable[Outcome]) -> Sequence[Growing]:
    """What these add to which rows; at most one row of each key."""
    found: Grown[OwnerRow] = {}
    for outcome in outcomes:
        if outcome.owned:
            hour = begin_of(outcome.time, WIDTHS["1h"])
            join(found, (_row(hour, *one) for one in outcome.owned))
    return list(found.values())


def _row(hour: datetime, owner_id: str, symbol: str, *amounts: Decimal) -> OwnerRow:
    return OwnerRow(owner_id, symbol, "1h", hour, *amounts)

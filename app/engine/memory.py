"""What a fund's limits and warnings remember of an asset (FND-3, FND-12), by the minute.

A day, and a breaker's window, is looked back at by minutes: what happened in one counts until all
of it is past. So a limit holds over any 24 hours, and gives room again up to a minute late. What is
remembered begins when the policy that asks for it is switched on, and ends when it is switched off.

Of payouts each minute's sum is kept; of results and balances, which stand until they change, only
what may still be the highest of the window: each is higher than all after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from typing import Literal, NamedTuple

from app.engine.events import HistoryKind
from app.engine.numbers import ZERO, begin_of
from app.engine.policies import DrawdownBreaker, FundPolicy

Measure = Literal["paid", "result", "balance"]
PAYOUTS: frozenset[HistoryKind] = frozenset({"bankruptcy_loss", "deficit_cover", "offload_pnl"})
"""What a fund pays to others, where it is negative: it counts for its payout limits (FND-12)."""
RESULTS: frozenset[HistoryKind] = PAYOUTS | {"inventory_settlement", "inventory_funding"}
"""What counts for a drawdown: no income, no money that is only moved (FND-3)."""
MINUTE = timedelta(minutes=1)
DAY = timedelta(hours=24)


@dataclass(slots=True, eq=False)
class Minute:
    """A minute of a fund's past: of payouts their sum, of results and balances the highest that
    stood in it and ended. `changes` are how many there were; 0: it is forgotten."""

    fund_id: str
    asset: str
    measure: Measure
    minute: datetime
    amount: Decimal
    changes: int = 0


class Drawdown(NamedTuple):
    """What a fund has lost since its best of the window, and its highest balance in that."""

    lost: Decimal
    peak: Decimal

    def reaches(self, part: Decimal) -> bool:
        """Whether that part of the peak is lost."""
        return self.lost > 0 and self.lost >= part * self.peak


@dataclass(slots=True, eq=False)
class FundMemory:
    """Of a fund and an asset.

    `gained` is the sum of `RESULTS` since the breaker was switched on; it has `stopped` takeovers,
    and that they may go on was not seen yet. `cap_warned` and `drawdown_warned` are the highest
    levels that were warned of and are not armed again (0: none). Derived: of a breaker `seen`, the
    balance after the newest entry, which was at `since`; `spent`, the sum of the payouts' minutes.
    """

    fund_id: str
    asset: str
    gained: Decimal = ZERO
    stopped: bool = False
    cap_warned: Decimal = ZERO
    drawdown_warned: Decimal = ZERO
    minutes: dict[Measure, list[Minute]] = field(default_factory=dict)
    seen: Decimal = ZERO
    since: datetime | None = None
    spent: Decimal = ZERO

    def note(
        self,
        policy: FundPolicy,
        kind: HistoryKind,
        amount: Decimal,
        balance: Decimal,
        now: datetime,
    ) -> list[Minute]:
        """An entry of the history, and the balance after it; returns the minutes that changed."""
        changed: list[Minute] = []
        if policy.max_payout_per_day is not None and kind in PAYOUTS and amount < 0:
            self._pay(-amount, now, changed)
        breaker = policy.drawdown_breaker
        if breaker is not None:
            if self.since is None or now > self.since:  # what one command passes through is nothing
                self._end("balance", self.seen, breaker, now, changed)
                self._end("result", self.gained, breaker, now, changed)
                self.since = now
            self.seen = balance
            if kind in RESULTS:  # by what else comes or goes none is stopped: a trader's fee, say
                self.gained += amount
                self.stopped = self.stopped or self.drawdown(breaker, now).reaches(breaker.stop)
        return changed

    def forget(self, *measures: Measure) -> list[Minute]:
        """No policy asks for them; returns the minutes that are forgotten."""
        gone = [minute for measure in measures for minute in self.minutes.pop(measure, ())]
        if "paid" in measures:
            self.spent = ZERO
        else:
            self.gained, self.stopped, self.drawdown_warned = ZERO, False, ZERO
            self.seen, self.since = ZERO, None
        return [_forgotten(minute) for minute in gone]

    def paid(self, now: datetime) -> Decimal:
        """What the fund has paid out in the last 24 hours."""
        return self.spent - sum((old.amount for old in self._past("paid", now - DAY)), ZERO)

    def drawdown(
        self, breaker: DrawdownBreaker, now: datetime, unsettled: Decimal = ZERO
    ) -> Drawdown:
        """The drawdown, as it would be with an inventory's profit of `unsettled` settled."""
        begin, result = now - timedelta(hours=breaker.window_hours), self.gained + unsettled
        highest = self._highest("result", begin, max(result, self.gained))
        return Drawdown(highest - result, self._highest("balance", begin, self.seen))

    def is_stopped(
        self, breaker: DrawdownBreaker, now: datetime, unsettled: Decimal = ZERO
    ) -> bool:
        """Whether takeovers are stopped: from `stop` on until less than `resume` is lost."""
        part = breaker.resume if self.stopped else breaker.stop
        return self.drawdown(breaker, now, unsettled).reaches(part)

    def _pay(self, amount: Decimal, now: datetime, changed: list[Minute]) -> None:
        minutes, this = self._kept("paid", now - DAY, changed), begin_of(now, MINUTE)
        if not (minutes and minutes[-1].minute == this):
            minutes.append(self._new("paid", this, ZERO))
        self.spent += amount
        minutes[-1].amount += amount
        minutes[-1].changes += 1
        changed.append(minutes[-1])

    def _end(
        self,
        measure: Measure,
        value: Decimal,
        breaker: DrawdownBreaker,
        now: datetime,
        changed: list[Minute],
    ) -> None:
        """A value ends that stood until now: it may have been the highest of the window."""
        begin, this = now - timedelta(hours=breaker.window_hours), begin_of(now, MINUTE)
        minutes = self._kept(measure, begin, changed)
        if minutes and minutes[-1].minute == this:
            last = minutes.pop()
        else:
            last = self._new(measure, this, value)
        last.amount = max(last.amount, value)
        last.changes += 1
        while minutes and minutes[-1].amount <= last.amount:
            changed.append(_forgotten(minutes.pop()))
        minutes.append(last)
        changed.append(last)

    def _new(self, measure: Measure, minute: datetime, amount: Decimal) -> Minute:
        return Minute(
            fund_id=self.fund_id,
            asset=self.asset,
            measure=measure,
            minute=minute,
            amount=amount,
        )

    def _kept(self, measure: Measure, begin: datetime, changed: list[Minute]) -> list[Minute]:
        """The minutes that are not past, those that are being forgotten."""
        for old in list(self._past(measure, begin)):
            changed.append(_forgotten(self.minutes[measure].pop(0)))
            if measure == "paid":
                self.spent -= old.amount
        return self.minutes.setdefault(measure, [])

    def _past(self, measure: Measure, begin: datetime) -> Iterator[Minute]:
        """The minutes of which all was before `begin`."""
        return takewhile(lambda one: one.minute + MINUTE <= begin, self.minutes.get(measure, ()))

    def _highest(self, measure: Measure, begin: datetime, standing: Decimal) -> Decimal:
        """The highest since `begin`, what stands now included: the oldest, for each is higher than
        those after it."""
        found = (one.amount for one in self.minutes.get(measure, ()) if one.minute + MINUTE > begin)
        return max(next(found, standing), standing)


def _forgotten(minute: Minute) -> Minute:
    minute.changes = 0
    return minute

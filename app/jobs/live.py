"""The live backtest: what a fund lost on each day, against the quantile in force then (CAL-14)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from app.jobs.light import Light, light
from app.store.queries.backtests import COSTS, GAINS, HOLDING

DAY = timedelta(days=1)
DAY_HOURS = 24
MOST_DAYS = 3650
"""The newest days, which are all that is looked at."""


class AcceptedQuantile(NamedTuple):
    """What a calibration that was accepted at a time says of a day."""

    calibration_id: int
    accepted_at: datetime
    quantile: Decimal
    confidence: Decimal
    horizon_hours: int


class ExceededDay(NamedTuple):
    """A day on which a fund lost more than the quantile in force when it began."""

    day: datetime
    loss: Decimal
    quantile: Decimal
    calibration_id: int


class LiveBacktest(NamedTuple):
    """The days that were looked at, all at one confidence (None: no day, no calibration)."""

    confidence: Decimal | None
    days: Sequence[datetime]
    exceeded: Sequence[ExceededDay]

    @property
    def light(self) -> Light:
        """Whether these are too many."""
        if self.confidence is None:
            return "green"
        return light(len(self.days), len(self.exceeded), float(1 - self.confidence))


def loss_of(flows: Mapping[str, Decimal], deleveraged: Decimal) -> Decimal:
    """A day's loss, by what a fund's history has of each kind, net, and by what ADL covered: at
    least 0."""
    paid = -sum((flows.get(kind, Decimal(0)) for kind in COSTS), Decimal(0))
    held = -sum((flows.get(kind, Decimal(0)) for kind in HOLDING), Decimal(0))
    gained = sum((flows.get(kind, Decimal(0)) for kind in GAINS), Decimal(0))
    return max(Decimal(0), paid + max(Decimal(0), held) + deleveraged - gained)


def first_day(accepted: Sequence[AcceptedQuantile], now: datetime) -> datetime | None:
    """The first that is looked at: it begins after the first calibration was accepted."""
    if not accepted:
        return None
    return max(_next_day(accepted[0].accepted_at), _begin_of(now) - MOST_DAYS * DAY)


def live(
    accepted: Sequence[AcceptedQuantile], losses: Mapping[datetime, Decimal], now: datetime
) -> LiveBacktest:
    """All whole days before `now`; `accepted` are in order of time, a day without a loss has none.

    A day counts where the calibration in force when it began is of a day, and of the confidence
    that the newest has: others are exceeded more often, or less.
    """
    begin, days, exceeded = first_day(accepted, now), [], []
    if begin is None:
        return LiveBacktest(None, (), ())
    times, day = [one.accepted_at for one in accepted], begin
    while day + DAY <= now:
        last = accepted[bisect_right(times, day) - 1]
        if (last.horizon_hours, last.confidence) == (DAY_HOURS, accepted[-1].confidence):
            days.append(day)
            loss = losses.get(day, Decimal(0))
            if loss > last.quantile:
                exceeded.append(ExceededDay(day, loss, last.quantile, last.calibration_id))
        day += DAY
    return LiveBacktest(accepted[-1].confidence, days, exceeded)


def _begin_of(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_day(time: datetime) -> datetime:
    begin = _begin_of(time)
    return begin if begin == time else begin + DAY

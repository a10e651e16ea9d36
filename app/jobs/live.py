"""The live backtest: what a fund lost on each day, against the quantile in force then (CAL-14)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from app.engine.commands.calibrations import ReportBacktest
from app.jobs.light import Light, light
from app.store.queries import backtests as queries
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
    """The days that were looked at, all at one confidence, until the calibration accepted last
    (None: no day, no calibration)."""

    calibration_id: int | None
    confidence: Decimal | None
    days: Sequence[datetime]
    exceeded: Sequence[ExceededDay]

    @property
    def light(self) -> Light:
        """Whether these are too many."""
        if self.confidence is None:
            return "green"
        return light(len(self.days), len(self.exceeded), float(1 - self.confidence))

    @property
    def asks_for_review(self) -> bool:
        """Whether the light is red, and not for days alone that were before the last review."""
        under_last = any(one.calibration_id == self.calibration_id for one in self.exceeded)
        return under_last and self.light == "red"


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
        return LiveBacktest(None, None, (), ())
    times, day = [one.accepted_at for one in accepted], begin
    while day + DAY <= now:
        last = accepted[bisect_right(times, day) - 1]
        if (last.horizon_hours, last.confidence) == (DAY_HOURS, accepted[-1].confidence):
            days.append(day)
            loss = losses.get(day, Decimal(0))
            if loss > last.quantile:
                exceeded.append(ExceededDay(day, loss, last.quantile, last.calibration_id))
        day += DAY
    return LiveBacktest(accepted[-1].calibration_id, accepted[-1].confidence, days, exceeded)


async def read_live(
    reading: AsyncConnection, fund_id: str, asset: str, now: datetime
) -> LiveBacktest:
    """A fund's, from what is stored."""
    accepted = [
        AcceptedQuantile(
            row["calibration_id"],
            row["accepted_at"],
            Decimal(row["quantile"]),
            Decimal(row["confidence"]),
            int(row["horizon_hours"]),
        )
        for row in await queries.accepted_quantiles(reading, fund_id, asset)
    ]
    return live(accepted, await _losses(reading, fund_id, asset, first_day(accepted, now)), now)


async def red_backtests(reading: AsyncConnection, now: datetime) -> list[ReportBacktest]:
    """What the operators are to be told, of each fund and asset of which they were not yet."""
    found = []
    for fund_id, asset in await queries.not_red(reading):
        one = await read_live(reading, fund_id, asset, now)
        if one.asks_for_review:
            assert one.calibration_id is not None
            days, exceedances = len(one.days), len(one.exceeded)
            found.append(ReportBacktest(fund_id, asset, one.calibration_id, days, exceedances))
    return found


async def _losses(
    reading: AsyncConnection, fund_id: str, asset: str, start: datetime | None
) -> dict[datetime, Decimal]:
    """A fund's by day, of those on which there was anything."""
    if start is None:
        return {}
    flows = await queries.daily_flows(reading, fund_id, asset, start)
    covered = await queries.daily_deficits(reading, fund_id, asset, start)
    return {
        day: loss_of(flows.get(day, {}), covered.get(day, Decimal(0)))
        for day in flows.keys() | covered.keys()
    }


def _begin_of(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_day(time: datetime) -> datetime:
    begin = _begin_of(time)
    return begin if begin == time else begin + DAY

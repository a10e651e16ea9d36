"""Backtests, of calibrations and of funds day by day (CAL-14)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated

from fastapi import Query

from app.api.calibrations import CalibrationPath
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.history import AssetFilter
from app.api.problems import unknown
from app.api.routing import problems, router
from app.api.schemas.backtests import (
    CalibrationBacktestView,
    EventView,
    LiveBacktestView,
    LiveDayView,
    OwnDayView,
)
from app.api.schemas.base import Day
from app.api.schemas.jobs import number_of
from app.api.services import Reading, ServicesDep
from app.api.signals import Asked
from app.engine.rejections import Code
from app.jobs.live import read_live
from app.store.queries import Row
from app.store.queries import backtests as queries

backtests = router("calibrations")

WORST = 10
"""How many days are told where none are asked for."""
TWELFTH = Decimal("1e-12")


@backtests.get(
    "/calibrations/{calibration_id}/backtest",
    responses=problems(Fault.unknown_calibration),
    summary="A calibration's backtest",
)
async def get_backtest(
    reading: Reading,
    calibration_id: CalibrationPath,
    start: Annotated[Day | None, Query(alias="from", description="Inclusive.")] = None,
    end: Annotated[Day | None, Query(alias="to", description="Exclusive.")] = None,
) -> CalibrationBacktestView:
    """What past crashes, past days and the method itself say of a required minimum.

    Each scenario of the stress library against the minimum, and against the one in force; how often
    the method would have been exceeded, with tests and their power; and what days between `from`
    and `to` would have cost along their own closes, as far as prices were known when the
    calibration was made.
    """
    row = await queries.get_backtest(reading, number_of(calibration_id))
    if row is None:
        raise unknown("calibration_id")
    result, body = row["result"], row["body"] or {"days": [], "walk_forward": None}
    minimum = row["required_minimum"]
    in_force = None if row["in_force"] is None else Decimal(row["in_force"])
    return CalibrationBacktestView(
        calibration_id=calibration_id,
        fund_id=result["fund_id"],
        asset=result["asset"],
        required_minimum=minimum,
        in_force=in_force,
        events=[*_events(result["stressed"]["scenarios"], minimum, in_force)],
        walk_forward=body["walk_forward"],
        days=[*_days(body["days"], minimum, start, end)],
    )


@backtests.get(
    "/insurance-funds/{fund_id}/backtest",
    responses=problems(Code.unknown_fund, Fault.malformed_query),
    summary="A fund's live backtest",
)
async def get_live_backtest(
    services: ServicesDep, reading: Reading, fund_id: FundPath, asset: AssetFilter = None
) -> LiveBacktestView:
    """How often a fund has lost more in a day than its calibrations said, and the traffic light.

    A day's loss is what its bankrupt positions cost: bankruptcy losses and covered deficits, what
    ADL covered, and what was lost on positions taken over, less the gains of takeovers. `asset` may
    be left out where the fund's contracts settle in one.
    """
    asset = await Asked(fund_id, "24h", asset).asset_of(reading)
    found = await read_live(reading, fund_id, asset, services.runner.now())
    beyond = Decimal(0) if found.confidence is None else 1 - found.confidence
    return LiveBacktestView(
        fund_id=fund_id,
        asset=asset,
        confidence=found.confidence,
        days=len(found.days),
        first=found.days[0].date() if found.days else None,
        last=found.days[-1].date() if found.days else None,
        expected=len(found.days) * beyond,
        exceedances=len(found.exceeded),
        light=found.light,
        exceeded=[
            LiveDayView(
                date=one.day.date(),
                loss=one.loss,
                quantile=one.quantile,
                calibration_id=f"c-{one.calibration_id}",
            )
            for one in found.exceeded
        ],
    )


def _events(
    scenarios: Sequence[Row], minimum: Decimal, in_force: Decimal | None
) -> Iterator[EventView]:
    for one in scenarios:
        loss = Decimal(one["loss"])
        yield EventView(
            scenario=one["scenario"],
            symbol=one["symbol"],
            loss=loss,
            share_of_minimum=_share(loss, minimum),
            covered=loss <= minimum,
            share_of_in_force=None if in_force is None else _share(loss, in_force),
            covered_by_in_force=None if in_force is None else loss <= in_force,
        )


def _days(
    days: Sequence[tuple[str, str]], minimum: Decimal, start: datetime | None, end: datetime | None
) -> Iterator[OwnDayView]:
    """In order of time where they were asked for, else the dearest first."""
    if start is None and end is None:
        days = sorted(days, key=lambda one: Decimal(one[1]), reverse=True)[:WORST]
    for date, loss in days:
        begin = datetime.fromisoformat(f"{date}T00:00:00+00:00")
        if (start is None or begin >= start) and (end is None or begin < end):
            lost = Decimal(loss)
            yield OwnDayView(
                date=begin.date(),
                loss=lost,
                share_of_minimum=_share(lost, minimum),
                covered=lost <= minimum,
            )


def _share(loss: Decimal, whole: Decimal) -> Decimal | None:
    return (loss / whole).quantize(TWELFTH, ROUND_HALF_EVEN) if whole else None

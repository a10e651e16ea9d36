"""Flush, squeeze or calm: the signal of an insurance fund, and its history (SIG-1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import localcontext
from typing import Annotated

from fastapi import Depends, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Keyed
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.history import AssetFilter
from app.api.paging import Paged
from app.api.problems import malformed, unknown
from app.api.routing import problems, router
from app.api.schemas.base import Page
from app.api.schemas.signals import DISCLAIMER, SignalView, SignalWindow
from app.api.services import Reading, ServicesDep
from app.engine.figures.signal import HOUR, SignalReading, readings
from app.engine.numbers import EXACT, begin_of
from app.engine.rejections import Code
from app.store.queries import funds as fund_queries
from app.store.queries import signals as queries

signals = router("insurance funds")

WIDTHS: dict[SignalWindow, timedelta] = {
    "1h": HOUR,
    "8h": 8 * HOUR,
    "24h": 24 * HOUR,
    "7d": 7 * 24 * HOUR,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Of which fund, over which window, in which asset (None: in the one that it has)."""

    fund_id: str
    window: SignalWindow
    asset: str | None

    @property
    def width(self) -> timedelta:
        """The window's."""
        return WIDTHS[self.window]

    async def asset_of(self, reading: AsyncConnection) -> str:
        """The asset; raises 404 for an unknown fund, 400 where one of several must be named."""
        assets = await fund_queries.settlement_assets(reading, self.fund_id)
        if assets is None:
            raise unknown("fund_id")
        if self.asset is not None:
            return self.asset
        if len(assets) != 1:
            raise malformed(
                "the fund has no contracts that all settle in one asset: name the asset",
                Fault.malformed_query,
                field="asset",
            )
        return assets.pop()

    def view(self, asset: str, found: SignalReading, since: datetime) -> SignalView:
        """A reading as it is told."""
        return SignalView(
            time=found.time,
            since=since,
            window=self.window,
            asset=asset,
            signal=found.signal,
            drawdown=found.drawdown,
            lost=found.lost,
            peak=found.peak,
            long_share=found.long_share,
            long_value=found.longs,
            short_value=found.shorts,
            disclaimer=DISCLAIMER,
        )


async def _asked(
    fund_id: FundPath,
    window: Annotated[SignalWindow, Query(description="How far it looks back.")] = "24h",
    asset: AssetFilter = None,
) -> Asked:
    return Asked(fund_id, window, asset)


AskedFor = Annotated[Asked, Depends(_asked)]


@signals.get(
    "/insurance-funds/{fund_id}/signal",
    responses=problems(Code.unknown_fund, Fault.malformed_query),
    summary="A fund's signal",
)
async def get_signal(services: ServicesDep, reading: Reading, asked: AskedFor) -> SignalView:
    """Whether longs were flushed out, or shorts squeezed, at the fund's cost: what the window's
    whole hours say, with the one that is under way. `asset` may be left out where the fund's
    contracts settle in one."""
    asset = await asked.asset_of(reading)
    now = services.runner.now()
    this_hour = begin_of(now, HOUR)
    since = this_hour - asked.width
    fund_id, end = asked.fund_id, this_hour + HOUR
    opening = await queries.opening(reading, fund_id, asset, since)
    hours = await queries.hours(reading, fund_id, asset, since, end, balance=opening.balance)
    with localcontext(EXACT):
        (found,) = readings(hours, len(hours))
    return asked.view(asset, found._replace(time=now), since)


@signals.get(
    "/insurance-funds/{fund_id}/signals",
    responses=problems(Code.unknown_fund, Fault.malformed_query, Fault.query_too_wide),
    summary="A fund's signals, hour by hour",
)
async def list_signals(
    services: ServicesDep, keyed: Keyed, paging: Paged, asked: AskedFor
) -> Page[SignalView]:
    """What the signal was at the end of each hour, newest first, from the first in which the fund
    had money in the asset."""
    cursor = paging.decode(datetime)
    newest = begin_of(services.runner.now(), HOUR)
    if cursor is not None:
        newest = min(newest, begin_of(cursor[0], HOUR) - HOUR)
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as reading:
        asset = await asked.asset_of(reading)
        start = newest - paging.limit * HOUR - asked.width
        first, balance = await queries.opening(reading, asked.fund_id, asset, start)
        if first is None or newest <= first:
            return Page(items=[], next_cursor=None)
        start = max(start, first + HOUR - asked.width)  # it had nothing between the two
        hours = await queries.hours(reading, asked.fund_id, asset, start, newest, balance=balance)
    with localcontext(EXACT):
        found = reversed(list(readings(hours, asked.width // HOUR)))
    rows = [one._asdict() for one in found]
    return await paging.slowly(
        rows, lambda row: asked.view(asset, SignalReading(**row), row["time"] - asked.width), "time"
    )

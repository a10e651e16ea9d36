"""The daily reports of insurance funds (HIS-3)."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from app.api.access import Keyed
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.history import AssetFilter, From, To
from app.api.paging import Paged, whole
from app.api.problems import unknown
from app.api.routing import problems, router
from app.api.schemas.base import Page
from app.api.schemas.history import DailyReportView
from app.api.services import ServicesDep
from app.engine.rejections import Code
from app.store.growing import WIDTHS
from app.store.queries import history as rows_of_history
from app.store.queries import reports as queries

reports = router("insurance funds")

DAY = WIDTHS["1d"]


@reports.get(
    "/insurance-funds/{fund_id}/daily-reports",
    responses=problems(Fault.query_too_wide, Code.unknown_fund),
    response_model=Page[DailyReportView],
    summary="The daily reports of a fund",
)
async def list_daily_reports(
    *,
    services: ServicesDep,
    keyed: Keyed,
    paging: Paged,
    fund_id: FundPath,
    asset: AssetFilter = None,
    start: From = None,
    end: To = None,
) -> Response:
    """What a fund did on each day (UTC) in each of its assets (HIS-3), newest first.

    Every day from the asset's first has a report, also those on which nothing happened; that of the
    running day is not `complete`. `from` and `to` are widened to whole days.
    """
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as connection:
        rows = await queries.list_daily_reports(
            connection,
            fund_id,
            paging.fetch,
            asset=asset,
            start=whole(start, DAY),
            end=whole(end, DAY, up=True),
            after=cast("tuple[datetime, str] | None", paging.decode(datetime, str)),
        )
        if not rows and await _is_unknown(connection, fund_id):
            raise unknown("fund_id")
    return paging.texts(rows, "day", "asset")


async def _is_unknown(connection: AsyncConnection, fund_id: str) -> bool:
    head = await rows_of_history.history_head(connection, rows_of_history.FUNDS, fund_id)
    return head is None

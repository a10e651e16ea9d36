"""The daily reports of insurance funds (HIS-3)."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Literal, cast, get_args

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from app.api.access import Keyed
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.history import AssetFilter, exported, turns
from app.api.paging import Paged, whole
from app.api.problems import malformed, unknown
from app.api.routing import problems, router
from app.api.schemas.base import Day, Page
from app.api.schemas.history import DailyReportView
from app.api.services import ServicesDep
from app.engine.events import HistoryKind
from app.engine.rejections import Code
from app.store.growing import WIDTHS
from app.store.queries import history as rows_of_history
from app.store.queries import reports as queries

reports = router("insurance funds")

DAY = WIDTHS["1d"]
PLAIN = ("date", "asset", "complete", "opening", "closing", "net_flow")
SUMS = ("takeovers", "taken_over_value", "adl_events", "adl_value", "largest_loss")
KINDS = get_args(HistoryKind)
COLUMNS = ",".join(
    (
        *PLAIN,
        *(
            f"{side}_liquidation_{what}"
            for side in ("long", "short")
            for what in ("count", "value")
        ),
        *SUMS,
        *("head_sequence", "head_hash"),
        *(f"inflow_{kind}" for kind in KINDS),
        *(f"outflow_{kind}" for kind in KINDS),
    )
)
CSV = {"text/csv": {"schema": {"type": "string"}, "example": COLUMNS + "\n"}}


@reports.get(
    "/insurance-funds/{fund_id}/daily-reports",
    responses={**problems(Fault.query_too_wide, Code.unknown_fund), 200: {"content": CSV}},
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
    start: Annotated[Day | None, Query(alias="from", description="Inclusive.")] = None,
    end: Annotated[Day | None, Query(alias="to", description="Exclusive.")] = None,
    format: Annotated[  # noqa: A002 - the contract's name
        Literal["json", "csv"], Query(description="csv streams all days, newest first.")
    ] = "json",
) -> Response:
    """What a fund did on each day (UTC) in each of its assets (HIS-3), newest first.

    Every day from the asset's first has a report, also those on which nothing happened; that of the
    running day is not `complete`. `from` and `to` are dates (UTC), or times widened to whole days.
    """
    start, end = whole(start, DAY), whole(end, DAY, up=True)
    after = cast("tuple[datetime, str] | None", paging.decode(datetime, str))
    if format == "csv":
        if after is not None:
            what = "csv gives everything: no cursor"
            raise malformed(what, Fault.malformed_query, field="cursor")
        connect = turns(services, keyed=keyed)
        async with connect() as connection:
            if await _is_unknown(connection, fund_id):
                raise unknown("fund_id")
        parts = queries.export_daily_reports(connect, fund_id, asset=asset, start=start, end=end)
        lines = ("".join(map(_line, part)) async for part in parts)
        return await exported(f"{COLUMNS}\n", lines, f"{fund_id}-daily-reports.csv")
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as connection:
        rows = await queries.list_daily_reports(
            connection, fund_id, paging.fetch, asset=asset, start=start, end=end, after=after
        )
        if not rows and await _is_unknown(connection, fund_id):
            raise unknown("fund_id")
    return paging.texts(rows, "day", "asset")


def _line(item: str) -> str:
    """A report as a line of CSV: nothing in it needs quoting."""
    report = json.loads(item)
    sides = report["liquidations"]["long"], report["liquidations"]["short"]
    report["complete"] = "true" if report["complete"] else "false"
    values = [report[name] for name in PLAIN]
    values += [side[name] for side in sides for name in ("count", "value")]
    values += [report[name] for name in SUMS]
    values += [report["head"]["sequence"], report["head"]["hash"]]
    for flows in (report["inflow_by_kind"], report["outflow_by_kind"]):
        values += [flows.get(kind, "0") for kind in KINDS]
    return ",".join(map(str, values)) + "\n"


async def _is_unknown(connection: AsyncConnection, fund_id: str) -> bool:
    head = await rows_of_history.history_head(connection, rows_of_history.FUNDS, fund_id)
    return head is None

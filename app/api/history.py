"""The insurance fund history: raw, by interval, as CSV (HIS-1, HIS-2)."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import StreamingResponse

from app.api.liquidations import FundFilter
from app.api.orders import SymbolFilter
from app.api.paging import Paged, Paging
from app.api.problems import malformed
from app.api.routing import PUBLIC, router
from app.api.schemas.base import ASSET_PATTERN, Page, Time
from app.api.schemas.funds import HistoryView, IntervalView
from app.api.services import ServicesDep
from app.engine.events import HistoryKind
from app.engine.numbers import plain, time_text
from app.store.queries import history as queries

history = router("insurance funds")

WIDTHS = {"1m": timedelta(minutes=1), "1h": timedelta(hours=1), "1d": timedelta(days=1)}
COLUMNS = tuple(HistoryView.model_fields)
Row = Mapping[Any, Any]

CSV = {
    "text/csv": {
        "schema": {"type": "string"},
        "example": ",".join(COLUMNS) + "\n",
    }
}


@history.get(
    "/insurance-fund-history",
    responses={**PUBLIC, 200: {"content": CSV}},
    response_model=Page[HistoryView] | Page[IntervalView],
    summary="The insurance fund history",
)
async def list_history(
    services: ServicesDep,
    paging: Paged,
    fund: FundFilter = None,
    asset: Annotated[str | None, Query(pattern=ASSET_PATTERN)] = None,
    kind: Annotated[HistoryKind | None, Query()] = None,
    symbol: SymbolFilter = None,
    start: Annotated[Time | None, Query(alias="from", description="Inclusive.")] = None,
    end: Annotated[Time | None, Query(alias="to", description="Exclusive.")] = None,
    interval: Annotated[Literal["raw", "1m", "1h", "1d"], Query()] = "raw",
    format: Annotated[  # noqa: A002 - the contract's name
        Literal["json", "csv"], Query(description="csv streams all raw rows, oldest first.")
    ] = "json",
) -> Any:
    """Every change of every fund's wallets, newest first, hash-chained per fund.

    With `interval` (which needs `fund` and `asset`, and takes no other filter than time) the fund's
    total in the asset as open, high, low, close and in- and outflow; intervals without a change are
    left out, and `from` and `to` are widened to whole intervals.
    """
    wanted = queries.Filter(fund, asset, kind, symbol, start, end)
    if interval != "raw":
        if fund is None or asset is None or kind or symbol or format == "csv":
            raise malformed(
                "interval needs fund and asset, and goes with neither kind, symbol nor csv",
                "malformed_query", field="interval",
            )  # fmt: skip
        return await _intervals(services, paging, wanted, WIDTHS[interval])
    if format == "csv":
        if paging.cursor is not None:
            raise malformed("csv gives everything: no cursor", "malformed_query", field="cursor")
        return StreamingResponse(
            _csv(queries.export_history(services.database, wanted)),
            media_type="text/csv",
            headers={"Content-Disposition": 'attachment; filename="insurance-fund-history.csv"'},
        )
    before = paging.decode(datetime, str, int)
    async with services.database.connect() as connection:
        rows = await queries.list_history(connection, wanted, paging.fetch, before)
    return paging.page(rows, _entry, "time", "fund_id", "sequence")


async def _intervals(
    services: ServicesDep, paging: Paging, wanted: queries.Filter, width: timedelta
) -> Page[IntervalView]:
    assert wanted.fund is not None
    assert wanted.asset is not None
    cursor = paging.decode(datetime)
    end = cursor[0] if cursor else _floor(wanted.end, width, up=True)
    async with services.database.connect() as connection:
        rows = await queries.list_intervals(
            connection, wanted.fund, wanted.asset, width, paging.fetch,
            start=_floor(wanted.start, width), end=end,
        )  # fmt: skip
    return paging.page(rows, _interval, "time")


def _floor(time: datetime | None, width: timedelta, *, up: bool = False) -> datetime | None:
    """The beginning (or end) of the interval a time lies in; None for none."""
    if time is None:
        return None
    time = min(max(time, queries.BEFORE_ALL), queries.AFTER_ALL)
    past = (time - queries.BEFORE_ALL) % width
    return time - past + (width if up and past else timedelta())


def _entry(row: Row) -> HistoryView:
    return HistoryView(**{("fund" if name == "fund_id" else name): row[name] for name in row})


def _interval(row: Row) -> IntervalView:
    by_kind = {kind: Decimal(amount) for kind, amount in row["by_kind"].items()}
    return IntervalView(**{**row, "by_kind": by_kind})


async def _csv(chunks: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    """The rows as CSV, in the very words that were hashed (HIS-4)."""
    yield (",".join(COLUMNS) + "\n").encode()
    async for rows in chunks:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerows([_cells(row) for row in rows])
        yield buffer.getvalue().encode()


def _cells(row: Row) -> list[str]:
    return [_cell(row["fund_id" if name == "fund" else name]) for name in COLUMNS]


def _cell(value: Any) -> str:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return time_text(value)
    return "" if value is None else str(value)

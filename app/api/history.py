"""The insurance fund history: raw, by interval, as CSV (HIS-1, HIS-2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import Query
from sqlalchemy.exc import DBAPIError
from starlette.responses import Response, StreamingResponse
from starlette.types import Message, Send

from app.api.access import Keyed
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.liquidations import FundFilter
from app.api.orders import SymbolFilter
from app.api.paging import Paged, Paging, whole
from app.api.problems import malformed, unknown
from app.api.routing import problems, router
from app.api.schemas.base import ASSET_PATTERN, Page, Time
from app.api.schemas.funds import FundWalletView
from app.api.schemas.history import HistoryHeadView, HistoryView, IntervalView
from app.api.services import Reading, Services, ServicesDep
from app.engine.events import HistoryKind
from app.engine.rejections import Code
from app.store.growing import WIDTHS, KeptInterval
from app.store.queries import funds as fund_queries
from app.store.queries import history as queries
from app.store.queries import reports
from app.store.reads import STREAM_TURN_SECONDS, NoSlot

logger = logging.getLogger(__name__)

history = router("insurance funds")

STALLED_SECONDS = 60.0
"""How long the reader of an export may take nothing of what was sent."""
COLUMNS = ",".join(queries.FIELDS) + "\n"

CSV = {
    "text/csv": {
        "schema": {"type": "string"},
        "example": COLUMNS,
    }
}

AssetFilter = Annotated[str | None, Query(pattern=ASSET_PATTERN)]
From = Annotated[Time | None, Query(alias="from", description="Inclusive.")]
To = Annotated[Time | None, Query(alias="to", description="Exclusive.")]
Format = Annotated[
    Literal["json", "csv"], Query(description="csv streams all raw rows, oldest first.")
]


@history.get(
    "/insurance-fund-history",
    responses={**problems(Fault.query_too_wide), 200: {"content": CSV}},
    response_model=Page[HistoryView] | Page[IntervalView],
    summary="The insurance fund history",
)
async def list_history(
    *,
    services: ServicesDep,
    keyed: Keyed,
    paging: Paged,
    fund: FundFilter = None,
    asset: AssetFilter = None,
    kind: Annotated[HistoryKind | None, Query()] = None,
    symbol: SymbolFilter = None,
    start: From = None,
    end: To = None,
    interval: Annotated[Literal["raw", KeptInterval], Query()] = "raw",
    format: Format = "json",  # noqa: A002 - the contract's name
) -> Any:
    """Every change of every fund's wallets, newest first, hash-chained per fund.

    With `interval` (which needs `fund` and `asset`, and takes no other filter than time) the fund's
    total in the asset as open, high, low, close and in- and outflow; intervals without a change are
    left out, and `from` and `to` are widened to whole intervals.
    """
    wanted = queries.Filter(fund=fund, asset=asset, kind=kind, symbol=symbol, start=start, end=end)
    if interval != "raw":
        if fund is None or asset is None or kind or symbol or format == "csv":
            raise malformed(
                "interval needs fund and asset, and goes with neither kind, symbol nor csv",
                Fault.malformed_query,
                field="interval",
            )
        return await _intervals(services, paging, wanted, interval, keyed=keyed)
    return await rows_of(queries.FUNDS, wanted, services, paging, csv=format == "csv", keyed=keyed)


async def rows_of(
    book: queries.Book,
    wanted: queries.Filter,
    services: Services,
    paging: Paging,
    *,
    csv: bool,
    keyed: bool,
) -> Response:
    """A page of raw rows, newest first, or all that are wanted as CSV, oldest first."""
    if csv:
        if paging.cursor is not None:
            raise malformed(
                "csv gives everything: no cursor", Fault.malformed_query, field="cursor"
            )
        parts = queries.export_history(turns(services, keyed=keyed), book, wanted)
        return await exported(COLUMNS, parts, book.file)
    before = paging.decode(datetime, str, int)
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as connection:
        rows = await queries.list_history(connection, book, wanted, paging.fetch, before)
    return paging.texts(rows, "time", "fund_id", "sequence")


@history.get(
    "/insurance-funds/{fund_id}/history-head",
    responses=problems(Code.unknown_fund),
    summary="The head of a fund's history",
)
async def get_history_head(reading: Reading, fund_id: FundPath) -> HistoryHeadView:
    """The last row of the fund's hash chain, and what its wallets hold after it (HIS-4).

    Noted as `sequence:hash` it pins the chain: `backstop verify-history FILE.csv --head` tells
    whether a later export still has it.
    """
    head = await queries.history_head(reading, queries.FUNDS, fund_id)
    if head is None:
        raise unknown("fund_id")
    held = await fund_queries.fund_wallets(reading, fund_id)
    return HistoryHeadView(**head, balances=[FundWalletView(**wallet) for wallet in held])


async def _intervals(
    services: Services,
    paging: Paging,
    wanted: queries.Filter,
    interval: KeptInterval,
    *,
    keyed: bool,
) -> Response:
    assert wanted.fund is not None
    assert wanted.asset is not None
    before, width = paging.decode(datetime), WIDTHS[interval]
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as connection:
        rows = await reports.list_intervals(
            connection,
            wanted.fund,
            wanted.asset,
            interval,
            paging.fetch,
            start=whole(wanted.start, width),
            end=before[0] if before else whole(wanted.end, width, up=True),
        )
    return paging.texts(rows, "time")


class _Export(StreamingResponse):
    """A stream that is cut, for its reader to see, when it cannot go on or is not taken."""

    async def stream_response(self, send: Send) -> None:
        """Send what comes; without its end the server closes the connection."""

        async def patient(message: Message) -> None:
            async with asyncio.timeout(STALLED_SECONDS):
                await send(message)

        try:
            await super().stream_response(patient)
        except (OSError, NoSlot, DBAPIError) as error:
            logger.warning("an export was cut: %r", error)


def turns(services: Services, *, keyed: bool) -> queries.Connect:
    """A connection for each part of an export, when its turn comes."""
    return partial(services.database.heavy, keyed=keyed, patience=STREAM_TURN_SECONDS)


async def exported(names: str, parts: AsyncIterator[str], file: str) -> StreamingResponse:
    """CSV under a line of names; the first part is there before the answer begins, so that it can
    fail."""
    first = await anext(parts)

    async def lines() -> AsyncIterator[bytes]:
        yield (names + first).encode()
        async for part in parts:
            yield part.encode()

    return _Export(
        lines(),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{file}"'},
    )

"""Past prices: files of them, what there is, and what is missing (CAL-7)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any

import asyncpg
from fastapi import Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.access import Admin, Keyed
from app.api.faults import Fault
from app.api.history import From, To
from app.api.limits import IMPORT_LINES
from app.api.paging import Paged
from app.api.price_lines import LISTED, PriceFile
from app.api.problems import Problem, busy, malformed
from app.api.routing import keyed as by_key
from app.api.routing import problems, router
from app.api.schemas.base import SOURCE_PATTERN, SYMBOL_PATTERN, Page
from app.api.schemas.price_history import (
    CloseView,
    CoverageView,
    PriceImportView,
    PriceWarningView,
    RefusedLineView,
)
from app.api.services import ServicesDep
from app.store.price_imports import Incoming, PriceImport, importing
from app.store.queries import price_history as queries
from app.store.tables.price_history import PriceInterval

price_history = router("past prices")

EXAMPLE = """\
symbol,time,close,volume
BTCUSDT,2025-01-30,82345.5,1203456789.25
BTCUSDT,2025-02-01T00:00:00Z,81990,
"""
CSV_BODY = {
    "requestBody": {
        "required": True,
        "content": {"text/csv": {"schema": {"type": "string"}, "example": EXAMPLE}},
    }
}

BarInterval = Annotated[PriceInterval, Query(examples=["1d"], description="How long a bar is.")]


@price_history.post(
    "/price-history/imports",
    status_code=201,
    responses=by_key(Fault.malformed_body, Fault.nothing_to_import),
    openapi_extra=CSV_BODY,
    summary="Import past prices",
)
async def import_prices(
    *,
    identity: Admin,
    request: Request,
    services: ServicesDep,
    interval: BarInterval,
    source: Annotated[
        str, Query(pattern=SOURCE_PATTERN, description="Where they are from.", examples=["desk"])
    ],
) -> PriceImportView:
    """Closes of listed contracts as CSV, at most 64 MiB: `symbol,time,close` or
    `symbol,time,close,volume` in the first line, nothing quoted.

    `time` is the end of a bar, RFC 3339 or a date, which is 24:00 UTC of it; `volume` is in the
    quote asset, and may be empty. Lines that say nothing are refused and named, all others are
    imported together or not at all. Of a time that was imported before, the newest import counts;
    none is changed. What looks like a bad print, or like a clock in another time zone, is imported
    with a warning. Any instance takes it: nothing of the exchange hangs on it.
    """
    if services.importing.locked():
        raise busy("another import is under way")
    now = services.runner.now()
    try:
        async with (
            services.importing,
            services.writing() as connection,
            importing(connection, interval) as incoming,
        ):
            file = PriceFile(interval, await incoming.contracts(), now)
            await incoming.copy(_rows(request, file))
            return await _kept(incoming, file, source, identity.key_id, now)
    except ClientDisconnect:
        raise malformed("the body ended before its end") from None
    except asyncpg.ReadOnlySQLTransactionError:
        raise Problem(Fault.not_leader, "this instance's database takes no writes") from None


async def _rows(request: Request, file: PriceFile) -> AsyncIterator[bytes]:
    """The body's lines for PostgreSQL, few at a time: others have their turns in between."""
    async for data in request.stream():
        lines = file.take(data)
        for begin in range(0, len(lines), IMPORT_LINES):
            yield file.rows(lines[begin : begin + IMPORT_LINES])
    yield file.rows(file.end())
    file.check()


async def _kept(
    incoming: Incoming, file: PriceFile, source: str, by: str, now: datetime
) -> PriceImportView:
    count, twice = await incoming.drop_twice(LISTED)
    for line in twice:
        file.refuse(line, "duplicate_time")
    file.refused_count += count - len(twice)
    sha256 = file.hash.hexdigest()
    made = await incoming.keep(source, sha256, by, now)
    if made is None:
        raise _nothing(file)
    return PriceImportView(
        **made._asdict(),
        sha256=sha256,
        refused=[RefusedLineView(**one._asdict()) for one in sorted(file.refused)],
        refused_count=file.refused_count,
        warnings=await _warnings(incoming, made),
    )


def _nothing(file: PriceFile) -> Problem:
    context = {"refused_count": str(file.refused_count)}
    if file.refused:
        first = min(file.refused)
        context |= {"line": str(first.line), "line_code": first.code}
    return Problem(Fault.nothing_to_import, "no line of it can be imported", context)


async def _warnings(incoming: Incoming, made: PriceImport) -> list[PriceWarningView]:
    prints = [
        PriceWarningView(
            code="reverting_price",
            symbol=one.symbol,
            time=one.time,
            detail=f"it changes by {one.change:+.1%} and back within a bar",
        )
        for one in await incoming.reverted()
    ]
    clocks = [
        PriceWarningView(
            code="shifted_time",
            symbol=one.symbol,
            time=None,
            detail=f"its returns go with those of {one.other} {one.hours:+d} h from them:"
            f" correlation {one.correlation:.2f}, and {one.at_once:.2f} at the same time",
        )
        for one in await incoming.shifted(made)
    ]
    return prints + clocks


@price_history.get(
    "/price-history",
    responses=problems(Fault.query_too_wide),
    response_model=Page[CloseView],
    summary="List past prices",
)
async def list_closes(
    *,
    services: ServicesDep,
    keyed: Keyed,
    paging: Paged,
    symbol: Annotated[str, Query(pattern=SYMBOL_PATTERN, examples=["BTCUSDT"])],
    interval: BarInterval,
    start: From = None,
    end: To = None,
) -> Response:
    """A contract's closes as a calibration reads them, newest first, and where each is from.

    An own mark beside an imported close is left out, so that no return is made of two sources.
    """
    before = paging.decode(datetime)
    async with services.reading(
        heavy=paging.large, narrow="from, to or limit", keyed=keyed
    ) as connection:
        rows = await queries.list_closes(
            connection,
            symbol,
            interval,
            paging.fetch,
            now=services.runner.now(),
            start=start,
            end=before[0] if before else end,
        )
    return paging.texts(rows, "time")


@price_history.get(
    "/price-history/coverage",
    responses=problems(Fault.query_too_wide),
    summary="What there is of past prices",
)
async def list_coverage(
    *, services: ServicesDep, keyed: Keyed, paging: Paged, interval: BarInterval
) -> Page[CoverageView]:
    """By contract: how much of its past is known, where it has gaps, and whose returns it takes."""
    after = paging.after_name()
    now = services.runner.now()
    async with services.reading(heavy=True, narrow="limit", keyed=keyed) as connection:
        rows = await queries.list_coverage(connection, interval, paging.fetch, now, after)
    return paging.page(rows, _coverage, "symbol")


def _coverage(row: Any) -> CoverageView:
    return CoverageView(**row)

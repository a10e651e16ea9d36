"""Candles of mark, index and trades (MRK-5)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from app.api.access import Keyed
from app.api.faults import Fault
from app.api.paging import Paged, whole
from app.api.routing import problems, router
from app.api.schemas.base import SYMBOL_PATTERN, Page, Time
from app.api.schemas.candles import CandleView
from app.api.services import ServicesDep
from app.store.candles import CandleSource
from app.store.queries import candles as queries
from app.store.queries.candles import Interval

candles = router("prices")


@candles.get(
    "/candles",
    responses=problems(Fault.query_too_wide),
    response_model=Page[CandleView],
    summary="List candles",
)
async def list_candles(
    *,
    services: ServicesDep,
    keyed: Keyed,
    paging: Paged,
    symbol: Annotated[str, Query(pattern=SYMBOL_PATTERN, examples=["BTCUSDT"])],
    source: Annotated[CandleSource, Query(description="Of what.")] = "mark",
    interval: Annotated[Interval, Query(description="How long each is.")] = "1m",
    start: Annotated[Time | None, Query(alias="from", description="Inclusive.")] = None,
    end: Annotated[Time | None, Query(alias="to", description="Exclusive.")] = None,
) -> Response:
    """A contract's candles, newest first; the newest one may still grow.

    They begin at whole intervals of engine time, counted from midnight UTC, to which `from` and
    `to` are widened. An interval in which nothing came has no candle: nothing is carried on, and
    `time` says what is missing. `trades` are all fills in the book, those of liquidation orders
    among them; a takeover or an auto-deleveraging is none.
    """
    width, *_ = queries.MADE_OF[interval]
    before = paging.decode(datetime)
    narrow = "limit or a shorter interval"
    async with services.reading(heavy=paging.large, narrow=narrow, keyed=keyed) as connection:
        rows = await queries.list_candles(
            connection,
            symbol,
            source,
            interval,
            paging.fetch,
            start=whole(start, width),
            end=before[0] if before else whole(end, width, up=True),
        )
    return paging.texts(rows, "time")

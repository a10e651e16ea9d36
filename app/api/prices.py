"""Mark and index prices: sent, and the newest of each contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Annotated

from fastapi import Query

from app.api.access import Identity
from app.api.changing import Changes
from app.api.contracts import SymbolPath
from app.api.lean import Document, Lean
from app.api.paging import Paged
from app.api.problems import Problem, unknown
from app.api.routing import IN_PATH, problems, router
from app.api.schemas.base import SYMBOL_PATTERN, Page
from app.api.schemas.contracts import (
    IndexPricesBody,
    IndexView,
    PriceView,
    SourceView,
    TickBody,
    TicksBody,
    TicksView,
    TickView,
)
from app.api.services import Reading, ServicesDep
from app.engine.cascades import rates
from app.engine.commands.prices import IndexTick, Tick
from app.engine.contracts import FundingTerms
from app.engine.figures import sources
from app.engine.markets import Funding
from app.engine.numbers import EXACT, plain, round_value, time_text
from app.engine.rejections import Code, Rejection
from app.engine.results import Ticked
from app.store.loader import load_market
from app.store.queries import Row
from app.store.queries import contracts as queries
from app.store.reads import raw

prices = router("prices")
MICROSECOND = timedelta(microseconds=1)


@prices.get("/prices", responses=problems(), summary="List mark prices")
async def list_prices(reading: Reading, paging: Paged) -> Page[PriceView]:
    """The newest mark price of every contract that has one, by symbol."""
    rows = await queries.list_marks(reading, paging.fetch, paging.after_name())
    return paging.page(rows, _price_view, "symbol")


@prices.get(
    "/prices/{symbol}",
    responses=problems(
        Code.unknown_contract, Code.no_mark, statuses={**IN_PATH, Code.no_mark: 404}
    ),
    summary="One mark price",
)
async def get_price(reading: Reading, symbol: SymbolPath) -> PriceView:
    """The newest mark price of a contract; 404 `no_mark` before its first."""
    row = await queries.get_mark(reading, symbol)
    if row is None:
        if await queries.contract_exists(reading, symbol):
            raise Problem(Code.no_mark, f"{symbol} has no mark price yet", status=404)
        raise unknown("symbol")
    return _price_view(row)


def _price_view(row: Row) -> PriceView:
    next_at = row["next_at"]
    return PriceView.of(
        row,
        mark_price=row["price"],
        funding_rate=None if next_at is None else _funding_rate(row),
        next_funding_time=next_at,
    )


def _funding_rate(row: Row) -> Decimal:
    terms = FundingTerms(**{name: row[name] for name in queries.FUNDING_TERMS})
    funding = Funding(row["symbol"], **{name: row[name] for name in queries.FUNDING})
    with localcontext(EXACT):
        return rates.as_it_stands(terms, funding)


@prices.get(
    "/index-prices",
    responses=problems(Code.unknown_contract, statuses=IN_PATH),
    summary="A contract's index and its sources",
)
async def get_index(
    services: ServicesDep,
    reading: Reading,
    symbol: Annotated[str, Query(pattern=SYMBOL_PATTERN, examples=["BTCUSDT"])],
) -> IndexView:
    """How much each source counts now, how old its price is and how far from the median (MRK-3)."""
    market = await load_market(await raw(reading), symbol)
    if market is None:
        raise unknown("symbol")
    now = services.runner.now()
    with localcontext(EXACT):
        found = sources.weigh(market.contract, market.sources, now)
        index_price = sources.index_of(found)
    shown = [_source_view(one) for one in found]
    return IndexView(symbol=symbol, time=now, index_price=index_price, sources=shown)


def _source_view(one: sources.Weighed) -> SourceView:
    price, age = one.price, one.age
    return SourceView(
        source=one.source,
        weight=one.weight,
        price=price and price.price,
        age_seconds=None if age is None else Decimal(age // MICROSECOND).scaleb(-6),
        deviation=one.deviation and round_value(one.deviation),
        source_time=price and price.source_time,
    )


async def post_price(_: Identity, changes: Changes, tick: TickBody) -> Document:
    """Apply a mark price; answered when the liquidations it causes are durable (MRK)."""
    result, _replayed = await changes.apply(_tick(tick))
    return {
        "symbol": result.symbol,
        "mark_price": plain(result.mark_price),
        "time": time_text(result.time),
        "accounts_at_risk": result.accounts_at_risk,
    }


async def post_prices(_: Identity, changes: Changes, body: TicksBody) -> Document:
    """Apply up to 10,000 ticks in order, each as if alone (MRK-2)."""
    return _taken(await changes.apply_all([_tick(tick) for tick in body.ticks]))


async def post_index_prices(_: Identity, changes: Changes, body: IndexPricesBody) -> Document:
    """Apply up to 10,000 prices of index sources in order, each as if alone (MRK-3)."""
    commands = [
        IndexTick(one.symbol, one.source, one.price, one.source_time) for one in body.prices
    ]
    return _taken(await changes.apply_all(commands))


def _taken(results: Sequence[object]) -> Document:
    """What a batch of prices did."""
    refusals = [
        {"index": index, "code": result.code}
        for index, result in enumerate(results)
        if isinstance(result, Rejection)
    ]
    at_risk = sum(result.accounts_at_risk for result in results if isinstance(result, Ticked))
    return {
        "accepted": len(results) - len(refusals),
        "refused": refusals,
        "accounts_at_risk": at_risk,
    }


def _tick(body: TickBody) -> Tick:
    return Tick(
        body.symbol,
        body.mark_price,
        body.index_price,
        body.source_time,
        body.sequence,
        sequence_reset=body.sequence_reset,
        funding_rate=body.funding_rate,
    )


PRICING = (
    Lean(
        "/v1/prices",
        "feed",
        post_price,
        Tick,
        request=TickBody,
        response=TickView,
        status=200,
        tag="prices",
        summary="Send a mark price",
    ),
    Lean(
        "/v1/prices/batch",
        "feed",
        post_prices,
        None,
        request=TicksBody,
        response=TicksView,
        status=200,
        tag="prices",
        summary="Send mark prices",
    ),
    Lean(
        "/v1/index-prices",
        "feed",
        post_index_prices,
        None,
        request=IndexPricesBody,
        response=TicksView,
        status=200,
        tag="prices",
        summary="Send index prices",
    ),
)

"""Auto-deleveraging: its events, who was told, and the queues as they stand (ADL)."""

from __future__ import annotations

from decimal import localcontext
from typing import Annotated

from fastapi import Query
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from app.api.access import OPTIONAL_KEY, MaybeKey, OwnAccount, visible_account
from app.api.contracts import SymbolPath, SymbolQuery, known_symbol
from app.api.faults import Fault
from app.api.liquidations import FundFilter, IdPath, if_visible, with_fund
from app.api.orders import AccountFilter, SymbolFilter
from app.api.paging import Paged
from app.api.policies import Compared
from app.api.problems import malformed, unknown
from app.api.ranking import Direction, Place
from app.api.risk import risk_view
from app.api.routing import IN_PATH, keyed, problems, router
from app.api.schemas.adl import (
    AdlCounterfactualView,
    AdlEventDetailView,
    AdlEventView,
    AdlNoticeView,
    AdlRiskView,
    ChosenView,
    CounterpartyView,
    PolicyOutcomeView,
    QueuePlaceView,
    QueueView,
)
from app.api.schemas.base import Page
from app.api.services import Reading, ServicesDep
from app.api.strict import Flag
from app.engine.engine import Engine
from app.engine.events import QueueEntry
from app.engine.numbers import EXACT
from app.engine.rejections import Code
from app.store.loader import load_funds, load_market
from app.store.queries import Row, Rows
from app.store.queries import accounts as account_queries
from app.store.queries import adl as queries
from app.store.reads import raw

adl = router("liquidations")


@adl.get(
    "/adl-events",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
    openapi_extra=OPTIONAL_KEY,
    response_model=Page[AdlEventView],
    summary="List ADL events",
)
async def list_adl_events(
    identity: MaybeKey,
    services: ServicesDep,
    paging: Paged,
    account_id: AccountFilter = None,
    symbol: SymbolFilter = None,
    fund: FundFilter = None,
) -> Response:
    """Auto-deleveragings, newest first; with `account_id` and a key those that deleveraged it."""
    account = visible_account(identity, account_id)
    keyed = identity is not None
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as reading:
        rows = await queries.list_adl_events(
            reading,
            paging.fetch,
            AdlEventView.names(),
            account_id=account,
            symbol=symbol,
            fund=fund,
            before=paging.before_id(),
        )
    return paging.texts(rows, "adl_event_id")


@adl.get(
    "/adl-events/{adl_event_id}",
    responses=problems(Fault.unauthorized, Fault.unknown_adl_event),
    openapi_extra=OPTIONAL_KEY,
    response_model_exclude_unset=True,
    summary="One ADL event",
)
async def get_adl_event(
    identity: MaybeKey, reading: Reading, adl_event_id: IdPath
) -> AdlEventDetailView:
    """An event with the head of the ranked queue as it was and the counterparties' parts."""
    row, parts = await _event_of(reading, int(adl_event_id))
    queue = enumerate([QueueEntry(*place) for place in row["queue"]], start=1)
    return AdlEventDetailView.of(
        with_fund(row),
        queue=[
            QueuePlaceView.of(if_visible(place._asdict(), identity), rank=rank)
            for rank, place in queue
        ],
        counterparties=[CounterpartyView.of(if_visible(part, identity)) for part in parts],
    )


async def _event_of(reading: AsyncConnection, adl_event_id: int) -> tuple[Row, Rows]:
    """An event and its counterparties' parts; raises 404."""
    row = await queries.get_adl_event(reading, adl_event_id)
    if row is None:
        raise unknown("adl_event_id")
    return row, await queries.list_counterparties(reading, adl_event_id)


@adl.get(
    "/adl-events/{adl_event_id}/counterfactual",
    responses=problems(Fault.unauthorized, Fault.unknown_adl_event),
    openapi_extra=OPTIONAL_KEY,
    response_model_exclude_unset=True,
    summary="What each ADL policy would have done",
)
async def get_counterfactual(
    identity: MaybeKey, reading: Reading, adl_event_id: IdPath
) -> AdlCounterfactualView:
    """Whom each of the three policies would have closed against the same bankrupt position, for how
    much, and what that gives up beyond the deficit (ADL-1, ADL-4)."""
    row, parts = await _event_of(reading, int(adl_event_id))
    bankrupt = await queries.bankrupt_account(reading, row["liquidation_id"])
    market = await load_market(await raw(reading), row["symbol"])
    assert market is not None, row["symbol"]
    compared = Compared(row, parts, market, bankrupt=bankrupt, most=Engine.bounds.shares)
    with localcontext(EXACT):
        policies = [
            PolicyOutcomeView.of(
                found,
                counterparties=[
                    ChosenView.of(if_visible(part, identity)) for part in found["counterparties"]
                ],
            )
            for found in compared.policies()
        ]
    return AdlCounterfactualView.of(
        row, places_kept=len(compared.places), complete=compared.complete, policies=policies
    )


@adl.get(
    "/accounts/{account_id}/adl-notices",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
    response_model=Page[AdlNoticeView],
    summary="An account's ADL notices",
)
async def list_notices(
    account_id: OwnAccount, services: ServicesDep, paging: Paged, symbol: SymbolQuery = None
) -> Response:
    """What of the account's positions was deleveraged, newest first: how much, at what price and
    why (ADL-3). One that bore a part at the bankruptcy price and another at mark has two."""
    heavy, before = paging.large or symbol is not None, paging.decode(int, int)
    async with services.reading(heavy=heavy, narrow="fewer filters", keyed=True) as reading:
        if await account_queries.get_account(reading, account_id) is None:
            raise unknown("account_id")
        rows = await queries.list_notices(
            reading, account_id, paging.fetch, AdlNoticeView.names(), symbol=symbol, before=before
        )
    return paging.texts(rows, "adl_event_id", "number")


@adl.get(
    "/contracts/{symbol}/adl-queue",
    responses=problems(Fault.unauthorized, Code.unknown_contract, statuses=IN_PATH),
    openapi_extra=OPTIONAL_KEY,
    summary="A contract's ADL queue",
)
async def get_adl_queue(
    *,
    services: ServicesDep,
    paging: Paged,
    identity: MaybeKey,
    symbol: SymbolPath,
    side: Annotated[Direction | None, Query(description="Of the ranked positions.")] = None,
    own: Annotated[Flag, Query(description="Only the places of the key's own account.")] = False,
) -> Page[QueueView]:
    """The ranked positions, longs first, without accounts; a trader's key marks its own.

    At most a second old, or ten times as old as ranking takes. The cursor is a place, not a
    snapshot.
    """
    account_id = identity.account_id if identity else None
    if own and account_id is None:
        raise malformed("own needs a trader's key", Fault.malformed_query, field="own")
    start = (paging.before_id() or 0) if paging.cursor else 0
    async with services.database.connect() as reading:
        await known_symbol(symbol, reading)
    queues = await services.rankings.of(symbol)
    found = queues.of_side(side)
    if own and account_id is not None:
        found = [place for place in queues.of_account(account_id) if side in (None, place.side)]
    rows = [
        {"place": number, "of": place}
        for number, place in enumerate(found[start : start + paging.fetch], start=start + 1)
    ]
    return paging.page(rows, lambda row: _place_view(row["of"], account_id), "place")


@adl.get(
    "/contracts/{symbol}/adl-risk",
    responses=problems(Code.unknown_contract, statuses=IN_PATH),
    summary="A contract's ADL risk",
)
async def get_adl_risk(services: ServicesDep, symbol: SymbolPath) -> AdlRiskView:
    """How likely the next liquidations are to end in ADL, and by which numbers.

    `near` is at most a second old, or ten times as old as going through the positions takes; it is
    never worked out for a request alone.
    """
    async with services.database.connect() as reading:
        await known_symbol(symbol, reading)
    queues = await services.rankings.of(symbol)
    async with services.database.connect() as reading:
        source = await raw(reading)
        market = await load_market(source, symbol)
        assert market is not None, symbol
        fund_id = market.contract.insurance_fund
        state = await load_funds(source, [fund_id])
    with localcontext(EXACT):
        return risk_view(state, state.funds[fund_id], market.contract, queues.near)


def _place_view(place: Place, account_id: str | None) -> QueueView:
    return QueueView(
        side=place.side,
        rank=place.rank,
        quantile=place.quantile,
        score=place.score,
        quantity=place.quantity,
        own=place.account_id == account_id,
    )

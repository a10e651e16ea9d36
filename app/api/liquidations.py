"""Liquidations with their steps, clearance fees."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from starlette.responses import Response

from app.api.access import OPTIONAL_KEY, Identity, Keyed, MaybeKey, visible_account
from app.api.faults import Fault
from app.api.orders import AccountFilter, SymbolFilter
from app.api.paging import Paged
from app.api.problems import unknown
from app.api.routing import keyed, problems, router
from app.api.schemas.base import FUND_PATTERN, ID_PATTERN, LARGEST_ID, Page
from app.api.schemas.liquidations import (
    ClearanceFeeView,
    LiquidationDetailView,
    LiquidationView,
    StepView,
)
from app.api.services import Reading, ServicesDep
from app.api.strict import Whole
from app.engine.events import LiquidationOutcome
from app.engine.rejections import Code
from app.store.queries import Row
from app.store.queries import liquidations as queries

liquidations = router("liquidations")

FundFilter = Annotated[str | None, Query(pattern=FUND_PATTERN)]
IdPath = Annotated[str, Path(pattern=ID_PATTERN, examples=["1"])]


@liquidations.get(
    "/liquidations",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
    openapi_extra=OPTIONAL_KEY,
    response_model=Page[LiquidationView],
    summary="List liquidations",
)
async def list_liquidations(
    *,
    identity: MaybeKey,
    services: ServicesDep,
    paging: Paged,
    symbol: SymbolFilter = None,
    fund: FundFilter = None,
    outcome: Annotated[LiquidationOutcome | None, Query()] = None,
    account_id: AccountFilter = None,
    after: Annotated[
        Whole | None,
        Query(ge=0, le=LARGEST_ID, description="Oldest first, behind this `liquidation_id`."),
    ] = None,
) -> Response:
    """Liquidated positions, newest first. `account_id` is shown, and may be asked for, only with
    an admin's key or the account's own.

    `liquidation_id` counts all of them from 1, and no number is left out or comes later than a
    higher one: who asks for `after=0` and then always for `after` the last number he has got, gets
    each of them once, and sees that nothing is missing. Where nothing is new the page is empty.
    """
    account = visible_account(identity, account_id)
    heavy = paging.large or account is not None
    keyed = identity is not None
    place = paging.before_id()
    async with services.reading(heavy=heavy, narrow="limit or filters", keyed=keyed) as reading:
        rows = await queries.list_liquidations(
            reading,
            paging.fetch,
            LiquidationView.names(),
            told=identity is not None and (identity.is_admin or identity.account_id or False),
            symbol=symbol,
            fund=fund,
            outcome=outcome,
            account_id=account,
            past=after if place is None else place,
            oldest_first=after is not None,
        )
    return paging.texts(rows, "liquidation_id")


@liquidations.get(
    "/liquidations/{liquidation_id}",
    responses=problems(Fault.unauthorized, Fault.unknown_liquidation),
    openapi_extra=OPTIONAL_KEY,
    response_model_exclude_unset=True,
    summary="One liquidation",
)
async def get_liquidation(
    identity: MaybeKey, reading: Reading, liquidation_id: IdPath
) -> LiquidationDetailView:
    """A liquidation as one story (LIQ-9)."""
    row = await queries.get_liquidation(reading, int(liquidation_id))
    if row is None:
        raise unknown("liquidation_id")
    story = if_visible(with_fund(row), identity)
    steps = enumerate(row["steps"], start=1)
    return LiquidationDetailView.of(
        story,
        steps=[StepView(number=n, kind=kind, detail=detail) for n, (kind, detail) in steps],
    )


@liquidations.get(
    "/clearance-fees",
    responses=problems(Fault.query_too_wide),
    response_model=Page[ClearanceFeeView],
    summary="List clearance fees",
)
async def list_clearance_fees(
    services: ServicesDep,
    keyed: Keyed,
    paging: Paged,
    symbol: SymbolFilter = None,
    fund: FundFilter = None,
) -> Response:
    """Liquidation clearance fees and their split between fund and revenue, newest first."""
    async with services.reading(heavy=paging.large, narrow="limit", keyed=keyed) as reading:
        rows = await queries.list_clearance_fees(
            reading,
            paging.fetch,
            ClearanceFeeView.names(),
            symbol=symbol,
            fund=fund,
            before=paging.before_id(),
        )
    return paging.texts(rows, "liquidation_id")


def with_fund(row: Row) -> dict[str, Any]:
    """The row, with `fund_id` under the name that filters have."""
    shown = dict(row)
    shown["fund"] = shown.pop("fund_id")
    return shown


def if_visible(row: Row, identity: Identity | None) -> dict[str, Any]:
    """The row, without the account unless the key may know it."""
    shown = dict(row)
    if identity is None or not identity.sees(row["account_id"]):
        del shown["account_id"]
    return shown

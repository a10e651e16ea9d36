"""The treasury: the exchange's own money, and its history; alerts."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from app.api.access import Admin
from app.api.accounts import moved_view
from app.api.changing import Posting
from app.api.faults import Fault
from app.api.history import CSV, AssetFilter, Format, From, To, rows_of
from app.api.liquidations import FundFilter
from app.api.orders import SymbolFilter
from app.api.paging import Paged
from app.api.routing import BY_POST, changing, keyed, router
from app.api.schemas.accounts import MovedView
from app.api.schemas.base import Page
from app.api.schemas.funds import (
    AlertView,
    FundWalletView,
    TreasuryContributionBody,
    TreasuryView,
)
from app.api.schemas.history import HistoryHeadView, TreasuryHistoryView
from app.api.services import Reading, ServicesDep
from app.engine.commands.funds import ContributeToTreasury
from app.engine.events import GENESIS_HASH, TREASURY, AlertKind, TreasuryKind
from app.engine.numbers import ZERO
from app.engine.scopes import MAIN
from app.store.queries import funds as queries
from app.store.queries import history

treasury = router("treasury")


@treasury.get("/treasury", responses=keyed(), summary="The exchange's own money")
async def get_treasury(_: Admin, reading: Reading, paging: Paged) -> Page[TreasuryView]:
    """Treasury and revenue, by asset."""
    totals: defaultdict[str, dict[str, Decimal]] = defaultdict(
        lambda: {"treasury": ZERO, "revenue": ZERO}
    )
    for row in await queries.house_wallets(reading):
        totals[row["asset"]][row["kind"]] += row["balance"]
    after = paging.after_name() or ""
    rows = [{"asset": asset, **both} for asset, both in sorted(totals.items()) if asset > after]
    return paging.page(rows, lambda row: TreasuryView(**row), "asset")


@treasury.post(
    "/treasury/contributions",
    status_code=201,
    responses=changing(ContributeToTreasury, *BY_POST),
    summary="Pay into the treasury",
)
async def contribute_to_treasury(
    _: Admin, changes: Posting, body: TreasuryContributionBody
) -> MovedView:
    """The exchange's own money into its treasury."""
    command = ContributeToTreasury(body.asset, body.amount, body.reference)
    return moved_view((await changes.apply(command, reference=body.reference))[0])


@treasury.get(
    "/treasury/history",
    responses={**keyed(Fault.query_too_wide), 200: {"content": CSV}},
    response_model=Page[TreasuryHistoryView],
    summary="The treasury's history",
)
async def list_treasury_history(
    *,
    _: Admin,
    services: ServicesDep,
    paging: Paged,
    asset: AssetFilter = None,
    kind: Annotated[TreasuryKind | None, Query()] = None,
    symbol: SymbolFilter = None,
    start: From = None,
    end: To = None,
    format: Format = "json",  # noqa: A002 - the contract's name
) -> Any:
    """Every change of the treasury's wallets, newest first, in one hash chain over all assets.

    Of the same form as a fund's, and checked by the same command.
    """
    wanted = history.Filter(asset=asset, kind=kind, symbol=symbol, start=start, end=end)
    csv = format == "csv"
    return await rows_of(history.TREASURY, wanted, services, paging, csv=csv, keyed=True)


@treasury.get(
    "/treasury/history-head",
    responses=keyed(),
    summary="The head of the treasury's history",
)
async def get_treasury_history_head(_: Admin, reading: Reading) -> HistoryHeadView:
    """The last row of the treasury's hash chain, and what its wallets hold after it (HIS-4)."""
    head = await history.history_head(reading, history.TREASURY, TREASURY)
    held = [
        FundWalletView(wallet=MAIN, asset=row["asset"], balance=row["balance"])
        for row in await queries.house_wallets(reading)
        if row["kind"] == "treasury"
    ]
    if head is None:
        return HistoryHeadView(sequence=0, hash=GENESIS_HASH, time=None, balances=held)
    return HistoryHeadView(**head, balances=held)


@treasury.get(
    "/alerts",
    responses=keyed(Fault.query_too_wide),
    response_model=Page[AlertView],
    summary="List alerts",
)
async def list_alerts(
    _: Admin,
    services: ServicesDep,
    paging: Paged,
    kind: Annotated[AlertKind | None, Query()] = None,
    fund: FundFilter = None,
) -> Response:
    """What the operators must know, newest first."""
    async with services.reading(heavy=paging.large, narrow="limit", keyed=True) as reading:
        rows = await queries.list_alerts(
            reading,
            paging.fetch,
            AlertView.names(),
            kind=kind,
            fund=fund,
            before=paging.before_id(),
        )
    return paging.texts(rows, "alert_id")

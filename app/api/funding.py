"""Funding: rates given, fundings settled, what an account paid, and corrections (FPY-1)."""

from __future__ import annotations

from app.api.access import Admin, Feed, OwnAccount
from app.api.accounts import moved_view
from app.api.changing import Posting
from app.api.contracts import SymbolQuery
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.problems import Problem, unknown
from app.api.routing import BY_POST, changing, keyed, problems, router
from app.api.schemas.accounts import MovedView
from app.api.schemas.base import Page
from app.api.schemas.funding import (
    FundingCorrectionBody,
    FundingPaymentView,
    FundingRateBody,
    FundingView,
    NextFundingView,
)
from app.api.services import Reading, ServicesDep
from app.engine.commands.funding import CorrectFunding, SetFundingRate
from app.engine.rejections import Code
from app.store.queries import accounts as account_queries
from app.store.queries import funding as queries

funding = router("funding")


@funding.post(
    "/funding-rates",
    responses=changing(SetFundingRate, *BY_POST),
    summary="Give a funding rate",
)
async def give_rate(_: Feed, changes: Posting, body: FundingRateBody) -> NextFundingView:
    """The rate for the contract's next funding time, and for no other; the last one given before
    it counts. Without one the rate is 0. Of contracts whose `funding_mode` is `given`."""
    result, _replayed = await changes.apply(SetFundingRate(body.symbol, body.rate))
    return NextFundingView(symbol=result.symbol, rate=result.rate, time=result.time)


@funding.get("/funding-rates", responses=problems(), summary="List fundings")
async def list_fundings(
    reading: Reading, paging: Paged, symbol: SymbolQuery = None
) -> Page[FundingView]:
    """Fundings that were settled, newest first, with rate and mark of the funding time."""
    rows = await queries.list_fundings(
        reading, paging.fetch, symbol=symbol, before=paging.decode(int, str)
    )
    return paging.page(rows, FundingView.of, "sequence", "symbol")


@funding.get(
    "/accounts/{account_id}/funding-payments",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
    summary="An account's funding payments",
)
async def list_payments(
    account_id: OwnAccount, services: ServicesDep, paging: Paged, symbol: SymbolQuery = None
) -> Page[FundingPaymentView]:
    """What each of the account's positions paid or received, newest first."""
    heavy, before = paging.large or symbol is not None, paging.decode(int, str, str)
    async with services.reading(heavy=heavy, narrow="fewer filters", keyed=True) as reading:
        if await account_queries.get_account(reading, account_id) is None:
            raise unknown("account_id")
        rows = await queries.list_payments(
            reading, account_id, paging.fetch, symbol=symbol, before=before
        )
        return await paging.slowly(
            rows, FundingPaymentView.of, "sequence", "symbol", "position_side"
        )


@funding.post(
    "/funding-corrections",
    status_code=201,
    responses=changing(CorrectFunding, Fault.unknown_funding, *BY_POST),
    summary="Correct a funding",
)
async def correct(
    _: Admin, changes: Posting, reading: Reading, body: FundingCorrectionBody
) -> MovedView:
    """Money between the treasury and the account's cross wallet; a fund never pays (FND-10)."""
    if not await queries.funding_exists(reading, body.symbol, body.time):
        raise Problem(Fault.unknown_funding, "the contract had no funding at that time")
    command = CorrectFunding(body.symbol, body.time, body.account_id, body.amount, body.reason)
    return moved_view((await changes.apply(command, reference=body.reason))[0])

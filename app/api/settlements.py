"""Delivery: contracts that were settled, whose positions, a price for one held (DLV-1)."""

from __future__ import annotations

from app.api.access import Admin, OwnAccount
from app.api.changing import Posting
from app.api.contracts import KnownSymbol, SymbolPath, SymbolQuery
from app.api.faults import Fault
from app.api.paging import Paged
from app.api.problems import unknown
from app.api.routing import BY_POST, IN_PATH, changing, keyed, problems, router
from app.api.schemas.base import Page
from app.api.schemas.settlements import (
    IndexSampleView,
    PositionSettlementView,
    SettlementBody,
    SettlementPricedView,
    SettlementView,
)
from app.api.services import Reading, ServicesDep
from app.engine.commands.delivery import SettleContract
from app.engine.rejections import Code
from app.store.queries import accounts as account_queries
from app.store.queries import settlements as queries

settlements = router("settlements")


@settlements.get("/settlements", responses=problems(), summary="List settlements")
async def list_settlements(
    reading: Reading, paging: Paged, symbol: SymbolQuery = None
) -> Page[SettlementView]:
    """Delivery contracts that were settled, newest first, with the price and where it is from."""
    rows = await queries.list_settlements(
        reading, paging.fetch, symbol=symbol, before=paging.decode(int, str)
    )
    return paging.page(rows, SettlementView.of, "sequence", "symbol")


@settlements.get(
    "/settlements/{symbol}/samples",
    responses=problems(Code.unknown_contract, statuses=IN_PATH),
    summary="A settlement price's samples",
)
async def list_samples(
    reading: Reading, paging: Paged, symbol: KnownSymbol
) -> Page[IndexSampleView]:
    """The index prices that count: the first of each second of the half hour before delivery.

    Newest first. Those from before the delivery time was changed do not count.
    """
    rows = await queries.list_samples(reading, symbol, paging.fetch, paging.before_id())
    return paging.page(rows, IndexSampleView.of, "sequence")


@settlements.get(
    "/accounts/{account_id}/settlements",
    responses=keyed(Code.unknown_account, Fault.query_too_wide),
    summary="An account's settlements",
)
async def list_positions(
    account_id: OwnAccount, services: ServicesDep, paging: Paged, symbol: SymbolQuery = None
) -> Page[PositionSettlementView]:
    """Each of the account's positions that was closed at a delivery, newest first."""
    heavy, before = paging.large or symbol is not None, paging.decode(int, str, str)
    async with services.reading(heavy=heavy, narrow="fewer filters", keyed=True) as reading:
        if await account_queries.get_account(reading, account_id) is None:
            raise unknown("account_id")
        rows = await queries.list_positions(
            reading, account_id, paging.fetch, symbol=symbol, before=before
        )
        return await paging.slowly(
            rows, PositionSettlementView.of, "sequence", "symbol", "position_side"
        )


@settlements.post(
    "/contracts/{symbol}/settlement",
    responses=changing(SettleContract, *BY_POST, statuses=IN_PATH),
    summary="Give a settlement price",
)
async def settle(
    _: Admin, changes: Posting, symbol: SymbolPath, body: SettlementBody
) -> SettlementPricedView:
    """The price, with a reason, of a contract that is held: at its delivery time it was halted, or
    had fewer than 10 index prices, or none of the last minute. It is settled at once, in parts;
    what else its asset has under way is finished first."""
    command = SettleContract(symbol, body.price, body.reason)
    result, _replayed = await changes.apply(command, IN_PATH, reference=body.reason)
    return SettlementPricedView(symbol=result.symbol, price=result.price, time=result.time)

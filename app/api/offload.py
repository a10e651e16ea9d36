"""How a fund's inventory is sold: what comes next, and what was done (FND-5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import localcontext

import asyncpg

from app.api.contracts import SymbolQuery
from app.api.faults import Fault
from app.api.funds import FundPath
from app.api.paging import Paged
from app.api.problems import unknown
from app.api.routing import problems, router
from app.api.schemas.base import Page
from app.api.schemas.offload import OffloadPlanView, OffloadStepView
from app.api.services import Services, ServicesDep
from app.engine.commands import Side
from app.engine.figures.orderbook import opposite
from app.engine.numbers import EXACT
from app.engine.rejections import Code
from app.engine.state import Fund, Inventory, State
from app.engine.trading import offloading
from app.store.loader import load_book, load_funds
from app.store.queries import funds as fund_queries
from app.store.queries import offload as queries
from app.store.reads import raw

offload = router("insurance funds")

NARROW = "a smaller limit, or one symbol"


@offload.get(
    "/insurance-funds/{fund_id}/offload",
    responses=problems(Code.unknown_fund, Fault.query_too_wide),
    summary="How a fund will offload",
)
async def get_plan(
    services: ServicesDep, paging: Paged, fund_id: FundPath, symbol: SymbolQuery = None
) -> Page[OffloadPlanView]:
    """What the fund holds of each contract, by symbol, and the next step in which it sells some:
    as it would be now, with the book as it is, or the reason why nothing would be sold (FND-5).

    What is due while the asset has a cascade under way is done when that has ended.
    """
    after = paging.after_name() or ""
    async with services.reading(heavy=True, narrow=NARROW) as reading:
        connection = await raw(reading)
        state = await load_funds(connection, [fund_id])
        if fund_id not in state.funds:
            raise unknown("fund_id")
        fund = state.funds[fund_id]
        wanted = [one for one in sorted(fund.inventory) if one > after]
        if symbol is not None:
            wanted = [one for one in wanted if one == symbol]
        views = [
            await _planned(services, connection, state, fund, fund.inventory[one])
            for one in wanted[: paging.limit]
        ]
    rows = [{"symbol": one} for one in wanted[: paging.fetch]]
    return paging.page(rows, lambda row: views[wanted.index(row["symbol"])], "symbol")


async def _planned(
    services: Services,
    connection: asyncpg.Connection,
    funds: State,
    fund: Fund,
    inventory: Inventory,
) -> OffloadPlanView:
    """A contract's next step, as the engine works it out from committed data."""
    symbol, mark = inventory.symbol, funds.markets[inventory.symbol].mark
    assert mark is not None, symbol
    view = OffloadPlanView(
        symbol=symbol,
        held=inventory.quantity,
        mark_price=mark.price,
        entry_price=inventory.entry_price,
        profit=None,
        next_at=inventory.offload_at,
        side=None,
        quantity=None,
        limit_price=None,
        expected_profit=None,
        reason="no_policy",
    )
    if fund.policy.offload is None:
        return view
    side: Side = "sell" if inventory.quantity > 0 else "buy"
    limits = services.runner.limits
    book = await load_book(connection, symbol, {opposite(side): None}, limits)
    state = replace(book, markets={**funds.markets, **book.markets})
    with localcontext(EXACT):
        market = state.markets[symbol]
        found = offloading.next_step(state, fund, market, services.runner.now())
        return view.model_copy(
            update={
                "profit": offloading.profit_of(market, inventory),
                "side": found.side,
                "quantity": found.quantity,
                "limit_price": found.limit,
                "expected_profit": found.profit,
                "reason": found.reason,
            }
        )


@offload.get(
    "/insurance-funds/{fund_id}/offload-steps",
    responses=problems(Code.unknown_fund),
    summary="How a fund has offloaded",
)
async def list_steps(
    services: ServicesDep, paging: Paged, fund_id: FundPath, symbol: SymbolQuery = None
) -> Page[OffloadStepView]:
    """The steps in which the fund sold what it held, newest first, those in which it could not
    among them, with the reason (FND-5)."""
    async with services.reading(heavy=paging.large, narrow=NARROW) as reading:
        if not await fund_queries.fund_exists(reading, fund_id):
            raise unknown("fund_id")
        rows = await queries.list_steps(
            reading, fund_id, paging.fetch, symbol=symbol, before=paging.before_id()
        )
        return await paging.slowly(rows, OffloadStepView.of, "sequence")

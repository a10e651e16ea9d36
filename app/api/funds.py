"""Insurance funds, their money and policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import localcontext
from typing import Annotated

from fastapi import Path
from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.access import Admin
from app.api.accounts import moved_view
from app.api.changing import Changing, Posting
from app.api.faults import Fault
from app.api.fund_views import fund_view
from app.api.orders import SymbolFilter
from app.api.paging import Paged
from app.api.problems import unknown
from app.api.routing import BY_POST, changing, problems, router
from app.api.schemas.accounts import MovedView
from app.api.schemas.base import FUND_PATTERN, Page
from app.api.schemas.funds import (
    FundBody,
    FundContributionBody,
    FundPatch,
    FundView,
)
from app.api.services import Reading
from app.engine.commands.funds import ContributeToFund, CreateFund, UpdateFund
from app.engine.numbers import EXACT
from app.engine.policies import FundPolicy
from app.engine.rejections import Code
from app.store.loader import load_funds
from app.store.queries import Row
from app.store.queries import funds as queries
from app.store.reads import raw

funds = router("insurance funds")

FundPath = Annotated[str, Path(pattern=FUND_PATTERN, examples=["usdt-major"])]


@funds.get("/insurance-funds", responses=problems(), summary="List insurance funds")
async def list_funds(
    reading: Reading, paging: Paged, symbol: SymbolFilter = None
) -> Page[FundView]:
    """All funds by identifier, or with `symbol` the one behind a contract."""
    rows = await queries.list_funds(reading, paging.fetch, symbol=symbol, after=paging.after_name())
    views = await _views(reading, [row["fund_id"] for row in rows[: paging.limit]])
    return paging.page(rows, lambda row: views[row["fund_id"]], "fund_id")


@funds.get(
    "/insurance-funds/{fund_id}",
    responses=problems(Code.unknown_fund),
    summary="One insurance fund",
)
async def get_fund(reading: Reading, fund_id: FundPath) -> FundView:
    """A fund: money, inventory, policy, and how near it is to auto-deleveraging."""
    return await _one(reading, fund_id)


@funds.post(
    "/insurance-funds",
    status_code=201,
    responses=changing(CreateFund, *BY_POST),
    summary="Open an insurance fund",
)
async def create_fund(_: Admin, changes: Posting, reading: Reading, body: FundBody) -> FundView:
    """Open a fund, without money."""
    policy = FundPolicy(**body.policy.given())
    command = CreateFund(body.fund_id, body.name, policy)
    await changes.apply(command, reference=body.reference)
    return await _one(reading, body.fund_id)


@funds.patch(
    "/insurance-funds/{fund_id}",
    responses=changing(UpdateFund, Fault.malformed_body),
    summary="Change an insurance fund",
)
async def update_fund(
    _: Admin, changes: Changing, reading: Reading, fund_id: FundPath, body: FundPatch
) -> FundView:
    """Set name, policy or required minimums by hand (FND-7). What is left out stays."""
    policy = body.policy.given() if "policy" in body.model_fields_set else None
    command = UpdateFund(fund_id, body.name, policy, body.required_minimum)
    await changes.apply(command, reference=body.reference)
    return await _one(reading, fund_id)


@funds.post(
    "/insurance-funds/{fund_id}/contributions",
    status_code=201,
    responses=changing(ContributeToFund, *BY_POST),
    summary="Pay into an insurance fund",
)
async def contribute_to_fund(
    _: Admin, changes: Posting, fund_id: FundPath, body: FundContributionBody
) -> MovedView:
    """Money into one of the fund's wallets, which opens with its first. `balance` is the
    wallet's."""
    command = ContributeToFund(
        fund_id, body.wallet, body.asset, body.amount, body.kind, body.reference
    )
    return moved_view((await changes.apply(command, reference=body.reference))[0])


async def _one(connection: AsyncConnection, fund_id: str) -> FundView:
    views = await _views(connection, [fund_id])
    if not views:
        raise unknown("fund_id")
    return views[fund_id]


async def _views(connection: AsyncConnection, fund_ids: Sequence[str]) -> dict[str, FundView]:
    """The bodies of those funds that there are, with one query for each part of all."""
    behind: defaultdict[str, list[Row]] = defaultdict(list)
    for contract in await queries.contracts_of_funds(connection, fund_ids):
        behind[contract["insurance_fund"]].append(contract)
    state = await load_funds(await raw(connection), fund_ids)
    with localcontext(EXACT):
        return {
            fund_id: fund_view(state, fund, behind[fund_id])
            for fund_id, fund in state.funds.items()
        }

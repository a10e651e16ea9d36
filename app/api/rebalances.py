"""A fund's money is moved by an admin: among its wallets, between funds, out of the exchange."""

from __future__ import annotations

from decimal import localcontext

from app.api.access import Admin
from app.api.accounts import moved_view
from app.api.changing import Posting
from app.api.funds import FundPath
from app.api.problems import refused
from app.api.routing import BY_POST, changing, router
from app.api.schemas.accounts import MovedView
from app.api.schemas.funds import (
    DeploymentBody,
    FundMoveBody,
    RebalanceBody,
    RebalanceMoveView,
    RebalanceView,
)
from app.api.services import Reading
from app.engine.commands.funds import DeployExcess, MoveInFund, Rebalance
from app.engine.numbers import EXACT
from app.engine.rejections import Code, Rejection
from app.engine.results import FundToFund
from app.engine.trading import excess
from app.store.loader import load_funds
from app.store.queries import funds as queries
from app.store.reads import raw

rebalances = router("insurance funds")


@rebalances.post(
    "/insurance-funds/rebalances",
    responses=changing(Rebalance, *BY_POST),
    summary="Propose a rebalance, or do it",
)
async def rebalance(
    _: Admin, changes: Posting, reading: Reading, body: RebalanceBody
) -> RebalanceView:
    """Excess of funds above their required minimum goes to funds below theirs (FND-8).

    The fund that is covered least is served first, by whoever has most to spare; all inventory
    counts at mark. Nobody falls below a minimum by it, or below what carries its inventory; funds
    without a minimum take no part. Without `execute` the moves are only said. With it they are
    worked out anew, and what was moved is said: the same, unless something changed meanwhile.
    """
    if body.execute:
        command = Rebalance(body.asset, body.reference)
        done = (await changes.apply(command, reference=body.reference))[0]
        return _view(body.asset, done.moves, executed=True)
    if not await queries.is_settled_in(reading, body.asset):
        detail = f"no contract settles in {body.asset}"
        raise refused(Rejection.of(Code.unknown_asset, detail, asset=body.asset))
    with_minimum = await queries.funds_with_minimum(reading, body.asset)
    state = await load_funds(await raw(reading), with_minimum)
    with localcontext(EXACT):
        return _view(body.asset, excess.proposal(state, body.asset), executed=False)


@rebalances.post(
    "/insurance-funds/{fund_id}/deployments",
    status_code=201,
    responses=changing(DeployExcess, *BY_POST),
    summary="Take excess out of an insurance fund",
)
async def deploy_excess(
    _: Admin, changes: Posting, fund_id: FundPath, body: DeploymentBody
) -> MovedView:
    """Money out of the exchange, of what the fund has above its required minimum (FND-8).

    All inventory counts at mark; what is left carries it. Without `wallet` the wallets give in the
    order in which they pay losses. `balance` is the fund's in the asset.
    """
    command = DeployExcess(fund_id, body.asset, body.amount, body.wallet, body.reference)
    return moved_view((await changes.apply(command, reference=body.reference))[0])


@rebalances.post(
    "/insurance-funds/{fund_id}/moves",
    status_code=201,
    responses=changing(MoveInFund, *BY_POST),
    summary="Move money between a fund's wallets",
)
async def move_in_fund(
    _: Admin, changes: Posting, fund_id: FundPath, body: FundMoveBody
) -> MovedView:
    """Money from one of the fund's wallets to another, which opens with its first (FND-6).

    The fund's balance stays: the history has two rows of kind `adjustment`, which cancel. `balance`
    is that of `to_wallet`.
    """
    command = MoveInFund(
        fund_id, body.from_wallet, body.to_wallet, body.asset, body.amount, body.reference
    )
    return moved_view((await changes.apply(command, reference=body.reference))[0])


def _view(asset: str, moves: tuple[FundToFund, ...], *, executed: bool) -> RebalanceView:
    shown = [
        RebalanceMoveView(from_fund=one.source, to_fund=one.destination, amount=one.amount)
        for one in moves
    ]
    return RebalanceView(asset=asset, executed=executed, moves=shown)

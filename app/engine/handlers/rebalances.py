"""A fund's money is moved: among its wallets, to another fund, out of the exchange (FND-8)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.commands.funds import DeployExcess, MoveInFund, Rebalance
from app.engine.handlers.funds import fund_named
from app.engine.handling import handles
from app.engine.numbers import ZERO, plain
from app.engine.rejections import Code, Rejected
from app.engine.results import Moved, Rebalanced
from app.engine.scopes import wallet_key
from app.engine.state import Fund, State
from app.engine.step import Step
from app.engine.traders import Wallet
from app.engine.trading import excess, funds
from app.engine.trading.amounts import check_amount, check_asset, moved


@handles(
    MoveInFund,
    Code.unknown_fund,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.same_wallet,
    Code.insufficient_balance,
)
def move_in_fund(step: Step, command: MoveInFund) -> Moved:
    """Money between two wallets of a fund: its balance stays, so nothing is settled or judged."""
    fund, amount, asset = fund_named(step.state, command.fund_id), command.amount, command.asset
    check_amount(amount)
    if command.source == command.destination:
        raise Rejected(Code.same_wallet, f"both are {command.source}", wallet=command.source)
    source = _check_wallet(step.state, fund, command.source, asset, amount)
    wallet = step.fund_wallet(fund, asset, command.destination)
    step.transfer("adjustment", source, wallet, amount, reference=command.reference)
    return moved(step, wallet, amount)


@handles(Rebalance, Code.unknown_asset, Code.liquidations_under_way)
def rebalance(step: Step, command: Rebalance) -> Rebalanced:
    """What `excess.proposal` says by now, done; every fund keeps its minimum."""
    state, asset = step.state, command.asset
    check_asset(step, asset)
    _check_calm(state, asset)
    for _, fund in sorted(state.funds.items()):
        if asset in fund.required_minimum:
            funds.settle_inventory(step, fund, asset)
    moves = excess.proposal(state, asset)
    for move in moves:
        wallet = funds.first_wallet(step, state.funds[move.destination], asset)
        giver = state.funds[move.source]
        funds.pay(step, giver, wallet, move.amount, "rebalance", reference=command.reference)
    return Rebalanced(asset, moves)


@handles(
    DeployExcess,
    Code.unknown_fund,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.no_required_minimum,
    Code.withdrawals_suspended,
    Code.liquidations_under_way,
    Code.exceeds_excess,
    Code.insufficient_balance,
)
def deploy_excess(step: Step, command: DeployExcess) -> Moved:
    """Money out of the exchange: of a fund's excess, and while the treasury owes none."""
    state, asset, amount = step.state, command.asset, command.amount
    fund = fund_named(state, command.fund_id)
    check_amount(amount)
    found = excess.means(state, fund, asset)
    if found is None:
        raise Rejected(Code.no_required_minimum, f"{fund.fund_id} has no minimum in {asset}")
    if funds.treasury(state, asset) < 0:
        raise Rejected(Code.withdrawals_suspended, f"the treasury owes {asset}")
    _check_calm(state, asset)
    if amount > found.spare:
        raise Rejected(
            Code.exceeds_excess,
            "it has less above its minimum, or needs more for its inventory",
            amount=plain(amount),
            available=plain(found.spare),
            balance=plain(found.balance),
            required_minimum=plain(found.minimum),
        )
    wallet = None
    if command.wallet is not None:
        owed = sum((min(one, ZERO) for one in funds.unsettled(state, fund, asset)), ZERO)
        wallet = _check_wallet(state, fund, command.wallet, asset, amount, owed)
    funds.settle_inventory(step, fund, asset)
    external, reference = step.wallet("external", "", asset), command.reference
    if wallet is None:
        funds.pay(step, fund, external, amount, "excess_deployment", reference=reference)
    else:
        step.transfer("excess_deployment", wallet, external, amount, reference=reference)
    left = funds.balance(fund, asset)
    return Moved(state.counters.transfer, step.now, asset, amount, left)


def _check_calm(state: State, asset: str) -> None:
    """What is excess shows when nobody in the asset is to be liquidated any more."""
    held = any(scope.asset == asset for scope in state.held)
    if held or asset in state.cascades or asset in state.stalled:
        raise Rejected(Code.liquidations_under_way, f"{asset} has liquidations", asset=asset)


def _check_wallet(
    state: State, fund: Fund, name: str, asset: str, amount: Decimal, owed: Decimal = ZERO
) -> Wallet:
    """The fund's wallet, which has the amount, whatever of the inventory's loss it has to pay."""
    wallet = state.wallets.get(wallet_key("fund", fund.fund_id, asset, name))
    has = ZERO if wallet is None else max(ZERO, wallet.balance + owed)
    if wallet is None or amount > has:
        raise Rejected(
            Code.insufficient_balance,
            f"the wallet {name} has less",
            amount=plain(amount),
            available=plain(has),
        )
    return wallet

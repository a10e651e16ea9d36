"""Opening insurance funds and changing them; money into them and the treasury (FND-7, FND-9)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.commands.funds import ContributeToFund, ContributeToTreasury, CreateFund, UpdateFund
from app.engine.events import TREASURY
from app.engine.handling import handles
from app.engine.numbers import plain
from app.engine.policies import changed, check_policy
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Moved
from app.engine.state import Fund, State
from app.engine.step import Step
from app.engine.trading import funds, offloading
from app.engine.trading.amounts import check_amount, check_asset, moved


@handles(CreateFund, Code.fund_exists, Code.invalid_policy)
def create_fund(step: Step, command: CreateFund) -> Done:
    """Open an insurance fund."""
    if command.fund_id in step.state.funds:
        raise Rejected(Code.fund_exists, f"there is a fund {command.fund_id} already")
    if command.fund_id == TREASURY:  # two chains of one name could pass for each other (HIS-4)
        raise Rejected(Code.fund_exists, f"{TREASURY} is the exchange's own")
    check_policy(command.policy)
    step.add_fund(command.fund_id, command.name, command.policy)
    return Done(command.fund_id)


def fund_named(state: State, fund_id: str) -> Fund:
    """The fund, or `unknown_fund`."""
    fund = state.funds.get(fund_id)
    if fund is None:
        raise Rejected(Code.unknown_fund, f"there is no insurance fund {fund_id}", fund=fund_id)
    return fund


@handles(
    UpdateFund,
    Code.unknown_fund,
    Code.invalid_policy,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.unknown_asset,
)
def update_fund(step: Step, command: UpdateFund) -> Done:
    """Change a fund's name, policy or required minimums (FND-7: set by hand)."""
    fund = fund_named(step.state, command.fund_id)
    policy = changed(fund.policy, command.policy or {})
    minimums = command.required_minimum or {}
    for asset, minimum in minimums.items():
        if minimum is not None:
            check_amount(minimum)
        check_asset(step, asset)
    name = command.name if command.name is not None else fund.name
    begins = policy.automatic_top_up and not fund.policy.automatic_top_up
    offloads = fund.policy.offload
    step.set_fund(fund, name, policy)
    if begins:
        funds.await_top_ups(step, fund)
    if policy.offload != offloads:
        offloading.begin(step, fund)
    for asset, minimum in minimums.items():
        set_minimum(step, fund, asset, minimum)
    return Done(fund.fund_id)


def set_minimum(step: Step, fund: Fund, asset: str, minimum: Decimal | None) -> None:
    """Give a fund its minimum; where that finds it below, it is topped up or told of (FND-7)."""
    was_below = funds.below_minimum(fund, asset)
    step.set_minimum(fund, asset, minimum)
    if funds.below_minimum(fund, asset) and not was_below:
        funds.fall_short(step, fund, asset)


@handles(
    ContributeToFund,
    Code.unknown_fund,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.unknown_asset,
    Code.insufficient_balance,
)
def contribute_to_fund(step: Step, command: ContributeToFund) -> Moved:
    """Money into a fund's wallet: from outside, or from the treasury's own (FND-7, FND-9)."""
    fund = fund_named(step.state, command.fund_id)
    check_amount(command.amount)
    asset = command.asset
    check_asset(step, asset)
    if command.kind == "top_up":
        available = funds.treasury(step.state, asset)
        if command.amount > available:
            raise Rejected(
                Code.insufficient_balance,
                "the treasury has less",
                amount=plain(command.amount),
                available=plain(available),
            )
    source = step.wallet("treasury" if command.kind == "top_up" else "external", "", asset)
    wallet = step.fund_wallet(fund, asset, command.wallet)
    step.transfer(command.kind, source, wallet, command.amount, reference=command.reference)
    return moved(step, wallet, command.amount)


@handles(ContributeToTreasury, Code.amount_not_positive, Code.too_many_decimals, Code.unknown_asset)
def contribute_to_treasury(step: Step, command: ContributeToTreasury) -> Moved:
    """The exchange's own money into its treasury."""
    check_amount(command.amount)
    check_asset(step, command.asset)
    external = step.wallet("external", "", command.asset)
    treasury = step.wallet("treasury", "", command.asset)
    step.transfer("contribution", external, treasury, command.amount, reference=command.reference)
    told = moved(step, treasury, command.amount)
    funds.treasury_gained(step, command.asset)
    return told

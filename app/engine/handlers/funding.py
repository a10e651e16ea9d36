"""Funding (FPY-1): when it is due, at which rate, and what corrects one that was wrong.

    SetFundingRate   the rate for the funding time that comes next; for no other (`rates`)
    BeginFunding     due at that time (`due`): rate and mark are kept, the contract stops trading
    a cascade's part settles the next positions (`payments`), before it looks at anybody at risk
    CorrectFunding   by an admin, out of the treasury: a fund never pays for it (FND-10)

What is under way is kept with its contract, so a new leader goes on where the last one ended.
"""

from __future__ import annotations

from app.engine.cascades import payments, rates
from app.engine.commands import Due
from app.engine.commands.funding import BeginFunding, CorrectFunding, SetFundingRate
from app.engine.figures import margin
from app.engine.handling import handles
from app.engine.markets import Funding
from app.engine.numbers import plain, time_text
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, FundingRateSet, Moved
from app.engine.state import State
from app.engine.step import Step
from app.engine.trading import funds
from app.engine.trading.amounts import check_decimals, moved
from app.engine.trading.assessment import account_of, market_of


def due(state: State) -> Due | None:
    """The funding that is due first; those of assets that are left alone wait (REC-2)."""
    if state.schedule is None:
        state.schedule = _schedule(state)
    for one in state.schedule:
        if not state.stalled or not _is_stalled(state, one):
            return one
    return None


def _schedule(state: State) -> list[Due]:
    """The funding times of all contracts, but of those whose last funding is still under way."""
    found = [
        (funding.next_at, symbol)
        for symbol, market in state.markets.items()
        if (funding := market.funding) and funding.next_at and funding.time is None
    ]
    return [Due(time, BeginFunding(symbol, time)) for time, symbol in sorted(found)]


def _is_stalled(state: State, one: Due) -> bool:
    assert isinstance(one.command, BeginFunding), one
    return state.markets[one.command.symbol].contract.settlement_asset in state.stalled


@handles(
    SetFundingRate,
    Code.unknown_contract,
    Code.no_funding,
    Code.funding_rate_is_derived,
    Code.funding_rate_out_of_range,
)
def set_rate(step: Step, command: SetFundingRate) -> FundingRateSet:
    """Take the rate for the next funding time; the last one given counts."""
    market = market_of(step.state, command.symbol)
    funding = rates.check_given(market, command.rate)
    step.set_funding_rate(funding, command.rate)
    assert funding.next_at is not None, funding
    return FundingRateSet(command.symbol, command.rate, funding.next_at)


@handles(BeginFunding)
def begin(step: Step, command: BeginFunding) -> Done:
    """It is time: what is to be settled is kept, and the asset's cascade settles it in parts.

    A time that passed meanwhile has no funding of its own, nor has one of a contract that is halted
    or has no mark. Where rates are given and none was, it is 0.
    """
    market = step.state.markets[command.symbol]
    contract, funding, mark = market.contract, market.funding, market.mark
    assert funding is not None, command
    assert funding.next_at == command.time, (command, funding)
    next_at = contract.funding_after(step.now)
    if mark is None or contract.status == "halted":
        passed = Funding(command.symbol, next_at, settled_rate=funding.settled_rate)
        step.set_funding(market, passed)
        return Done(command.symbol)
    rate, premium = rates.settled(contract, funding)
    begun = Funding(
        command.symbol,
        next_at,
        time=command.time,
        settled_rate=rate,
        mark_price=mark.price,
        settled_premium=premium,
    )
    step.set_funding(market, begun)
    payments.fund(step.state, market)
    return Done(command.symbol)


@handles(
    CorrectFunding,
    Code.unknown_account,
    Code.unknown_contract,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.account_in_liquidation,
    Code.insufficient_balance,
)
def correct(step: Step, command: CorrectFunding) -> Moved:
    """The treasury pays or takes back, as far as it or the account has it (FND-10)."""
    state, amount = step.state, command.amount
    account = account_of(state, command.account_id)
    asset = market_of(state, command.symbol).contract.settlement_asset
    if amount == 0:
        raise Rejected(Code.amount_not_positive, "the amount must not be zero")
    check_decimals(amount)
    if margin.is_waiting(state, account.account_id):
        raise Rejected(Code.account_in_liquidation, "the account waits for liquidation")
    available = funds.treasury(state, asset)
    if amount < 0:
        available = margin.spendable(state, account, asset)
    if abs(amount) > available:
        raise Rejected(
            Code.insufficient_balance,
            "the account has less" if amount < 0 else "the treasury has less",
            amount=plain(abs(amount)),
            available=plain(available),
        )
    wallet = step.cross_wallet(account, asset)
    step.transfer(
        "funding_correction",
        step.wallet("treasury", "", asset),
        wallet,
        amount,
        symbol=command.symbol,
        reference=f"funding/{time_text(command.time)}: {command.reason}",
    )
    step.touch_cross(account.account_id, asset)
    told = moved(step, wallet, amount)
    if amount < 0:
        funds.treasury_gained(step, asset)
    return told

"""Profit that is held: not withdrawable while the fund has just paid for its contract (FND-12).

While a contract's fund holds profits (`profit_hold_seconds`), it is remembered what each account
wins there, in at most `PARTS` + 1 parts of time that are forgotten when they are older than that,
and when the fund paid for a bankruptcy there last. Without such a policy nothing is remembered.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from app.engine.contracts import Contract
from app.engine.figures import margin
from app.engine.numbers import ZERO, begin_of, plain, time_text
from app.engine.rejections import Code, Rejected
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Account, HeldProfit

PARTS = 24
"""What is held is free at once with all that was won within so many parts of the time."""
SHORTEST = timedelta(minutes=1)
FOR_BANKRUPTCY = ("bankruptcy_loss", "deficit_cover", "emergency_injection")
"""What is paid for a bankruptcy: by the fund, or by the treasury in its place."""


class Hold(NamedTuple):
    """What an account may not withdraw of an asset, and when all of it is free."""

    amount: Decimal
    free_at: datetime


def hold_of(state: State, contract: Contract) -> timedelta | None:
    """For how long profits of a contract are held, where its fund's policy says so."""
    seconds = state.funds[contract.insurance_fund].policy.profit_hold_seconds
    return None if seconds is None else timedelta(seconds=seconds)


def remember_profit(step: Step, contract: Contract, account: Account, profit: Decimal) -> None:
    """An account has realised a profit, or a loss, in a contract."""
    hold, now = hold_of(step.state, contract), step.now
    if hold is None:
        return
    symbol, since = contract.symbol, begin_of(now, max(SHORTEST, hold / PARTS))
    parts = step.state.profits.get(account.account_id, {}).get(symbol, [])
    for old in [part for part in parts if part.newest + hold <= now]:
        step.forget_profit(old)
    # It need not be the last: where profits were held for longer before, parts were longer, too.
    this = next((part for part in reversed(parts) if part.since == since), None)
    step.add_profit(this or HeldProfit(account.account_id, symbol, since, now), profit)


def remember_payout(step: Step, symbol: str | None, kind: str, amount: Decimal) -> None:
    """Money was paid, maybe for a contract; whether for a bankruptcy there, its kind says."""
    if kind not in FOR_BANKRUPTCY or not amount:
        return
    assert symbol is not None, kind
    if hold_of(step.state, step.state.markets[symbol].contract) is not None:
        step.note_payout(symbol)


def held_of(state: State, account: Account, asset: str, now: datetime) -> Hold | None:
    """What of an account's profits it may not withdraw now: contract by contract, net of losses."""
    amount, free_at = ZERO, now
    for symbol, parts in state.profits.get(account.account_id, {}).items():
        contract = state.markets[symbol].contract
        payout, hold = state.payouts.get(symbol), hold_of(state, contract)
        if contract.settlement_asset != asset or payout is None or hold is None:
            continue
        young = [part for part in parts if part.newest + hold > now]
        won = sum((part.amount for part in young), ZERO)
        if won > 0 and payout.time + hold > now:
            amount += won
            newest = max(part.newest for part in young)
            free_at = max(free_at, min(payout.time, newest) + hold)
    return Hold(amount, free_at) if amount else None


def check_held(step: Step, account: Account, asset: str, amount: Decimal) -> None:
    """What leaves the cross wallet leaves at least what is held in it (FND-12)."""
    if account.account_id not in step.state.profits:
        return
    held = held_of(step.state, account, asset, step.now)
    balance = step.cross_wallet(account, asset).balance
    if held is None or balance - amount >= held.amount:
        return
    spendable = margin.spendable(step.state, account, asset)
    raise Rejected(
        Code.profit_held,
        "profit won where the contract's fund has just paid is held for a while",
        amount=plain(amount),
        held=plain(held.amount),
        available=plain(max(ZERO, min(spendable, balance - held.amount))),
        free_at=time_text(held.free_at),
    )

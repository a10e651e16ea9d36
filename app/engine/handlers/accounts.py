"""Accounts, their keys, position modes and money (ORD-3, ORD-6, ORD-8)."""

from __future__ import annotations

from app.engine.commands.accounts import (
    DeclareOwner,
    Deposit,
    OpenAccount,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.keys import CreateKey, NewKey, RevokeKey
from app.engine.figures import ranking
from app.engine.figures.admission import check_not_waiting, check_spendable
from app.engine.handling import handles
from app.engine.numbers import plain
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Moved
from app.engine.step import Step
from app.engine.trading import assessment, funds
from app.engine.trading.amounts import check_amount, check_asset, moved
from app.engine.trading.holding import check_held

MOST_ACCOUNTS = 100
"""Accounts that one owner may be declared to have (FND-12)."""


@handles(
    OpenAccount,
    Code.account_exists,
    Code.key_exists,
    Code.too_many_accounts,
    moves=frozenset(),
)
def open_account(step: Step, command: OpenAccount) -> Done:
    """Open an account and register its trader key."""
    if command.account_id in step.state.accounts:
        raise Rejected(Code.account_exists, f"there is an account {command.account_id} already")
    _check_key(step, command.key)
    _check_owner(step, command.owner_id)
    step.add_account(command.account_id, command.position_mode)
    step.add_key(command.key)
    if command.owner_id is not None:
        step.set_owner(step.state.accounts[command.account_id], command.owner_id)
    return Done(command.account_id)


@handles(
    DeclareOwner,
    Code.unknown_account,
    Code.too_many_accounts,
    moves=frozenset(),
)
def declare_owner(step: Step, command: DeclareOwner) -> Done:
    """Say whose an account is, whatever it has open (FND-12)."""
    account = assessment.account_of(step.state, command.account_id)
    if command.owner_id != account.owner_id:
        _check_owner(step, command.owner_id)
    step.set_owner(account, command.owner_id)
    return Done(account.account_id)


def _check_owner(step: Step, owner_id: str | None) -> None:
    """All accounts of an owner are looked at where one of them is bankrupt: they are few."""
    if owner_id is None:
        return
    accounts = len(step.state.owners.get(owner_id, ()))
    if accounts >= MOST_ACCOUNTS:
        raise Rejected(
            Code.too_many_accounts,
            "the owner has as many accounts as one may",
            accounts=accounts,
            limit=MOST_ACCOUNTS,
        )


@handles(CreateKey, Code.invalid_key, Code.unknown_account, Code.key_exists)
def create_key(step: Step, command: CreateKey) -> Done:
    """Register an API key; a trader key belongs to an existing account."""
    key = command.key
    if (key.scope == "trader") != (key.account_id is not None):
        raise Rejected(Code.invalid_key, "a trader key, and no other, is bound to an account")
    if key.account_id is not None:
        assessment.account_of(step.state, key.account_id)
    _check_key(step, key)
    step.add_key(key)
    return Done(key.key_id)


def _check_key(step: Step, key: NewKey) -> None:
    if key.digest in step.state.keys or key.key_id in step.state.key_ids:
        raise Rejected(Code.key_exists, "this key is registered already")


@handles(RevokeKey, Code.unknown_key)
def revoke_key(step: Step, command: RevokeKey) -> Done:
    """Revoke an API key, at once and for ever."""
    registered = step.state.key_ids.get(command.key_id)
    if registered is None or registered.revoked_at is not None:
        raise Rejected(Code.unknown_key, f"there is no key {command.key_id}")
    step.revoke_key(registered)
    return Done(command.key_id)


@handles(
    SetPositionMode,
    Code.unknown_account,
    Code.position_mode_fixed,
    moves=frozenset(),
)
def set_position_mode(step: Step, command: SetPositionMode) -> Done:
    """Change the position mode, while nothing is open (ORD-3): a leg has no place in the other."""
    account = assessment.account_of(step.state, command.account_id)
    waiting = step.state.untriggered_of.get(account.account_id, {}).values()
    symbols = {*(order.symbol for order in waiting), *(symbol for symbol, _ in account.positions)}
    if command.position_mode != account.position_mode and symbols:
        raise Rejected(
            Code.position_mode_fixed,
            "the position mode is fixed while positions or orders are open",
            position_mode=account.position_mode,
            symbols=" ".join(sorted(symbols)),
        )
    ranking.leave_mode(step.state, account.account_id)
    step.set_position_mode(account, command.position_mode)
    return Done(account.account_id)


@handles(
    Deposit,
    Code.unknown_account,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.unknown_asset,
    moves=frozenset({"deposit"}),
)
def deposit(step: Step, command: Deposit) -> Moved:
    """Money from outside into the cross wallet."""
    account = assessment.account_of(step.state, command.account_id)
    check_amount(command.amount)
    check_asset(step, command.asset)
    wallet = step.cross_wallet(account, command.asset)
    external = step.wallet("external", "", command.asset)
    step.transfer("deposit", external, wallet, command.amount, reference=command.reference)
    step.touch_cross(account.account_id, command.asset)
    return moved(step, wallet, command.amount)


@handles(
    Withdraw,
    Code.unknown_account,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.withdrawals_suspended,
    Code.account_in_liquidation,
    Code.insufficient_balance,
    Code.profit_held,
    moves=frozenset({"withdrawal"}),
)
def withdraw(step: Step, command: Withdraw) -> Moved:
    """Money out of the cross wallet: at most what is available (ORD-6, ORD-8)."""
    account = assessment.account_of(step.state, command.account_id)
    check_amount(command.amount)
    asset = command.asset
    if funds.treasury(step.state, asset) < 0:
        raise Rejected(
            Code.withdrawals_suspended,
            f"the treasury owes {asset}",
            asset=asset,
            treasury_balance=plain(funds.treasury(step.state, asset)),
        )
    check_not_waiting(step.state, account)
    check_spendable(step.state, account, asset, command.amount)
    check_held(step, account, asset, command.amount)
    wallet = step.cross_wallet(account, asset)
    external = step.wallet("external", "", asset)
    step.transfer("withdrawal", wallet, external, command.amount, reference=command.reference)
    step.touch_cross(account.account_id, asset)
    return moved(step, wallet, command.amount)

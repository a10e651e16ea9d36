"""Accounts, their keys, their money and their settings (ORD-3, ORD-6, ORD-8)."""

from __future__ import annotations

from decimal import Decimal

from app.engine import assessment, exposure, margin, ranking
from app.engine.admission import check_leverage
from app.engine.amounts import check_amount, check_asset, check_decimals, moved
from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    Deposit,
    OpenAccount,
    SetPositionMode,
    Withdraw,
)
from app.engine.commands.keys import CreateKey, NewKey, RevokeKey
from app.engine.contracts import Contract
from app.engine.handlers import handles
from app.engine.numbers import ZERO, divide_up, plain
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Moved
from app.engine.scopes import wallet_key
from app.engine.step import Step
from app.engine.traders import Account, ContractSettings, Position


@handles(
    OpenAccount,
    Code.account_exists,
    Code.key_exists,
    moves=frozenset(),
)
def open_account(step: Step, command: OpenAccount) -> Done:
    """Open an account and register its trader key."""
    if command.account_id in step.state.accounts:
        raise Rejected(Code.account_exists, f"there is an account {command.account_id} already")
    _check_key(step, command.key)
    step.add_account(command.account_id, command.position_mode)
    step.add_key(command.key)
    return Done(command.account_id)


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
    moves=frozenset({"withdrawal"}),
)
def withdraw(step: Step, command: Withdraw) -> Moved:
    """Money out of the cross wallet: at most what is available (ORD-6, ORD-8)."""
    account = assessment.account_of(step.state, command.account_id)
    check_amount(command.amount)
    asset = command.asset
    treasury = step.state.wallets.get(wallet_key("treasury", "", asset))
    if treasury is not None and treasury.balance < 0:
        raise Rejected(
            Code.withdrawals_suspended,
            f"the treasury owes {asset}",
            asset=asset,
            treasury_balance=plain(treasury.balance),
        )
    _check_not_waiting(step, account)
    _check_spendable(step, account, asset, command.amount)
    wallet = step.cross_wallet(account, asset)
    external = step.wallet("external", "", asset)
    step.transfer("withdrawal", wallet, external, command.amount, reference=command.reference)
    step.touch_cross(account.account_id, asset)
    return moved(step, wallet, command.amount)


def _check_not_waiting(step: Step, account: Account) -> None:
    if margin.is_waiting(step.state, account.account_id):
        raise Rejected(Code.account_in_liquidation, "the account waits for liquidation")


def _check_spendable(step: Step, account: Account, asset: str, amount: Decimal) -> None:
    spendable = margin.spendable(step.state, account, asset)
    if amount > spendable:
        raise Rejected(
            Code.insufficient_balance,
            "the amount exceeds what is available",
            amount=plain(amount),
            available=plain(spendable),
        )


@handles(
    ConfigureContract,
    Code.unknown_account,
    Code.unknown_contract,
    Code.account_in_liquidation,
    Code.position_open,
    Code.leverage_too_low,
    Code.position_too_large,
    Code.leverage_too_high,
    Code.insufficient_margin,
    moves=frozenset(),
)
def configure_contract(step: Step, command: ConfigureContract) -> Done:
    """Set leverage and margin mode in a contract (ORD-3)."""
    state = step.state
    account = assessment.account_of(state, command.account_id)
    market = assessment.market_of(state, command.symbol)
    contract = market.contract
    _check_not_waiting(step, account)
    current = exposure.settings_of(account, contract)
    wanted = ContractSettings(
        account.account_id,
        contract.symbol,
        command.leverage if command.leverage is not None else current.leverage,
        command.margin_mode or current.margin_mode,
    )
    legs = [p for p in account.positions.values() if p.symbol == contract.symbol]
    if wanted.margin_mode != current.margin_mode and legs:
        raise Rejected(Code.position_open, "the margin mode is fixed while something is open")
    if wanted.leverage < 1:
        raise Rejected(Code.leverage_too_low, "leverage is at least 1")
    gross = max((exposure.gross_requirement(market, leg) for leg in legs), default=ZERO)
    if wanted.leverage != current.leverage:
        check_leverage(contract, wanted.leverage, gross)
    if wanted.leverage < current.leverage:
        _check_lower_leverage(step, account, legs, current, wanted)
    step.set_settings(account, wanted)
    for leg in legs:
        step.touch_position(leg)
        step.touch_cross(account.account_id, contract.settlement_asset)
    return Done(contract.symbol)


def _check_lower_leverage(
    step: Step,
    account: Account,
    legs: list[Position],
    current: ContractSettings,
    wanted: ContractSettings,
) -> None:
    """A lower leverage needs more margin: it must be there already, for all legs together."""
    state, market = step.state, step.state.markets[wanted.symbol]
    available = margin.cross_of(state, account, market.contract.settlement_asset).free
    isolated, more = current.margin_mode == "isolated", ZERO
    requires = exposure.order_margin if isolated else exposure.requirement
    for leg in legs:
        more += requires(market, leg, wanted.leverage) - requires(market, leg, current.leverage)
        if isolated and leg.quantity:
            _check_isolated_equity(step, market.contract, leg, wanted.leverage)
    if more > available:
        raise Rejected(
            Code.insufficient_margin,
            "the lower leverage needs more than the available balance",
            required=plain(more),
            available=plain(available),
        )


def _check_isolated_equity(step: Step, contract: Contract, leg: Position, leverage: int) -> None:
    scope = margin.health(step.state, leg.scope)
    value = abs(exposure.mark_value(step.state.markets[leg.symbol], leg))
    needed = divide_up(value, leverage)
    if scope.equity < needed:
        raise Rejected(
            Code.insufficient_margin,
            "the isolated position holds less than the initial margin",
            required=plain(needed),
            available=plain(scope.equity),
            symbol=contract.symbol,
        )


@handles(
    AdjustMargin,
    Code.unknown_account,
    Code.unknown_contract,
    Code.no_isolated_position,
    Code.amount_not_positive,
    Code.too_many_decimals,
    Code.account_in_liquidation,
    Code.insufficient_balance,
    Code.insufficient_margin,
    moves=frozenset({"margin_in", "margin_out"}),
)
def adjust_margin(step: Step, command: AdjustMargin) -> Moved:
    """Move money between the cross wallet and an isolated position."""
    state = step.state
    account = assessment.account_of(state, command.account_id)
    market = assessment.market_of(state, command.symbol)
    asset = market.contract.settlement_asset
    position = account.positions.get((command.symbol, command.position_side))
    settings = exposure.settings_of(account, market.contract)
    if settings.margin_mode != "isolated" or position is None or not position.quantity:
        raise Rejected(Code.no_isolated_position, "there is no such isolated position")
    if command.amount == 0:
        raise Rejected(Code.amount_not_positive, "the amount must not be zero")
    check_decimals(command.amount)
    _check_not_waiting(step, account)
    if command.amount > 0:
        _check_spendable(step, account, asset, command.amount)
    else:
        _check_removable(step, position, settings.leverage, -command.amount)
    cross, wallet = step.cross_wallet(account, asset), step.isolated_wallet(position)
    kind = "margin_in" if command.amount > 0 else "margin_out"
    step.transfer(kind, cross, wallet, command.amount, symbol=command.symbol)  # type: ignore[arg-type]
    step.touch_position(position)
    step.touch_cross(account.account_id, asset)
    return moved(step, wallet, command.amount)


def _check_removable(step: Step, position: Position, leverage: int, amount: Decimal) -> None:
    """What is left must still be the initial margin, no scope at risk, no wallet negative."""
    balance = position.wallet.balance if position.wallet else ZERO
    market = step.state.markets[position.symbol]
    scope = margin.health(step.state, position.scope)
    initial = divide_up(abs(exposure.mark_value(market, position)), leverage)
    kept = max(initial, scope.maintenance_margin)
    removable = max(ZERO, min(balance, scope.equity - kept))
    if amount > removable:
        raise Rejected(
            Code.insufficient_margin,
            "the position needs what is left as initial margin",
            amount=plain(amount),
            available=plain(removable),
        )

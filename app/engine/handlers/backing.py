"""What backs a position: leverage, margin mode, isolated margin (ORD-3).

They change while positions and orders are open, too, as long as nobody is put at risk by it. A
change of leverage alone moves no money. A position that becomes isolated takes along what one that
is opened so brings along: its initial margin, and its open loss (ORD-5). One that becomes cross
brings all of its isolated wallet. An account's wallets in other assets back nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from app.engine.commands import MarginMode
from app.engine.commands.accounts import AdjustMargin, ConfigureContract
from app.engine.events import LedgerKind
from app.engine.figures import exposure, margin
from app.engine.figures.admission import (
    check_bracket,
    check_leg,
    check_not_waiting,
    check_spendable,
)
from app.engine.figures.health import Health
from app.engine.handling import handles
from app.engine.markets import Market
from app.engine.numbers import ZERO, divide_up, plain, round_down
from app.engine.rejections import Code, Rejected
from app.engine.results import Done, Moved
from app.engine.state import State
from app.engine.step import Step
from app.engine.traders import Account, ContractSettings, Position
from app.engine.trading import assessment
from app.engine.trading.amounts import check_decimals, moved


@handles(
    ConfigureContract,
    Code.unknown_account,
    Code.unknown_contract,
    Code.account_in_liquidation,
    Code.leverage_too_low,
    Code.leverage_too_high,
    Code.would_be_at_risk,
    Code.insufficient_margin,
    moves=frozenset({"margin_in", "margin_out"}),
)
def configure_contract(step: Step, command: ConfigureContract) -> Done:
    """Set leverage and margin mode in a contract (ORD-3)."""
    state = step.state
    account = assessment.account_of(state, command.account_id)
    market = assessment.market_of(state, command.symbol)
    check_not_waiting(state, account)
    current = exposure.settings_of(account, market.contract)
    wanted = ContractSettings(
        account.account_id,
        command.symbol,
        command.leverage if command.leverage is not None else current.leverage,
        command.margin_mode or current.margin_mode,
    )
    legs = [p for p in account.positions.values() if p.symbol == command.symbol]
    if wanted.leverage != current.leverage:
        _check_allowed(market, legs, wanted.leverage)
    amounts = [ZERO] * len(legs)
    if legs and wanted.margin_mode != current.margin_mode:
        if wanted.margin_mode == "isolated":
            amounts = _parting(state, account, market, legs, wanted.leverage)
        else:
            amounts = [-margin.scope_balance(state, leg.scope) for leg in legs]
    if wanted.leverage < current.leverage:
        _check_lowered(state, account, market, legs, current, wanted.leverage)
    step.set_settings(account, wanted)
    for leg, amount in zip(legs, amounts, strict=True):
        _carry(step, account, leg, amount)
        step.touch_cross(account.account_id, leg.scope.asset)
    return Done(command.symbol)


def _check_allowed(market: Market, legs: Sequence[Position], leverage: int) -> None:
    """At most what the bracket of the notional allows (ORD-3)."""
    if leverage < 1:
        raise Rejected(Code.leverage_too_low, "leverage is at least 1")
    gross = max((exposure.gross_requirement(market, leg) for leg in legs), default=ZERO)
    check_bracket(market.contract, leverage, gross)


def _parting(
    state: State, account: Account, market: Market, legs: Sequence[Position], leverage: int
) -> list[Decimal]:
    """What each cross leg takes along when it becomes isolated: what makes its equity its initial
    margin, as far as the cross wallet has it and its scope bears it.
    """
    asset = market.contract.settlement_asset
    cross, now = margin.cross_of(state, account, asset), margin.health(state, legs[0].scope)
    equity, maintained = now.equity, now.maintenance_margin
    wallet, uncommitted = max(ZERO, cross.wallet), cross.uncommitted
    for leg in legs:
        held_back = exposure.order_margin(market, leg, leverage)
        equity -= exposure.profit(market, leg) + held_back
        maintained -= leg.margin
        uncommitted -= exposure.free(account, market, leg) + held_back
    _check_whole("cross", equity, maintained)
    room = min(wallet, round_down(equity - maintained))
    amounts = []
    for leg in legs:
        lacking = divide_up(abs(leg.value), leverage) - leg.profit
        amounts.append(taken := max(ZERO, min(lacking, room)))
        _check_whole("isolated", taken + leg.profit, leg.margin)
        room -= taken
    uncommitted -= sum(amounts, ZERO)
    if uncommitted < min(ZERO, cross.uncommitted):  # a profit leaves that others count on
        raise Rejected(
            Code.insufficient_margin,
            "without the position's profit the cross wallet's requirements are not covered",
            required=plain(-uncommitted),
            available=plain(ZERO),
        )
    return amounts


def _check_whole(mode: MarginMode, equity: Decimal, maintained: Decimal) -> None:
    """A scope that would be left so is not at risk (LIQ-1)."""
    if Health(equity, maintained, 1).at_risk:
        raise Rejected(
            Code.would_be_at_risk,
            f"what is {mode} then would be at risk",
            margin_mode=mode,
            equity=plain(equity),
            maintenance_margin=plain(maintained),
        )


def _check_lowered(
    state: State,
    account: Account,
    market: Market,
    legs: Sequence[Position],
    current: ContractSettings,
    leverage: int,
) -> None:
    """A lower leverage needs more margin: it must be there already, where it is needed."""
    isolated, needed, had = current.margin_mode == "isolated", ZERO, ZERO
    for leg in legs:
        if isolated and leg.quantity:
            _check_isolated(state, market, leg, leverage)
        requirement = exposure.order_margin if isolated else exposure.requirement
        needed += requirement(market, leg, leverage)
        had += requirement(market, leg, current.leverage)
    cross = margin.cross_of(state, account, market.contract.settlement_asset)
    # What is isolated holds back of the cross scope's equity; what is cross only commits it.
    available = cross.free if isolated else max(ZERO, cross.uncommitted)
    if needed - had > available:
        raise Rejected(
            Code.insufficient_margin,
            "the lower leverage needs more than the available balance",
            required=plain(needed - had),
            available=plain(available),
        )


def _check_isolated(state: State, market: Market, leg: Position, leverage: int) -> None:
    equity = margin.health(state, leg.scope).equity
    needed = divide_up(abs(exposure.mark_value(market, leg)), leverage)
    if equity < needed:
        raise Rejected(
            Code.insufficient_margin,
            "the isolated position holds less than the initial margin",
            required=plain(needed),
            available=plain(equity),
            symbol=leg.symbol,
        )


def _carry(step: Step, account: Account, leg: Position, amount: Decimal) -> None:
    """Put a leg into the scope of its account's settings, with `amount` from the cross wallet."""
    if leg.isolated:
        _move(step, account, leg, amount)
    step.set_scope(leg)
    if leg.isolated:
        _move(step, account, leg, amount)


def _move(step: Step, account: Account, leg: Position, amount: Decimal) -> None:
    """Money from the cross wallet to an isolated one; negative: back."""
    if amount:
        cross, wallet = step.cross_wallet(account, leg.scope.asset), step.isolated_wallet(leg)
        kind: LedgerKind = "margin_in" if amount > 0 else "margin_out"
        step.transfer(kind, cross, wallet, amount, symbol=leg.symbol)


@handles(
    AdjustMargin,
    Code.unknown_account,
    Code.unknown_contract,
    Code.position_side_required,
    Code.position_side_mismatch,
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
    check_leg(account, command.position_side)
    asset = market.contract.settlement_asset
    position = account.positions.get((command.symbol, command.position_side))
    settings = exposure.settings_of(account, market.contract)
    if settings.margin_mode != "isolated" or position is None or not position.quantity:
        raise Rejected(Code.no_isolated_position, "there is no such isolated position")
    if command.amount == 0:
        raise Rejected(Code.amount_not_positive, "the amount must not be zero")
    check_decimals(command.amount)
    check_not_waiting(state, account)
    if command.amount > 0:
        check_spendable(state, account, asset, command.amount)
    else:
        _check_removable(step, position, settings.leverage, -command.amount)
    _move(step, account, position, command.amount)
    step.touch_position(position)
    step.touch_cross(account.account_id, asset)
    return moved(step, step.isolated_wallet(position), command.amount)


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

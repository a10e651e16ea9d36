"""Deficits without a position: who pays for them (FND-4, FND-11, FND-13).

A deficit is what a scope lacks when nothing of it is open any more. The fund of the contract that
made it pays, and what that fund cannot pay, the treasury: never another fund, and never another
scope of the trader.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from app.engine.contracts import Contract
from app.engine.figures.margin import LegFigures
from app.engine.scopes import Scope
from app.engine.state import Cascade
from app.engine.step import Step
from app.engine.traders import Wallet
from app.engine.trading import breakers, funds, holding


def find_cause(step: Step, scope: Scope, legs: Iterable[LegFigures]) -> None:
    """Remember which of the contracts that a scope holds put it at risk: the newest tick's.

    That is found when it is first liquidated, and stays until the cascade ends. A tick that began
    the cascade is the newest there is; ties go by symbol. An isolated scope has but one contract.
    """
    cascade = step.state.cascades[scope.asset]
    if scope.isolated or scope in cascade.causes:
        return
    tick = None if cascade.tick is None else cascade.tick.symbol
    cascade.causes[scope] = max(
        (leg.position.symbol == tick, leg.market.mark.time, leg.position.symbol)
        for leg in legs
        if leg.market.mark is not None
    )[-1]


def made_by(cascade: Cascade, scope: Scope, symbol: str) -> None:
    """It was this contract's funding that put a scope at risk (FPY-1)."""
    if not scope.isolated:
        cascade.causes[scope] = symbol


def cause(step: Step, scope: Scope) -> Contract:
    """The contract whose fund pays what is lacking when nothing of a scope is left."""
    causes = step.state.cascades[scope.asset].causes
    symbol = scope.symbol if scope.isolated else causes[scope]
    return step.state.markets[symbol].contract


def cover(
    step: Step, contract: Contract, wallet: Wallet, amount: Decimal, liquidation_id: int | None
) -> tuple[Decimal, Decimal]:
    """Pay `amount` into a wallet: what the contract's fund has and may pay, then the treasury.

    Beyond a payout limit there is no position that could go to ADL (FND-12). Returns (paid by the
    fund, paid by the treasury). The treasury may become negative by this and by nothing else.
    """
    state, asset = step.state, contract.settlement_asset
    fund = funds.fund_of(state, contract)
    funds.settle_inventory(step, fund, asset)
    room = breakers.payable(state, fund, asset, step.now)
    paid = min(amount, funds.balance(fund, asset), amount if room is None else room)
    breakers.count(step, fund, asset, paid)
    funds.pay(
        step,
        fund,
        wallet,
        paid,
        "deficit_cover",
        symbol=contract.symbol,
        liquidation_id=liquidation_id,
    )
    injected = amount - paid
    inject(step, contract, wallet, injected, liquidation_id)
    return paid, injected


def inject(
    step: Step, contract: Contract, wallet: Wallet, amount: Decimal, liquidation_id: int | None
) -> None:
    """The treasury pays what the fund behind `contract` cannot, and all are told (FND-11)."""
    if not amount:
        return
    holding.remember_payout(step, contract.symbol, "emergency_injection", amount)
    treasury = step.wallet("treasury", "", wallet.asset)
    step.transfer(
        "emergency_injection",
        treasury,
        wallet,
        amount,
        symbol=contract.symbol,
        liquidation_id=liquidation_id,
    )
    step.alert(
        "emergency_injection",
        contract.insurance_fund,
        wallet.asset,
        amount=amount,
        symbol=contract.symbol,
        treasury_balance=treasury.balance,
    )

"""Deficits without a position: the contract's fund pays, then the treasury (FND-4, FND-11)."""

from __future__ import annotations

from decimal import Decimal

from app.engine import funds
from app.engine.contracts import Contract
from app.engine.state import Wallet
from app.engine.step import Step


def cover(
    step: Step, contract: Contract, wallet: Wallet, amount: Decimal, liquidation_id: int | None
) -> tuple[Decimal, Decimal]:
    """Pay `amount` into a wallet: what the fund behind `contract` has, then the treasury.

    Returns (paid by the fund, paid by the treasury). The treasury may become negative by this and
    by nothing else.
    """
    state, asset = step.state, contract.settlement_asset
    fund = funds.fund_of(state, contract)
    funds.settle_inventory(step, fund, asset)
    paid = min(amount, funds.balance(fund, asset))
    funds.pay(step, fund, wallet, paid, "deficit_cover", contract.symbol, liquidation_id)
    injected = amount - paid
    if injected:
        treasury = step.wallet("treasury", "", asset)
        step.transfer(
            "emergency_injection", treasury, wallet, injected,
            symbol=contract.symbol, liquidation_id=liquidation_id,
        )  # fmt: skip
        step.alert(
            "emergency_injection", fund.fund_id, asset,
            amount=injected, symbol=contract.symbol, treasury_balance=treasury.balance,
        )  # fmt: skip
    return paid, injected

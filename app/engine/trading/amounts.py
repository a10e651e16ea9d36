"""Amounts of money as commands bring them, and what their movers are told (NUM-2)."""

from __future__ import annotations

from decimal import Decimal

from app.engine.numbers import in_range, round_down
from app.engine.rejections import Code, Rejected
from app.engine.results import Moved
from app.engine.step import Step
from app.engine.traders import Wallet


def check_amount(amount: Decimal) -> None:
    """Refuse amounts that are not positive or finer than eight decimals (NUM-2)."""
    if amount <= 0:
        raise Rejected(Code.amount_not_positive, "the amount must be positive")
    check_decimals(amount)


def check_decimals(amount: Decimal) -> None:
    """Refuse amounts finer than eight decimals (NUM-2)."""
    assert in_range(amount), amount
    if amount != round_down(amount):
        raise Rejected(Code.too_many_decimals, "an amount has at most eight decimals")


def check_asset(step: Step, asset: str) -> None:
    """Only assets that some contract settles in can be held."""
    if not any(m.contract.settlement_asset == asset for m in step.state.markets.values()):
        raise Rejected(Code.unknown_asset, f"no contract settles in {asset}", asset=asset)


def moved(step: Step, wallet: Wallet, amount: Decimal) -> Moved:
    """What the mover of money is told."""
    return Moved(step.state.counters.transfer, step.now, wallet.asset, amount, wallet.balance)

"""An insurance fund as readers see it: totals, coverage, and its distance to ADL (FND).

The figures are the engine's own, worked out from what is committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from decimal import Decimal

from app.api.schemas.funds import (
    FundAdlView,
    FundBalanceView,
    FundView,
    FundWalletView,
    InventoryView,
    PolicyView,
)
from app.engine.numbers import ZERO, divide_half_even, round_down
from app.engine.state import Fund, Inventory, State
from app.engine.trading import funds
from app.store.queries import Row


def fund_view(state: State, fund: Fund, contracts: Sequence[Row]) -> FundView:
    """The body of a fund from its part of the state and the contracts it stands behind.

    Inside the exact context.
    """
    behind = {contract["settlement_asset"] for contract in contracts}
    assets = sorted(behind | {_asset(state, symbol) for symbol in fund.inventory})
    shown = {wallet.asset for wallet in fund.wallets} | fund.required_minimum.keys() | behind
    policy = fund.policy
    return FundView(
        fund_id=fund.fund_id,
        name=fund.name,
        contracts=[contract["symbol"] for contract in contracts],
        wallets=[
            FundWalletView(wallet=one.name, asset=one.asset, balance=one.balance)
            for one in fund.wallets
        ],
        balances=[_balance(state, fund, asset) for asset in sorted(shown)],
        net_notional=sum((funds.net_notional(state, fund, asset) for asset in assets), ZERO),
        max_net_notional=round_down(
            sum((max(ZERO, funds.cap(state, fund, asset)) for asset in assets), ZERO)
        ),
        cap_use=_most(funds.cap_use(state, fund, asset) for asset in assets),
        drawdown=_most(funds.drawdown(state, fund, asset) for asset in assets),
        paid_out=_most(funds.paid_out(state, fund, asset) for asset in assets),
        inventory=[_inventory(state, fund.inventory[symbol]) for symbol in sorted(fund.inventory)],
        policy=PolicyView(**asdict(policy)),
        adl=_adl(state, fund, assets),
    )


def _asset(state: State, symbol: str) -> str:
    return state.markets[symbol].contract.settlement_asset


def _inventory(state: State, held: Inventory) -> InventoryView:
    mark = state.markets[held.symbol].mark
    assert mark is not None, held.symbol
    return InventoryView(
        symbol=held.symbol,
        quantity=held.quantity,
        cost=held.cost,
        mark_price=mark.price,
        unrealized_profit=funds.unrealized_profit(state, held),
    )


def _balance(state: State, fund: Fund, asset: str) -> FundBalanceView:
    """Coverage and excess over the required minimum, where one is set (FND-7), and its review."""
    balance, minimum = funds.balance(fund, asset), fund.required_minimum.get(asset)
    calibration = fund.in_force(asset)
    return FundBalanceView(
        asset=asset,
        balance=balance,
        required_minimum=minimum,
        coverage=divide_half_even(balance, minimum) if minimum else None,
        excess=None if minimum is None else max(ZERO, balance - minimum),
        calibration_id=calibration and calibration.calibration_id,
        review_due_at=fund.review_due_at(asset),
        overdue=fund.is_overdue(asset, state.time),
    )


def _most(figures: Iterable[Decimal | None]) -> Decimal | None:
    """Of the assets' figures that of the nearest to its limit; None where there is none."""
    return max((figure for figure in figures if figure is not None), default=None)


def _adl(state: State, fund: Fund, assets: Sequence[str]) -> FundAdlView:
    """The nearest of its assets; a fund that stands behind nothing has nothing to lose with."""
    found = [funds.distance(state, fund, asset) for asset in assets]
    nothing: tuple[Decimal, funds.NoDistance | None] = (ZERO, "no_balance")
    distance, reason = min(found, key=lambda one: one[0], default=nothing)
    return FundAdlView(active=reason is not None, reason=reason, distance=distance)

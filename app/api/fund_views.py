"""An insurance fund as readers see it: totals, coverage, and its distance to ADL (FND)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from app.api.schemas.funds import (
    FundAdlView,
    FundBalanceView,
    FundView,
    FundWalletView,
    InventoryView,
    PolicyView,
)
from app.engine.numbers import ZERO, divide_half_even, divide_up, round_value

Row = Mapping[Any, Any]


def fund_view(
    fund: Row, wallets: Sequence[Row], contracts: Sequence[Row], inventory: Sequence[Row]
) -> FundView:
    """The body of a fund from its rows; inside the exact context."""
    wallets = sorted(wallets, key=lambda wallet: fund["wallets"].index(wallet["key"]))
    totals: dict[str, Decimal] = {}
    for wallet in wallets:
        totals[wallet["asset"]] = totals.get(wallet["asset"], ZERO) + wallet["balance"]
    minimums = {asset: Decimal(text) for asset, text in fund["required_minimum"].items()}
    assets = sorted({contract["settlement_asset"] for contract in contracts})
    held = [(_inventory(row), row["settlement_asset"]) for row in inventory]
    ratio = fund["max_net_notional_ratio"]
    notionals = dict.fromkeys(assets, ZERO)
    for row in inventory:
        asset = row["settlement_asset"]
        notionals[asset] = notionals.get(asset, ZERO) + abs(_value(row))
    distances = [
        _adl(totals.get(asset, ZERO) + _profit(held, asset), notional, ratio)
        for asset, notional in notionals.items()
    ]
    return FundView(
        fund_id=fund["fund_id"],
        name=fund["name"],
        contracts=[contract["symbol"] for contract in contracts],
        wallets=[
            FundWalletView(wallet=one["name"], asset=one["asset"], balance=one["balance"])
            for one in wallets
        ],
        balances=[
            _balance(asset, totals.get(asset, ZERO), minimums.get(asset))
            for asset in sorted(totals.keys() | minimums.keys() | set(assets))
        ],
        net_notional=sum(notionals.values(), ZERO),
        max_net_notional=round_value(
            ratio * sum((totals.get(asset, ZERO) for asset in notionals), ZERO)
        ),
        inventory=[view for view, _ in held],
        policy=PolicyView(
            max_net_notional_ratio=ratio,
            share_below_minimum=fund["share_below_minimum"],
            share_above_minimum=fund["share_above_minimum"],
        ),
        adl=min(distances, key=lambda adl: adl.distance, default=_adl(ZERO, ZERO, ratio)),
    )


def _value(row: Row) -> Decimal:
    return round_value(row["quantity"] * row["contract_size"] * row["mark_price"])


def _inventory(row: Row) -> InventoryView:
    return InventoryView(
        symbol=row["symbol"],
        quantity=row["quantity"],
        cost=row["cost"],
        mark_price=row["mark_price"],
        unrealized_profit=_value(row) - row["cost"],
    )


def _profit(held: Sequence[tuple[InventoryView, str]], asset: str) -> Decimal:
    return sum((view.unrealized_profit for view, of in held if of == asset), ZERO)


def _balance(asset: str, balance: Decimal, minimum: Decimal | None) -> FundBalanceView:
    """Coverage and excess over the required minimum, where one is set (FND-7)."""
    return FundBalanceView(
        asset=asset,
        balance=balance,
        required_minimum=minimum,
        coverage=divide_half_even(balance, minimum) if minimum else None,
        excess=None if minimum is None else max(ZERO, balance - minimum),
    )


def _adl(at_mark: Decimal, net_notional: Decimal, ratio: Decimal) -> FundAdlView:
    """How much the fund can lose before FND-2 lets it accept no further position.

    `at_mark` is its balance after the inventory is settled to mark. It must stay above zero, and
    at `net_notional` / `ratio` the inventory alone fills the cap.
    """
    if at_mark <= 0:
        return FundAdlView(active=True, reason="no_balance", distance=ZERO)
    filled = divide_up(net_notional, ratio) if ratio else at_mark
    distance = max(ZERO, at_mark - filled)
    if distance == 0:
        return FundAdlView(active=True, reason="net_notional_cap", distance=ZERO)
    return FundAdlView(active=False, reason=None, distance=distance)

"""The book of an engine's state as arrays: what the real waterfall is compared with (CAL-15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import localcontext

import numpy as np

from app.calibration.inputs.book import ContractTerms, FundTerms, PositionBook
from app.engine.markets import Market
from app.engine.numbers import EXACT
from app.engine.state import State
from app.engine.traders import Position
from app.engine.trading import funds


def book_of(state: State, asset: str) -> PositionBook:
    """All positions of a settlement asset; contracts without a mark have none.

    It has no `digest`, and every account is its own owner: nothing asks for either here.
    """
    markets = [one for _, one in sorted(state.markets.items()) if _is_in(state, asset, one)]
    fund_ids = sorted({one.contract.insurance_fund for one in markets})
    place = {one.contract.symbol: number for number, one in enumerate(markets)}
    positions = sorted(_positions(markets), key=lambda one: (one.account_id, one.symbol, one.side))
    accounts = list(dict.fromkeys(one.account_id for one in positions))
    number_of = {account_id: number for number, account_id in enumerate(accounts)}
    with localcontext(EXACT):
        return PositionBook(
            asset=asset,
            sequence=state.counters.command,
            time=state.time or datetime.fromtimestamp(0, UTC),
            contracts=tuple(_terms(one, fund_ids) for one in markets),
            funds=tuple(_fund(state, fund_id, asset) for fund_id in fund_ids),
            account=np.array([number_of[one.account_id] for one in positions], np.int64),
            contract=np.array([place[one.symbol] for one in positions], np.int64),
            quantity=np.array([float(one.quantity) for one in positions]),
            cost=np.array([float(one.cost) for one in positions]),
            wallet=np.array([_wallet(one) for one in positions]),
            cross=np.array([_cross(state, account_id, asset) for account_id in accounts]),
            owner=np.arange(len(accounts)),
            inventory=np.array([_held(state, one) for one in markets]),
            digest="",
        )


def _is_in(state: State, asset: str, market: Market) -> bool:
    held = market.positions or _held(state, market)
    return market.contract.settlement_asset == asset and market.mark is not None and bool(held)


def _held(state: State, market: Market) -> float:
    inventory = [fund.inventory.get(market.contract.symbol) for fund in state.funds.values()]
    return sum(float(one.quantity) for one in inventory if one is not None)


def _positions(markets: list[Market]) -> Iterator[Position]:
    for market in markets:
        yield from market.positions.values()


def _wallet(position: Position) -> float:
    if not position.isolated:
        return float("nan")
    return 0.0 if position.wallet is None else float(position.wallet.balance)


def _cross(state: State, account_id: str, asset: str) -> float:
    wallet = state.accounts[account_id].wallets.get(asset)
    return 0.0 if wallet is None else float(wallet.balance)


def _terms(market: Market, fund_ids: list[str]) -> ContractTerms:
    contract, mark = market.contract, market.mark
    assert mark is not None
    rows = [
        (float(one.notional_floor), float(one.maintenance_margin_rate), float(one.cum))
        for one in contract.brackets
    ]
    return ContractTerms(
        symbol=contract.symbol,
        base_asset=contract.base_asset,
        fund=fund_ids.index(contract.insurance_fund),
        inverse=contract.margining == "inverse",
        size=float(contract.contract_size),
        mark=float(mark.price),
        brackets=np.array(rows),
    )


def _fund(state: State, fund_id: str, asset: str) -> FundTerms:
    fund = state.funds[fund_id]
    ratio = fund.policy.max_net_notional_ratio
    return FundTerms(fund_id, float(funds.balance(fund, asset)), float(ratio))

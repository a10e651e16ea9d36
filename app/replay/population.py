"""A seeded population of traders: heavy-tailed sizes, many leverages, both sides and both modes.

Everything is drawn from one `random.Random`; the same seed and inputs give the same traders.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.engine.commands import MarginMode, Side
from app.engine.contracts import Contract
from app.replay.terms import amount, in_asset, lots, rate, room

MEDIAN_CAPITAL = 2_500
SPREAD_OF_CAPITAL = 1.6
"""Capital is log-normal: half have less than 2,500, one in a hundred more than 100,000.

Of a coin they have as much as that is worth at the start.
"""
LEAST_CAPITAL, MOST_CAPITAL = 50, 2_000_000

LEVERAGES = {2: 5, 3: 7, 5: 14, 10: 24, 20: 24, 25: 8, 50: 10, 75: 4, 100: 2, 125: 2}
"""Leverage to weight; a contract's brackets bring it down where the position is too large."""
LONGS = 0.6
ISOLATED = 0.45
CONTRACTS_PER_TRADER = {1: 65, 2: 25, 3: 10}


@dataclass(frozen=True, slots=True)
class Stake:
    """What a trader does in one contract; `quantity` is that of the first order."""

    symbol: str
    side: Side
    leverage: int
    margin_mode: MarginMode
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ReplayTrader:
    """A trader with capital in one settlement asset."""

    account_id: str
    asset: str
    capital: Decimal
    stakes: tuple[Stake, ...]


def draw_population(
    chance: random.Random,
    contracts: Mapping[str, Contract],
    prices: Mapping[str, Decimal],
    count: int,
    prefix: str,
) -> list[ReplayTrader]:
    """`count` traders with accounts `prefix-0001`...; `prices` are those at the start."""
    return [
        _trader(chance, contracts, prices, f"{prefix}-{number:05d}")
        for number in range(1, count + 1)
    ]


def _trader(
    chance: random.Random,
    contracts: Mapping[str, Contract],
    prices: Mapping[str, Decimal],
    account_id: str,
) -> ReplayTrader:
    drawn = chance.lognormvariate(math.log(MEDIAN_CAPITAL), SPREAD_OF_CAPITAL)
    capital = amount(min(max(drawn, LEAST_CAPITAL), MOST_CAPITAL), 2)
    symbols = _symbols(chance, contracts, prices)
    first = contracts[symbols[0]]
    capital = in_asset(first, capital, prices[first.symbol])
    committed = capital * amount(chance.uniform(0.3, 0.9), 4) / len(symbols)
    stakes = (_stake(chance, contracts[symbol], prices[symbol], committed) for symbol in symbols)
    return ReplayTrader(account_id, first.settlement_asset, capital, tuple(stakes))


def _symbols(
    chance: random.Random, contracts: Mapping[str, Contract], prices: Mapping[str, Decimal]
) -> list[str]:
    """A few contracts of one settlement asset; those with room for large positions more often."""
    names = sorted(contracts)
    rooms = [
        contracts[name].brackets[-1].notional_cap * rate(contracts[name], prices[name])
        for name in names
    ]
    weights = [math.sqrt(most) for most in rooms]
    first = chance.choices(names, weights)[0]
    asset = contracts[first].settlement_asset
    wanted = _weighted(chance, CONTRACTS_PER_TRADER)
    chosen = {first: None}
    for symbol in chance.choices(names, weights, k=wanted - 1):
        if contracts[symbol].settlement_asset == asset:
            chosen[symbol] = None
    return list(chosen)


def _stake(chance: random.Random, contract: Contract, price: Decimal, committed: Decimal) -> Stake:
    """A position that puts `committed` in, less what the taker fee and a worse price need."""
    side: Side = "buy" if chance.random() < LONGS else "sell"
    margin_mode: MarginMode = "isolated" if chance.random() < ISOLATED else "cross"
    wanted = _weighted(chance, LEVERAGES)
    leverage = affordable_leverage(contract, committed, wanted)
    notional = min(committed * leverage, room(contract, leverage) * Decimal("0.9"))
    costs = 1 + leverage * (contract.taker_fee_rate + Decimal("0.005"))
    quantity = lots(contract, notional / costs, price)
    return Stake(contract.symbol, side, leverage, margin_mode, quantity)


def affordable_leverage(contract: Contract, margin: Decimal, wanted: int) -> int:
    """The highest usual leverage up to `wanted` that the brackets allow a stake of `margin`."""
    for leverage in sorted(LEVERAGES, reverse=True):
        if leverage <= wanted and contract.max_leverage(margin * leverage) >= leverage:
            return leverage
    return 1


def planned_notional(
    traders: list[ReplayTrader], contracts: Mapping[str, Contract], prices: Mapping[str, Decimal]
) -> dict[tuple[str, Side], Decimal]:
    """What the traders' first orders come to, by contract and side."""
    sides: tuple[Side, ...] = ("buy", "sell")
    totals: dict[tuple[str, Side], Decimal] = {(s, d): Decimal(0) for s in contracts for d in sides}
    for trader in traders:
        for stake in trader.stakes:
            value = contracts[stake.symbol].value(stake.quantity, prices[stake.symbol])
            totals[stake.symbol, stake.side] += abs(value)
    return totals


def _weighted(chance: random.Random, weights: Mapping[int, int]) -> int:
    return chance.choices(list(weights), list(weights.values()))[0]

"""What a trader does when its turn comes: enter, add, close, rest an order, or pay in again."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.engine.commands import Side
from app.engine.numbers import UNIT, ceil_to, floor_to
from app.replay.makers import CALM, QuotedMarket
from app.replay.population import LONGS, ReplayTrader, Stake
from app.replay.terms import amount, lots, order, room

TURNS_PER_MINUTE = 0.004
"""How many of all traders act in a calm minute; up to five times as many when prices race."""

CLOSE, ADD = 0.35, 0.8
"""Below the first of these draws a position is closed, below the second added to."""


@dataclass(slots=True)
class TraderMemory:
    """What a trader believes: its fills, and whether the last order wanted too much margin.

    It never asks the service, which would cost more than all else; a liquidation, an ADL or a
    filled take-profit order comes as a surprise, when closing is refused.
    """

    quantities: dict[str, Decimal] = field(default_factory=dict)
    is_short_of_money: bool = False
    has_resting_order: bool = False

    def learn(self, body: dict[str, Any], result: dict[str, Any]) -> None:
        """Take in what became of an order."""
        symbol = body["symbol"]
        if result["status"] == 201:
            filled = Decimal(result["order"]["filled_quantity"])
            held = self.quantities.get(symbol, Decimal(0))
            self.quantities[symbol] = held + (filled if body["side"] == "buy" else -filled)
        elif result["problem"]["code"] == "reduce_only_rejected":
            self.quantities[symbol] = Decimal(0)
        elif result["problem"]["code"] == "insufficient_margin":
            self.is_short_of_money = True

    def forget_resting(self) -> bool:
        """Whether there may be a resting order to cancel; there is none afterwards."""
        had, self.has_resting_order = self.has_resting_order, False
        return had


@dataclass(frozen=True, slots=True)
class Decision:
    """Money to pay in first, whether to cancel resting orders, and the orders to send."""

    deposit: Decimal = Decimal(0)
    cancel: bool = False
    orders: list[dict[str, Any]] = field(default_factory=list)


def turns(chance: random.Random, traders: int, minutes: float, speed: float) -> int:
    """How many traders act in `minutes` with prices moving at `speed`."""
    expected = traders * TURNS_PER_MINUTE * minutes * (1 + min(4.0, speed / CALM))
    return int(expected) + (chance.random() < expected % 1)


def decide(
    chance: random.Random,
    trader: ReplayTrader,
    memory: TraderMemory,
    markets: Mapping[str, QuotedMarket],
) -> Decision:
    """The trader's next move."""
    opened = sorted(s.symbol for s in trader.stakes if memory.quantities.get(s.symbol))
    if not opened:
        return _enter(chance, trader, memory, markets)
    symbol = chance.choice(opened)
    stake = next(stake for stake in trader.stakes if stake.symbol == symbol)
    quantity = memory.quantities[symbol]
    draw = chance.random()
    if draw < CLOSE:
        side: Side = "sell" if quantity > 0 else "buy"
        close = order(trader.account_id, symbol, side, abs(quantity), reduce_only=True)
        return Decision(cancel=memory.forget_resting(), orders=[close])
    if draw < ADD:
        return _add(chance, trader, quantity, stake, markets[symbol])
    return _rest(chance, trader, memory, quantity, markets[symbol])


def _enter(
    chance: random.Random,
    trader: ReplayTrader,
    memory: TraderMemory,
    markets: Mapping[str, QuotedMarket],
) -> Decision:
    """A new position; without the money for it, pay in again or give up for now."""
    deposit = Decimal(0)
    money = trader.capital
    if memory.is_short_of_money:
        if chance.random() < 0.5:
            return Decision()
        deposit = (trader.capital * amount(chance.uniform(0.3, 1), 4)).quantize(UNIT)
        money = deposit
        memory.is_short_of_money = False
    stake = chance.choice(trader.stakes)
    side: Side = "buy" if chance.random() < LONGS else "sell"
    margin = money * amount(chance.uniform(0.2, 0.9), 4)
    quantity = _affordable(stake, markets[stake.symbol], margin, Decimal(0))
    if quantity == 0:
        return Decision()
    return Decision(deposit, orders=[order(trader.account_id, stake.symbol, side, quantity)])


def _add(
    chance: random.Random, trader: ReplayTrader, held: Decimal, stake: Stake, market: QuotedMarket
) -> Decision:
    """More of the same, with a little of the capital."""
    margin = trader.capital * amount(chance.uniform(0.02, 0.2), 4)
    quantity = _affordable(stake, market, margin, abs(held))
    if quantity == 0:
        return Decision()
    side: Side = "buy" if held > 0 else "sell"
    return Decision(orders=[order(trader.account_id, stake.symbol, side, quantity)])


def _rest(
    chance: random.Random,
    trader: ReplayTrader,
    memory: TraderMemory,
    quantity: Decimal,
    market: QuotedMarket,
) -> Decision:
    """In place of older resting orders: take profit half to three per cent away."""
    contract = market.contract
    distance = amount(chance.uniform(0.005, 0.03), 4)
    if quantity > 0:
        side: Side = "sell"
        price = ceil_to(market.price * (1 + distance), contract.tick_size)
    else:
        side = "buy"
        price = floor_to(market.price * (1 - distance), contract.tick_size)
    body = order(trader.account_id, contract.symbol, side, abs(quantity), price, reduce_only=True)
    cancel = memory.forget_resting()
    memory.has_resting_order = True
    return Decision(cancel=cancel, orders=[body])


def _affordable(stake: Stake, market: QuotedMarket, margin: Decimal, held: Decimal) -> Decimal:
    """The quantity that `margin` opens with the stake's leverage, on top of `held`."""
    contract = market.contract
    costs = 1 + stake.leverage * (contract.taker_fee_rate + Decimal("0.005"))
    free = room(contract, stake.leverage) * Decimal("0.9") - abs(contract.value(held, market.price))
    notional = min(margin * stake.leverage / costs, free)
    return lots(contract, notional, market.price) if notional > 0 else Decimal(0)

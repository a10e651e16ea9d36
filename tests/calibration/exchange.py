"""An exchange in memory with traders of all kinds, for what-ifs: made by orders, as any."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Literal, NamedTuple

from app.engine.commands import Command, MarginMode
from app.engine.commands.accounts import AdjustMargin, ConfigureContract, Deposit
from app.engine.commands.contracts import CreateContract
from app.engine.commands.funds import ContributeToFund, CreateFund
from app.engine.commands.leaders import ContinueCascade
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Contract
from app.engine.engine import Engine
from app.engine.numbers import UNIT, floor_to
from app.engine.state import State
from tests.engine.world import contract, inverse, open_account

START = datetime(2026, 1, 1, tzinfo=UTC)
RICH = Decimal(10) ** 12
IN_COIN = (
    ("0", "1000", 100, "0.005"),
    ("1000", "10000", 50, "0.01"),
    ("10000", "1000000", 10, "0.05"),
)
CONTRACTS = (
    contract("XUSDT", "fund-x"),
    contract("YUSDT", "fund-y"),
    inverse("XUSD", "fund-coin", IN_COIN),
    inverse("XUSD2", "fund-coin-2", IN_COIN),
)
BRACKETS = (100, 100_000), (50, 1_000_000), (10, 100_000_000)
"""The most leverage that a position of up to so much may have, in all of them."""
PRICES = {"XUSDT": "100", "YUSDT": "500", "XUSD": "100", "XUSD2": "100"}


class Leg(NamedTuple):
    """What a trader does: `size` is the value of the position at entry, in the quote asset."""

    symbol: str
    side: Literal["buy", "sell"]
    size: int
    leverage: int


class Trader(NamedTuple):
    """One margin scope, or several isolated ones; `spare` beyond the margin, a fraction of it."""

    mode: MarginMode
    legs: tuple[Leg, ...]
    spare: Decimal = Decimal("0.01")


class Exchange:
    """An engine, driven a millisecond a command, each cascade to its end."""

    def __init__(self, contracts: Sequence[Contract] = CONTRACTS) -> None:
        self.engine, self.now = Engine(State()), START
        for fund_id in sorted({one.insurance_fund for one in contracts}):
            self.must(CreateFund(fund_id, fund_id))
        for one in contracts:
            self.must(CreateContract(one))
            self.must(Tick(one.symbol, Decimal(PRICES[one.symbol])))
        self.must(open_account("maker"))
        for asset in sorted({one.settlement_asset for one in contracts}):
            self.must(Deposit("maker", asset, RICH))
        for one in contracts:
            self.must(ConfigureContract("maker", one.symbol, 1))

    @property
    def state(self) -> State:
        return self.engine.state

    def must(self, command: Command) -> None:
        outcome = self.engine.apply(command, self.now)
        assert outcome.accepted, (command, outcome.result)
        self.now += timedelta(milliseconds=1)
        while self.state.cascades:
            self.engine.apply(ContinueCascade(min(self.state.cascades)), self.now)

    def seed(self, fund_id: str, asset: str, amount: str) -> None:
        self.must(ContributeToFund(fund_id, "main", asset, Decimal(amount), "seed_capital"))

    def open(self, name: str, trader: Trader) -> None:
        """The maker takes the other side of each leg, at mark."""
        self.must(open_account(name))
        for leg in trader.legs:
            self._enter(name, trader, leg)

    def _enter(self, name: str, trader: Trader, leg: Leg) -> None:
        market = self.state.markets[leg.symbol]
        terms, mark = market.contract, market.mark
        assert mark is not None
        unit = terms.contract_size * (1 if terms.margining == "inverse" else mark.price)
        quantity = max(terms.lot_size, floor_to(leg.size / unit, terms.lot_size))
        most = next(leverage for leverage, value in BRACKETS if leg.size < value)
        leverage = min(leg.leverage, most)
        margin = abs(terms.value(quantity, mark.price)) / leverage
        self.must(ConfigureContract(name, leg.symbol, leverage, trader.mode))
        money = (margin * (1 + trader.spare)).quantize(UNIT, ROUND_CEILING)
        self.must(Deposit(name, terms.settlement_asset, money))
        other: Literal["buy", "sell"] = "sell" if leg.side == "buy" else "buy"
        self.must(PlaceOrder("maker", leg.symbol, other, "limit", quantity, mark.price))
        self.must(PlaceOrder(name, leg.symbol, leg.side, "market", quantity, time_in_force="ioc"))
        if trader.mode == "isolated" and trader.spare > Decimal("0.1"):
            extra = (margin * trader.spare / 2).quantize(UNIT, ROUND_FLOOR)
            self.must(AdjustMargin(name, leg.symbol, "both", extra))

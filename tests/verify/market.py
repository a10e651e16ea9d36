"""A violent random market driven through real runners, with restarts in the middle of cascades."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.engine.commands import Command
from app.engine.commands.accounts import (
    AdjustMargin,
    ConfigureContract,
    DeclareOwner,
    Deposit,
    Withdraw,
)
from app.engine.commands.calibrations import AcceptCalibration, RejectCalibration
from app.engine.commands.contracts import CreateContract, UpdateContract
from app.engine.commands.delivery import SettleContract
from app.engine.commands.funding import SetFundingRate
from app.engine.commands.funds import (
    ContributeToFund,
    ContributeToTreasury,
    CreateFund,
    UpdateFund,
)
from app.engine.commands.keys import CreateKey, RevokeKey
from app.engine.commands.orders import CancelAllAfter, CancelOrders, PlaceOrder
from app.engine.commands.prices import IndexTick, Price, Tick
from app.engine.commands.triggered import AmendTriggered, PlaceGroup, PlaceTriggered
from app.engine.contracts import Contract, IndexSource
from app.engine.policies import DrawdownBreaker, FundPolicy, OffloadPolicy
from app.runner.clock import Clock
from app.runner.keys import make_key
from app.runner.runner import NotLeader, Runner
from app.runner.submission import By
from tests.engine.world import DEFAULT_BRACKETS, brackets, contract, inverse, open_account

TRADERS = [f"trader-{number:02}" for number in range(16)]
STEEP = brackets((("0", "700", 50, "0.01"), ("700", "100000", 20, "0.03")))


def _contracts() -> list[Contract]:
    return [
        replace(contract("AUSDT", "poor"), funding_interval_hours=1),
        replace(contract("BUSDT", "rich"), maker_fee_rate=Decimal("-0.0001"),
                taker_fee_rate=Decimal("0.0005")),
        replace(contract("CUSDC", "rich"), quote_asset="USDC", settlement_asset="USDC",
                brackets=STEEP, lot_size=Decimal("0.03"), mark_mode="derived",
                index_sources=(IndexSource("a", Decimal(1)),)),
        replace(inverse("DBTC", "rich"), contract_size=Decimal(100),
                taker_fee_rate=Decimal("0.0005"), funding_interval_hours=1,
                funding_mode="derived"),
    ]  # fmt: skip


AHEAD = datetime(2100, 1, 1, tzinfo=UTC)
SYMBOLS = [terms.symbol for terms in _contracts()]


def priced(symbol: str, price: Decimal, index: Decimal | None = None) -> Price:
    """What gives a contract a mark, or moves that which is derived."""
    if symbol == "CUSDC":
        return IndexTick(symbol, "a", price)
    return Tick(symbol, price, index)


def opening() -> list[Command]:
    """A fund that can take positions over and one that cannot, contracts, traders with money, and
    an account that nothing happens to: its orders wait in a contract that nobody moves.
    """
    generous = FundPolicy(
        max_net_notional_ratio=Decimal(1000), profit_hold_seconds=3600,
        drawdown_breaker=DrawdownBreaker(stop=Decimal(1)), max_payout_per_day=Decimal(100_000),
        offload=OffloadPolicy(interval_seconds=1, max_slippage=Decimal("0.5")),
    )  # fmt: skip
    eager = FundPolicy(
        automatic_top_up=True, adl_policy="pro_rata", trading_fee_share=Decimal("0.1")
    )
    commands: list[Command] = [CreateFund("poor", "P", eager), CreateFund("rich", "R", generous)]
    commands += [CreateContract(terms) for terms in _contracts()]
    commands += [priced(symbol, Decimal(100)) for symbol in SYMBOLS]
    commands += [
        ContributeToFund("poor", "main", "USDT", Decimal(5), "seed_capital"),
        ContributeToFund("rich", "main", "USDT", Decimal(5000), "seed_capital"),
        ContributeToFund("rich", "spare", "USDC", Decimal(5000), "seed_capital", "vault"),
        ContributeToFund("rich", "main", "BTC", Decimal(5000), "seed_capital"),
        UpdateFund("poor", required_minimum={"USDT": Decimal(100)}),
        ContributeToTreasury("USDT", Decimal(1000)),
    ]
    for number, trader in enumerate(TRADERS):
        commands += [open_account(trader)]
        commands += [Deposit(trader, asset, Decimal(200)) for asset in ("USDT", "USDC", "BTC")]
        for symbol in SYMBOLS:
            mode: Any = "isolated" if (number + len(commands)) % 3 == 0 else "cross"
            commands.append(ConfigureContract(trader, symbol, 50, mode))
    commands += [
        DeclareOwner(TRADERS[0], "desk"),
        AcceptCalibration("poor", "USDT", 1, Decimal(100), AHEAD),
        RejectCalibration("rich", "USDT", 2, AHEAD, "the book was another"),
    ]
    trailing = PlaceTriggered(
        "idle", "QUIET", "sell", "trailing_stop", Decimal(1), time_in_force="ioc",
        callback_rate=Decimal("0.1"),
    )  # fmt: skip
    quiet: list[Command] = [CreateContract(contract("QUIET", "rich")), Tick("QUIET", Decimal(100))]
    stop = replace(trailing, type="stop_market", callback_rate=None, trigger_price=Decimal(50))
    return [
        *commands, open_account("idle"), *quiet, trailing,
        AmendTriggered(1, quantity=Decimal(2)), PlaceGroup("oco", None, (trailing, stop)),
    ]  # fmt: skip


def delivered_soon() -> list[Command]:
    """A contract that two trade, and nobody else."""
    terms = replace(
        contract("EUSDT", "rich"), kind="delivery", settlement_fee_rate=Decimal("0.001")
    )
    orders: list[Command] = [
        PlaceOrder(trader, "EUSDT", side, "limit", Decimal("0.3"), Decimal(100))  # type: ignore[arg-type]
        for trader, side in zip(TRADERS[1:], ("sell", "buy"), strict=False)
    ]
    soon = datetime.now(UTC) + timedelta(minutes=25)
    listed = CreateContract(replace(terms, delivery_at=soon))
    return [listed, Tick("EUSDT", Decimal(100), Decimal(100)), *orders]


class Market:
    """Seeded commands; prices walk in large steps, so that positions are liquidated."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.marks = dict.fromkeys(SYMBOLS, Decimal(100))

    def batch(self) -> list[Command]:
        """Some commands of any kind."""
        return [self._anything() for _ in range(self.chance.randint(1, 40))]

    def crash(self) -> list[Command]:
        """All marks at once, far, but not ever further from 100."""
        down = self.marks[SYMBOLS[0]] > 100
        factor = Decimal(self.chance.choice((88, 93, 97) if down else (103, 107, 113))) / 100
        return [self._tick(symbol, factor) for symbol in SYMBOLS]

    def _tick(self, symbol: str, factor: Decimal) -> Price:
        index = self.marks[symbol]
        self.marks[symbol] = (index * factor).quantize(Decimal("0.01"))
        return priced(symbol, self.marks[symbol], index)

    def _anything(self) -> Command:
        chance = self.chance
        trader, symbol = chance.choice(TRADERS), chance.choice(SYMBOLS)
        asset = symbol[1:]
        amount = Decimal(chance.randint(1, 2000)) / 100
        match chance.randrange(35):
            case 0 | 1:
                return self._tick(symbol, Decimal(chance.randint(95, 105)) / 100)
            case 2:
                return CancelOrders(trader)
            case 3:
                return Withdraw(trader, asset, amount)
            case 4:
                return AdjustMargin(trader, symbol, "both", amount - 5)
            case 5 | 6 | 7:
                return Deposit(trader, asset, 5 * amount, "bank")
            case 8:
                return self._rare(trader, symbol)
            case 30:
                return SetFundingRate("AUSDT", amount / 1000 - Decimal("0.01"))
            case 31 | 32 | 33 | 34 as number:
                make = self._group if number == 34 else self._wait
                return make(trader, symbol)
            case 9:
                # The first account's row stays as it was when it was opened (test_versions).
                return CancelAllAfter(max(trader, TRADERS[1]), chance.choice([0, 1, 60]))
            case _:
                price = self.marks[symbol] * Decimal(chance.randint(980, 1020)) / 1000
                lots = Decimal(chance.randint(1, 2000))
                return PlaceOrder(
                    trader, symbol, chance.choice(["buy", "sell"]), "limit",
                    lots if symbol == "DBTC" else lots * 3 / 100, price.quantize(Decimal("0.01")),
                    chance.choice(["gtc", "gtc", "gtc", "ioc"]),
                    reduce_only=chance.random() < 0.1,
                    client_order_id=f"order-{chance.random()}",
                )  # fmt: skip

    def _group(self, trader: str, symbol: str) -> PlaceGroup:
        """A bracket around a limit order near the mark, or that and a stop."""
        stop = replace(self._wait(trader, symbol), reduce_only=False)
        assert stop.quantity is not None
        first = PlaceOrder(trader, symbol, stop.side, "limit", stop.quantity, self.marks[symbol])
        if self.chance.random() < 0.5:
            return PlaceGroup("oco", first, (stop,))
        closing = replace(
            stop, side="sell" if stop.side == "buy" else "buy", reduce_only=True,
            type="take_profit_market",
        )  # fmt: skip
        trailing = replace(
            closing, type="trailing_stop", trigger_price=None, callback_rate=Decimal("0.01")
        )
        return PlaceGroup("bracket", first, (closing, trailing))

    def _wait(self, trader: str, symbol: str) -> PlaceTriggered:
        chance, side = self.chance, self.chance.choice(("buy", "sell"))
        away = Decimal(chance.randint(1001, 1100)) / 1000
        price = self.marks[symbol] * (away if side == "buy" else 1 / away)
        return PlaceTriggered(
            trader, symbol, side, "stop_market",  # type: ignore[arg-type]
            Decimal(3 * chance.randint(1, 100)), time_in_force="ioc",
            reduce_only=chance.random() < 0.3,
            trigger_price=price.quantize(Decimal("0.01")),
            trigger_by=chance.choice(["mark", "last"]),
        )  # fmt: skip

    def _rare(self, trader: str, symbol: str) -> Command:
        chance = self.chance
        match chance.randrange(6):
            case 0:
                rows = chance.choice([STEEP, brackets(DEFAULT_BRACKETS)])
                return UpdateContract(symbol, {"brackets": rows})
            case 1:
                status = chance.choice(["trading", "trading", "trading", "reduce_only", "halted"])
                return UpdateContract(symbol, {"status": status})
            case 2:
                return CreateKey(make_key("spare", "trader", trader)[0])
            case 3:
                return RevokeKey(f"key-{trader}")
            case 4:
                return ContributeToFund("poor", "main", "USDT", Decimal(7), "top_up")
            case _:
                mode: Any = chance.choice(["cross", "isolated"])
                return ConfigureContract(trader, symbol, chance.choice((10, 25, 50)), mode)


async def live(address: str, seed: int, terms: int = 4, batches: int = 8) -> None:
    """A market's life: several leaders, each but the last stopped in the middle of a cascade.

    Each begins an hour after the one before, when fundings are due. The index of EUSDT is sampled
    by the first; that is too long ago when it is to be delivered, so an admin gives the price.
    """
    market = Market(seed)
    for term in range(terms):
        async with an_hour_later(term), Runner(address) as runner:
            if term == 0:
                await runner.submit([*opening(), *delivered_soon()])
            else:
                settle = SettleContract("EUSDT", Decimal("100.7"), "no index")
                await runner.submit([settle], by=By("k1", settle.reason))
            for _ in range(batches):
                await runner.submit(market.batch())
                await runner.submit(market.crash())
            if term < terms - 1:
                await cut_off(runner, market)


@asynccontextmanager
async def an_hour_later(hours: int) -> AsyncIterator[None]:
    """Leaders that begin meanwhile are so many hours ahead."""
    now = Clock.now
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clock, "now", lambda clock: now(clock) + timedelta(hours=hours))
        yield


async def cut_off(runner: Runner, market: Market) -> None:
    """Return while a cascade goes on; what is left of it is never done by this leader."""
    await runner.submit([UpdateContract(symbol, {"status": "trading"}) for symbol in SYMBOLS])
    for _ in range(60):
        await runner.submit(market.batch())
        crash = asyncio.create_task(_try(runner, market.crash()))
        while not crash.done():
            if runner.engine.state.cascades:
                return
            await asyncio.sleep(0)
    raise AssertionError("no cascade lasted")


async def _try(runner: Runner, commands: Sequence[Command]) -> None:
    try:
        await runner.submit(commands)
    except NotLeader:
        return

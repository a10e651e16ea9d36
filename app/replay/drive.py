"""The replay itself: step by step, trades, quotes, prices and traders' moves over HTTP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from app.engine.commands import Side
from app.engine.contracts import Contract
from app.engine.numbers import floor_to
from app.replay import feed, makers, setup
from app.replay.behaviour import Decision, TraderMemory, decide, turns
from app.replay.client import Json, Service
from app.replay.makers import STYLES, QuotedMarket, Style
from app.replay.population import ReplayTrader, draw_population, planned_notional
from app.replay.setup import Opening, Setting
from app.replay.steps import ReplayStep
from app.replay.tally import Tally
from app.replay.terms import enough, in_asset, order

DEPTH = Decimal("0.02")
"""Depth of a calm book, as a share of the traders' first positions on both sides."""
LEAST_DEPTH = Decimal(100_000)
"""In the quote asset."""
TURN_MS = 60_000


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """Who takes part; `start` (ms) and `prices` are those of the first step."""

    seed: int
    start: int
    traders: int
    prefix: str
    prices: dict[str, Decimal]
    fund_seed_capital: Decimal
    offload_seconds: int | None = None


class Replay:
    """One run against a service. `tally` is up to date at any time."""

    def __init__(self, service: Service, plan: ReplayPlan, contracts: dict[str, Contract]) -> None:
        self.tally = Tally()
        self._service = service
        self._plan = plan
        self._contracts = contracts
        self._chance = random.Random(plan.seed)  # noqa: S311 - the same run again is the point
        self.traders = draw_population(
            self._chance, contracts, plan.prices, plan.traders, plan.prefix
        )
        self._memories = {trader.account_id: TraderMemory() for trader in self.traders}
        self._wanted = planned_notional(self.traders, contracts, plan.prices)
        self.markets = {
            symbol: QuotedMarket(contract, self._depth(symbol), plan.prices[symbol])
            for symbol, contract in contracts.items()
        }
        self.makers = makers.maker_accounts(plan.prefix)
        self._tape = [f"{plan.prefix}-tape-a", f"{plan.prefix}-tape-b"]
        self._carried: dict[tuple[str, Side], Decimal] = {}
        self._turns_taken = plan.start

    def _depth(self, symbol: str) -> Decimal:
        planned = self._wanted[symbol, "buy"] + self._wanted[symbol, "sell"]
        least = in_asset(self._contracts[symbol], LEAST_DEPTH, self._plan.prices[symbol])
        return max(planned * DEPTH, least)

    async def open(self) -> None:
        """Endow funds, open accounts, and let the traders enter against the makers."""
        await self._offload(self._plan.offload_seconds)
        await setup.endow_funds(
            self._service,
            [
                (contract, in_asset(contract, self._plan.fund_seed_capital, price))
                for contract in self._contracts.values()
                for price in [self._plan.prices[contract.symbol]]
            ],
            self.tally,
        )
        await setup.open_accounts(self._service, self._openings(), self.tally)
        await self._tick(self._plan.prices, self._plan.prices)
        book: list[Json] = []
        sides: tuple[Side, ...] = ("buy", "sell")
        for symbol, market in self.markets.items():
            wanted = {side: self._wanted[symbol, side] for side in sides}
            book += makers.opening(market, wanted, self.makers.values())
        await self._place(book)
        entries = [
            order(trader.account_id, stake.symbol, stake.side, stake.quantity)
            for trader in self.traders
            for stake in trader.stakes
            if stake.quantity
        ]
        self._chance.shuffle(entries)
        await self._place(entries)
        for account in self.makers.values():
            await self._service.delete("/v1/orders", account_id=account)
        await self._place(await self._renewed())

    async def end(self) -> None:
        """Nothing moves any more: the books can be read."""
        await self._offload(None)

    async def _offload(self, seconds: int | None) -> None:
        if self._plan.offload_seconds is not None:
            await setup.have_funds_offload(self._service, self._contracts.values(), seconds)

    async def run(self, steps: Iterator[ReplayStep], report: Callable[[ReplayStep], None]) -> None:
        """Every step; `report` is called after each."""
        for step in steps:
            await self._replay_tape(step)
            for symbol, price in step.marks.items():
                self.markets[symbol].move(step.time, price)
                self.markets[symbol].quote = step.quotes.get(symbol)
            await self._place(await self._renewed() + await self._moves(step.time))
            await self._tick(step.marks, step.indexes)
            report(step)

    def _openings(self) -> list[Opening]:
        """Makers and tape accounts with deep pockets, then the traders."""
        assets = {
            market.contract.settlement_asset: makers.CAPITAL for market in self.markets.values()
        }
        settings = [
            Setting(symbol, makers.leverage(market.contract, self._depth(symbol) * 100), "cross")
            for symbol, market in self.markets.items()
        ]
        deep = [Opening(name, assets, settings) for name in (*self.makers.values(), *self._tape)]
        return deep + [
            Opening(
                trader.account_id,
                {trader.asset: trader.capital},
                [Setting(s.symbol, s.leverage, s.margin_mode) for s in trader.stakes],
            )
            for trader in self.traders
        ]

    async def _tick(self, marks: dict[str, Decimal], indexes: dict[str, Decimal]) -> None:
        """New prices; whoever they put at risk is liquidated before the answer comes.

        An index first: the mark of the same moment is later.
        """
        await self._feed("/v1/index-prices", "prices", feed.said(self._contracts, marks, indexes))
        await self._feed("/v1/prices/batch", "ticks", feed.ticks(self._contracts, marks, indexes))

    async def _feed(self, path: str, name: str, prices: list[Json]) -> None:
        if not prices:
            return
        answer = await self._service.post(path, {name: prices})
        self.tally.ticks += answer["accepted"]
        self.tally.ticks_refused.update(refused["code"] for refused in answer["refused"])
        self.tally.at_risk += answer["accounts_at_risk"]
        if answer["accounts_at_risk"]:
            for price in prices:
                self.markets[price["symbol"]].hit = True

    async def _renewed(self) -> list[Json]:
        """New quotes of every maker whose quotes are out of date; those are canceled first."""
        due = {
            style: [market for market in self.markets.values() if market.is_due(style)]
            for style in STYLES
        }
        await asyncio.gather(*(self._cancel(style, markets) for style, markets in due.items()))
        orders: list[Json] = []
        for style, markets in due.items():
            for market in markets:
                orders += makers.quotes(market, style, self.makers[style.name])
        return orders

    async def _cancel(self, style: Style, markets: list[QuotedMarket]) -> None:
        account = self.makers[style.name]
        standing = [market for market in markets if style.name in market.quoted]
        if len(standing) == len(self.markets):
            await self._service.delete("/v1/orders", account_id=account)
            return
        await asyncio.gather(
            *(
                self._service.delete(
                    "/v1/orders", account_id=account, symbol=market.contract.symbol
                )
                for market in standing
            )
        )

    async def _replay_tape(self, step: ReplayStep) -> None:
        """The recorded trades as market orders; what is below the minimum waits for more."""
        orders = []
        for print_ in step.prints:
            key = (print_.symbol, print_.taker_side)
            self._carried[key] = self._carried.get(key, Decimal(0)) + print_.quantity
            market = self.markets[print_.symbol]
            quantity = floor_to(self._carried[key], market.contract.lot_size)
            if enough(market.contract, quantity, market.price):
                self._carried[key] -= quantity
                orders.append(order(self._chance.choice(self._tape), *key, quantity))
        await self._place(orders)

    def _acting(self, time: int) -> list[ReplayTrader]:
        """The traders whose turn it is, once a minute."""
        minutes = (time - self._turns_taken) / TURN_MS
        if minutes < 1:
            return []
        self._turns_taken = time
        speed = max(market.speed for market in self.markets.values())
        count = turns(self._chance, len(self.traders), min(minutes, 5), speed)
        return self._chance.sample(self.traders, min(count, len(self.traders)))

    async def _moves(self, time: int) -> list[Json]:
        """The orders of the traders whose turn it is; what must happen before them is done."""
        decisions = [
            (trader, decide(self._chance, trader, self._memories[trader.account_id], self.markets))
            for trader in self._acting(time)
        ]
        await asyncio.gather(*(self._prepare(*decided) for decided in decisions))
        return [body for _, decision in decisions for body in decision.orders]

    async def _prepare(self, trader: ReplayTrader, decision: Decision) -> None:
        if decision.cancel:
            await self._service.delete("/v1/orders", account_id=trader.account_id)
        await setup.deposit(
            self._service, trader.account_id, trader.asset, decision.deposit, self.tally
        )

    async def _place(self, orders: list[Json]) -> None:
        """Send orders in order; traders learn, and fills make the near maker renew its quotes."""
        if not orders:
            return
        results = await self._service.orders(orders)
        self.tally.count_orders(results)
        for body, result in zip(orders, results, strict=True):
            if memory := self._memories.get(body["account_id"]):
                memory.learn(body, result)
            if result["status"] == 201 and Decimal(result["order"]["filled_quantity"]):
                self.markets[body["symbol"]].hit = True

"""A Hypothesis state machine: violent markets; after every command the naive model and all laws.

`HYPOTHESIS_EXAMPLES=2000 make test ARGS=tests/engine/test_machine.py` looks longer than usual."""

from __future__ import annotations

import os
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, get_args
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from app.engine.bounds import Bounds
from app.engine.commands import Command
from app.engine.commands.accounts import ConfigureContract
from app.engine.commands.contracts import ImportContracts, UpdateContract
from app.engine.commands.leaders import ContinueCascade
from app.engine.commands.orders import AmendOrder, CancelOrder, PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.commands.triggered import PlaceTriggered
from app.engine.figures import ranking
from app.engine.figures.orderbook import opposite
from app.engine.invariants import check_all, state_hash
from app.engine.policies import AdlPolicy, FundPolicy
from app.engine.rejections import Rejection
from tests.engine.arithmetic import affordable
from tests.engine.delivered import Delivered
from tests.engine.faults import Faults
from tests.engine.funded import Funded
from tests.engine.hedged import Hedged
from tests.engine.limited import Limited
from tests.engine.markets import (
    ACCOUNTS,
    CONTRACTS,
    FUNDS,
    SCALE,
    STEEP,
    TERMS,
    WHALE,
    assets,
    everyone,
    housekeeping,
    lots,
    money,
    moves,
    offers,
    seldom,
    sides,
    symbols,
    traders,
)
from tests.engine.offloading import Offloading
from tests.engine.oracles import foretell
from tests.engine.priced import Priced
from tests.engine.protected import Protected
from tests.engine.readings import check_readings
from tests.engine.triggering import Triggering
from tests.engine.world import World, differences, dump, replayed

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
STEPS = 50


class Exchange(
    Faults, Funded, Hedged, Triggering, Priced, Delivered, Protected, Offloading, Limited
):
    """Four traders and a whale, ten contracts, four funds, three settlement assets; most runs
    trade two contracts only (`busy`), so that accounts, orders and marks meet."""

    bounds = Bounds()

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.bounds)
        self.busy = sorted(TERMS)

    def pick(self, symbol: str) -> str:
        """The contract itself, or the one traded in its place."""
        return symbol if symbol in self.busy else self.busy[len(symbol) % len(self.busy)]

    @initialize(
        policies=st.tuples(*[st.sampled_from(get_args(AdlPolicy))] * len(FUNDS)),
        ratios=st.tuples(*[st.sampled_from(("0.2", "1", "1000"))] * len(FUNDS)),
        seeds=st.tuples(*[st.sampled_from(("", "10", "500", "100000"))] * len(FUNDS)),
        isolated=st.sets(st.tuples(traders, symbols), max_size=8),
        leverages=st.lists(
            st.tuples(everyone, symbols, st.sampled_from((1, 1, 25, 40, 50))), max_size=8
        ),
        trades=st.lists(st.tuples(traders, everyone, symbols, lots), min_size=4, max_size=12),
        quotes=st.lists(st.tuples(symbols, sides, lots), max_size=6),
        busy=st.sets(symbols, min_size=1, max_size=2) | st.just(set(TERMS)),
        hedged=st.sets(everyone) | st.just(set(ACCOUNTS)),
    )
    def open(
        self, policies: tuple[AdlPolicy, ...], ratios: tuple[str, ...], seeds: tuple[str, ...],
        isolated: set[tuple[str, str]], leverages: list[tuple[str, str, int]],
        trades: list[tuple[str, str, str, int]], quotes: list[tuple[str, str, int]],
        busy: set[str], hedged: set[str],
    ) -> None:  # fmt: skip
        """Funds, contracts, first marks, accounts with money and first positions."""
        self.busy = sorted(busy)
        self.list_contracts(policies, ratios, seeds)
        for account_id in (*ACCOUNTS, WHALE):
            self.world.account(account_id, "hedge" if account_id in hedged else "one_way")
            for asset in ("USDT", "USDC", "BTC"):
                self.world.deposit(account_id, "1000000" if account_id == WHALE else "200", asset)
        for account_id, symbol in sorted(isolated):
            self.send(ConfigureContract(account_id, self.pick(symbol), None, "isolated"))
        for account_id, symbol, leverage in leverages:
            self.send(ConfigureContract(account_id, self.pick(symbol), leverage))
        for buyer, seller, symbol, count in trades:
            self.meet(buyer, seller, symbol, count, "1")
        for symbol, side, count in quotes:
            self.quote(symbol, side, [count, count, count])

    def list_contracts(
        self, policies: tuple[AdlPolicy, ...], ratios: tuple[str, ...], seeds: tuple[str, ...]
    ) -> None:
        """Funds with their capital; contracts with their first marks."""
        for fund_id, ratio, adl in zip(FUNDS, ratios, policies, strict=True):
            policy = FundPolicy(max_net_notional_ratio=Decimal(ratio), adl_policy=adl)
            self.world.fund(fund_id, policy)
        for terms in CONTRACTS:
            self.world.contract(terms)
            self.world.must(Tick(terms.symbol, Decimal(100)))
        for fund_id, seed in zip(FUNDS, seeds, strict=True):
            if seed:
                self.world.seed(fund_id, seed, "BTC" if fund_id == "coin" else "USDT")

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command; what a rule refuses must have changed nothing."""
        world = self.world
        world.catch_up()
        if isinstance(command, PlaceOrder | PlaceTriggered):
            command = self.on_a_leg(command)
        before = dump(world.state)
        judge = foretell(world.state, command, world.next_time(), world.books.waiting)
        known = len(world.liquidations)
        outcome = world.apply(command)
        if isinstance(outcome.result, Rejection):
            assert not list(differences(before, dump(world.state))), outcome.result
        result = outcome.result
        if not hold:
            finished = world.finish()
            result = finished if result is None else result
        if not world.pending:
            judge(result, list(world.liquidations.values())[known:], world.state)

    def price(self, symbol: str, factor: str) -> Decimal:
        """A price on the tick grid at `factor` of mark."""
        mark = self.world.state.markets[symbol].mark
        assert mark is not None
        tick = TERMS[symbol].tick_size
        steps = (mark.price * Decimal(factor) / tick).to_integral_value(ROUND_HALF_EVEN)
        return max(steps, Decimal(1)) * tick

    def size(self, symbol: str, count: int) -> Decimal:
        """A quantity of some lots, about alike in value over the contracts."""
        return TERMS[symbol].lot_size * count * SCALE[symbol]

    @rule(buyer=everyone, seller=everyone, symbol=symbols, count=lots, factor=offers)
    def meet(self, buyer: str, seller: str, symbol: str, count: int, factor: str) -> None:
        """Two accounts trade with each other, if the book and their margins let them."""
        symbol = self.pick(symbol)
        price, size = self.price(symbol, factor), self.size(symbol, count)
        self.send(PlaceOrder(seller, symbol, "sell", "limit", size, price))
        self.send(PlaceOrder(buyer, symbol, "buy", "limit", size, price, "ioc"))

    @rule(symbol=symbols, side=sides, counts=st.lists(lots, min_size=1, max_size=3))
    def quote(self, symbol: str, side: Any, counts: list[int]) -> None:
        """The whale offers a few levels, some better than mark."""
        symbol = self.pick(symbol)
        for level, count in enumerate(counts):
            factor = ("1.003", "0.995", "0.97")[level] if side == "buy" else (
                "0.997", "1.005", "1.03")[level]  # fmt: skip
            size, price = self.size(symbol, count), self.price(symbol, factor)
            self.send(PlaceOrder(WHALE, symbol, side, "limit", size, price))

    @rule(
        account=everyone, symbol=symbols, side=sides, count=lots, factor=offers,
        in_force=st.sampled_from(("gtc", "gtc", "ioc", "fok", "gtx")), reduce_only=seldom,
        prevention=st.sampled_from(("expire_taker", "expire_maker", "expire_both")),
        hold=st.booleans(),
    )  # fmt: skip
    def limit_order(
        self, account: str, symbol: str, side: Any, count: int, factor: str, in_force: Any,
        reduce_only: bool, prevention: Any, hold: bool,
    ) -> None:  # fmt: skip
        """Any limit order."""
        symbol = self.pick(symbol)
        command = PlaceOrder(
            account, symbol, side, "limit", self.size(symbol, count), self.price(symbol, factor),
            in_force, reduce_only, self_trade_prevention=prevention,
        )  # fmt: skip
        self.send(command, hold=hold)

    @rule(account=everyone, symbol=symbols, side=sides, count=lots, reduce_only=seldom)
    def market_order(
        self, account: str, symbol: str, side: Any, count: int, reduce_only: bool
    ) -> None:
        """A market order."""
        symbol = self.pick(symbol)
        size = self.size(symbol, count)
        self.send(PlaceOrder(account, symbol, side, "market", size, None, "ioc", reduce_only))

    @rule(
        account=traders, symbol=symbols, side=sides, factor=offers, better=offers,
        in_force=st.sampled_from(("gtc", "ioc")),
    )  # fmt: skip
    def all_in(
        self, account: str, symbol: str, side: Any, factor: str, better: str, in_force: Any
    ) -> None:
        """Everything an account has on one order, which may fill at a better price than its own."""
        symbol = self.pick(symbol)
        price = self.price(symbol, factor)
        size = affordable(self.world.state, account, symbol, price)
        if size > 0:
            better_price = self.price(symbol, better)
            self.send(PlaceOrder(WHALE, symbol, opposite(side), "limit", size, better_price))
            self.send(PlaceOrder(account, symbol, side, "limit", size, price, in_force))

    @rule(
        account=traders, taker=everyone, symbol=symbols, side=sides,
        rungs=st.lists(st.tuples(lots, offers), min_size=2, max_size=4), move=moves,
    )  # fmt: skip
    def ladder(
        self, account: str, taker: str, symbol: str, side: Any, rungs: list[tuple[int, str]],
        move: str,
    ) -> None:  # fmt: skip
        """Resting orders at several prices; the mark moves; one order fills them one by one."""
        symbol = self.pick(symbol)
        for count, factor in rungs:
            price = self.price(symbol, factor)
            self.send(
                PlaceOrder(account, symbol, side, "limit", self.size(symbol, count), price, "gtx")
            )
        self.tick(symbol, move, hold=False)
        size = self.size(symbol, sum(count for count, _ in rungs))
        self.send(PlaceOrder(taker, symbol, opposite(side), "market", size, None, "ioc"))

    @precondition(lambda self: self.world.state.orders)
    @rule(data=st.data(), count=lots | st.none(), factor=offers | st.none())
    def change_order(self, data: st.DataObject, count: int | None, factor: str | None) -> None:
        """Amend one open order, or cancel it."""
        order_id = data.draw(st.sampled_from(sorted(self.world.state.orders)))
        symbol = self.world.state.orders[order_id].symbol
        size = None if count is None else self.size(symbol, count)
        price = None if factor is None else self.price(symbol, factor)
        if size or price:
            self.send(AmendOrder(order_id, size, price))
        else:
            self.send(CancelOrder(order_id))

    @rule(command=money)
    def move_money(self, command: Command) -> None:
        """Deposits, withdrawals, contributions, required minimums."""
        self.send(command)

    @rule(command=housekeeping)
    def keep_house(self, command: Command) -> None:
        """Leverage, margin mode, isolated margin, cancelling everything."""
        self.send(command)

    @rule(asset=assets)
    def go_on(self, asset: str) -> None:
        """One more step of a cascade under way."""
        self.send(ContinueCascade(asset), hold=True)

    @rule(symbol=symbols, status=st.sampled_from(("trading", "trading", "reduce_only", "halted")))
    def change_status(self, symbol: str, status: str) -> None:
        """Halt a contract, or let it trade."""
        symbol = self.pick(symbol)
        self.send(UpdateContract(symbol, {"status": status}))

    @rule(steep=st.booleans(), hold=st.booleans())
    def change_brackets(self, steep: bool, hold: bool) -> None:
        """Other margins under open positions, in both assets at once."""
        changed = [
            replace(market.contract, brackets=STEEP if steep else TERMS[symbol].brackets)
            for symbol, market in self.world.state.markets.items()
            if symbol in ("PLAIN", "OTHER")
        ]
        self.send(ImportContracts(tuple(changed)), hold=hold)

    @rule(hold=st.booleans())
    def recover(self, hold: bool) -> None:
        """A new leader begins."""
        self.world.restart()
        if not hold:
            self.world.finish()

    @rule(seconds=st.sampled_from((1, 61)), fresh=st.booleans())
    def later(self, seconds: int, fresh: bool) -> None:
        """Time passes; marks become stale, or are repeated."""
        self.world.later(Decimal(seconds))
        if fresh:
            self.crash("1")

    @invariant()
    def readers_see_the_truth(self) -> None:
        """Figures and queues at any moment, also within a cascade."""
        check_readings(self.world.state)

    @invariant()
    def nothing_waits_for_nobody(self) -> None:
        """A cascade in the state is known to be pending, so that somebody continues it."""
        assert set(self.world.state.cascades) <= self.world.pending, self.world.pending

    def teardown(self) -> None:
        """Finish, then replay all accepted commands: the same state comes out."""
        self.world.finish()
        again = replayed(self.world)
        found = list(differences(dump(self.world.state), dump(again.state)))
        assert not found, found[:5]
        assert state_hash(again.state) == state_hash(self.world.state)
        check_all(self.world.state)
        check_readings(self.world.state)


class Crowd(Exchange):
    """The same with bounds so small that every cascade has parts and every ADL queue is large."""

    bounds = Bounds(
        finds=2, liquidations=1, closed=1, ranks=1, large=1, payers=1, placements=1, closes=1
    )

    def __init__(self) -> None:
        super().__init__()
        self.blocks = patch.object(ranking, "BLOCK", 1)  # a size, no rule
        self.blocks.start()

    def teardown(self) -> None:
        """As ever, in such blocks."""
        try:
            super().teardown()
        finally:
            self.blocks.stop()


TestExchange = Exchange.TestCase
TestCrowd = Crowd.TestCase
TestExchange.settings = TestCrowd.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

"""A Hypothesis state machine: violent markets; after every command the naive model and all laws.

`HYPOTHESIS_EXAMPLES=2000 pytest tests/engine/test_machine.py` looks longer than the default.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.engine import cascade, ranking
from app.engine.commands import (
    AdjustMargin,
    CancelOrder,
    CancelOrders,
    Command,
    ConfigureContract,
    ContinueCascade,
    ContributeToFund,
    ContributeToTreasury,
    Deposit,
    FundPolicy,
    ImportContracts,
    PlaceOrder,
    Tick,
    UpdateContract,
    UpdateFund,
    Withdraw,
)
from app.engine.contracts import Contract
from app.engine.invariants import check_all, state_hash
from app.engine.rejections import Rejection
from tests.engine.oracles import foretell
from tests.engine.readings import check_readings
from tests.engine.world import World, brackets, contract, differences, dump, replayed

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "50"))
STEPS = 50

ACCOUNTS = ("ann", "bob", "cyd", "dan")
WHALE = "whale"
"""Quotes with deep pockets, so that liquidation orders find a book now and then."""
FUNDS = ("small", "large")
STEEP = brackets(
    (("0", "700", 50, "0.01"), ("700", "3000", 20, "0.03"), ("3000", "1000000", 4, "0.2"))
)
CONTRACTS: tuple[Contract, ...] = (
    contract("PLAIN", "small"),
    replace(
        contract("STEEP", "large"), brackets=STEEP, lot_size=Decimal("0.3"),
        tick_size=Decimal("0.07"),
        contract_size=Decimal("0.5"), taker_fee_rate=Decimal("0.0005"),
        maker_fee_rate=Decimal("-0.0002"), clearance_fee_rate=Decimal("0.005"),
        mark_staleness_seconds=60,
    ),
    replace(
        contract("FINE", "small"), lot_size=Decimal("0.007"), tick_size=Decimal("0.0013"),
        contract_size=Decimal("3.33"), taker_fee_rate=Decimal("0.01"), min_notional=Decimal(0),
        maker_fee_rate=Decimal("0.003"), clearance_fee_rate=Decimal(0),
        brackets=brackets((("0", "100000000", 40, "0.02"),)),
    ),
    replace(
        contract("OTHER", "large"), settlement_asset="USDC", quote_asset="USDC",
        clearance_fee_rate=Decimal("0.001"), price_band=Decimal("0.2"),
        liquidation_restore_ratio=Decimal(2),
    ),
)  # fmt: skip
TERMS = {terms.symbol: terms for terms in CONTRACTS}

SCALE = {"PLAIN": 500, "STEEP": 2, "FINE": 40, "OTHER": 700}
"""Lots that make contracts about alike in value."""

traders = st.sampled_from(ACCOUNTS)
everyone = st.sampled_from((*ACCOUNTS, WHALE))
symbols = st.sampled_from(sorted(TERMS))
sides = st.sampled_from(("buy", "sell"))
assets = st.sampled_from(("USDT", "USDT", "USDC"))
lots = st.integers(1, 60)
seldom = st.integers(0, 5).map(lambda number: number == 5)
amounts = st.sampled_from(("0.00000001", "3.33333333", "20", "75.5", "400", "5000"))
funds = st.sampled_from(FUNDS)
offers = st.sampled_from(("0.9", "0.97", "0.99", "0.997", "0.999", "1", "1", "1.001", "1.003",
                          "1.01", "1.03", "1.1"))  # fmt: skip
moves = st.sampled_from((
    "0.3", "0.8", "0.95", "0.97", "0.98", "0.985", "0.99", "0.995", "0.998", "1.002", "1.005",
    "1.01", "1.015", "1.02", "1.03", "1.05", "1.2", "3",
))  # fmt: skip

money = st.one_of(
    st.builds(Deposit, traders, assets, amounts.map(Decimal)),
    st.builds(Withdraw, everyone, assets, amounts.map(Decimal)),
    st.builds(ContributeToTreasury, assets, amounts.map(Decimal)),
    st.builds(
        ContributeToFund, funds, st.sampled_from(("main", "reserve")), assets,
        amounts.map(Decimal), st.sampled_from(("seed_capital", "adjustment", "top_up")),
    ),
    st.builds(
        UpdateFund, funds,
        required_minimum=st.dictionaries(assets, st.none() | amounts.map(Decimal), max_size=2),
    ),
)  # fmt: skip
housekeeping = st.one_of(
    st.builds(
        ConfigureContract, traders, symbols,
        st.sampled_from((None, 1, 3, 10, 25, 40, 50, 100)),
        st.sampled_from((None, "cross", "isolated")),
    ),
    st.builds(
        AdjustMargin, traders, symbols, st.just("both"),
        st.builds(lambda amount, sign: sign * Decimal(amount), amounts, st.sampled_from((1, -1))),
    ),
    st.builds(CancelOrders, everyone),
)  # fmt: skip


class Exchange(RuleBasedStateMachine):
    """Four traders and a whale, four contracts, two funds, two settlement assets."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()

    @initialize(
        ratios=st.tuples(*[st.sampled_from(("0.2", "1", "1000"))] * 2),
        seeds=st.tuples(*[st.sampled_from(("", "10", "500", "100000"))] * 2),
        isolated=st.sets(st.tuples(traders, symbols), max_size=6),
        leverages=st.lists(st.tuples(traders, symbols, st.sampled_from((25, 40, 50))), max_size=6),
        trades=st.lists(st.tuples(traders, everyone, symbols, lots), min_size=4, max_size=12),
        quotes=st.lists(st.tuples(symbols, sides, lots), max_size=6),
    )
    def open(
        self, ratios: tuple[str, str], seeds: tuple[str, str], isolated: set[tuple[str, str]],
        leverages: list[tuple[str, str, int]], trades: list[tuple[str, str, str, int]],
        quotes: list[tuple[str, str, int]],
    ) -> None:  # fmt: skip
        """Funds, contracts, first marks, accounts with money and first positions."""
        self.list_contracts(ratios, seeds)
        for account_id in (*ACCOUNTS, WHALE):
            self.world.account(account_id)
            for asset in ("USDT", "USDC"):
                self.world.deposit(account_id, "1000000" if account_id == WHALE else "200", asset)
        for account_id, symbol in sorted(isolated):
            self.world.must(ConfigureContract(account_id, symbol, None, "isolated"))
        for account_id, symbol, leverage in leverages:
            self.send(ConfigureContract(account_id, symbol, leverage))
        for buyer, seller, symbol, count in trades:
            self.meet(buyer, seller, symbol, count, "1")
        for symbol, side, count in quotes:
            self.quote(symbol, side, [count, count, count])

    def list_contracts(self, ratios: tuple[str, str], seeds: tuple[str, str]) -> None:
        """Funds with their capital; contracts with their first marks."""
        for fund_id, ratio in zip(FUNDS, ratios, strict=True):
            self.world.fund(fund_id, FundPolicy(max_net_notional_ratio=Decimal(ratio)))
        for terms in CONTRACTS:
            self.world.contract(terms)
            self.world.must(Tick(terms.symbol, Decimal(100)))
        for fund_id, seed in zip(FUNDS, seeds, strict=True):
            if seed:
                self.world.seed(fund_id, seed)

    def send(self, command: Command, *, hold: bool = False) -> None:
        """Apply a command; what a rule refuses must have changed nothing."""
        world = self.world
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
        price, size = self.price(symbol, factor), self.size(symbol, count)
        self.send(PlaceOrder(seller, symbol, "sell", "limit", size, price))
        self.send(PlaceOrder(buyer, symbol, "buy", "limit", size, price, "ioc"))

    @rule(symbol=symbols, side=sides, counts=st.lists(lots, min_size=1, max_size=3))
    def quote(self, symbol: str, side: Any, counts: list[int]) -> None:
        """The whale offers a few levels, some better than mark."""
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
        size = self.size(symbol, count)
        self.send(PlaceOrder(account, symbol, side, "market", size, None, "ioc", reduce_only))

    @rule(account=everyone, symbol=symbols)
    def close(self, account: str, symbol: str) -> None:
        """Close a whole position at any price."""
        position = self.world.state.accounts[account].positions.get((symbol, "both"))
        if position is not None and position.quantity:
            side: Any = "sell" if position.quantity > 0 else "buy"
            self.send(PlaceOrder(
                account, symbol, side, "market", abs(position.quantity), None, "ioc",
            ))  # fmt: skip

    @precondition(lambda self: self.world.state.orders)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Cancel one open order."""
        self.send(CancelOrder(data.draw(st.sampled_from(sorted(self.world.state.orders)))))

    @rule(command=money)
    def move_money(self, command: Command) -> None:
        """Deposits, withdrawals, contributions, required minimums."""
        self.send(command)

    @rule(command=housekeeping)
    def keep_house(self, command: Command) -> None:
        """Leverage, margin mode, isolated margin, cancelling everything."""
        self.send(command)

    def may_tick(self, symbol: str) -> bool:
        """The runner holds ticks back while their asset's cascade goes on (MRK-2)."""
        return TERMS[symbol].settlement_asset not in self.world.state.cascades

    @rule(symbol=symbols, factor=moves, hold=st.booleans())
    def tick_again(self, symbol: str, factor: str, hold: bool) -> None:
        """More ticks than anything else."""
        self.tick(symbol, factor, hold)

    @rule(symbol=symbols, factor=moves, hold=st.booleans())
    def tick(self, symbol: str, factor: str, hold: bool) -> None:
        """A new mark; violent ones among them."""
        if self.may_tick(symbol):
            self.send(Tick(symbol, self.price(symbol, factor)), hold=hold)

    @rule(factor=moves)
    def crash(self, factor: str) -> None:
        """All marks move together."""
        for symbol in TERMS:
            if self.may_tick(symbol):
                self.send(Tick(symbol, self.price(symbol, factor)))

    @rule(asset=assets)
    def go_on(self, asset: str) -> None:
        """One more step of a cascade under way."""
        self.send(ContinueCascade(asset), hold=True)

    @rule(symbol=symbols, status=st.sampled_from(("trading", "trading", "reduce_only", "halted")))
    def change_status(self, symbol: str, status: str) -> None:
        """Halt a contract, or let it trade."""
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

    def __init__(self) -> None:
        super().__init__()
        self.bounds = ExitStack()
        for module, changes in BOUNDS.items():
            self.bounds.enter_context(patch.multiple(module, **changes))

    def teardown(self) -> None:
        """As ever, within the bounds."""
        with self.bounds:
            super().teardown()


BOUNDS: dict[Any, dict[str, Any]] = {
    ranking: {"LARGE": 1, "RANKS_PER_STEP": 1, "BLOCK": 1},
    cascade: {"FINDS_PER_STEP": 2, "LIQUIDATIONS_PER_STEP": 1},
}

TestExchange = Exchange.TestCase
TestCrowd = Crowd.TestCase
TestExchange.settings = TestCrowd.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip

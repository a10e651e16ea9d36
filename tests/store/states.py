"""A small exchange in which every table has rows, built with the engine's own `Step`s."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.engine.commands import Command, PositionSide, Side
from app.engine.commands.accounts import Deposit
from app.engine.commands.keys import NewKey
from app.engine.commands.leaders import Incident
from app.engine.contracts import Contract, IndexSource, build_brackets
from app.engine.events import (
    AdlEvent,
    ClearanceFee,
    ContractSettled,
    Deleveraged,
    FundingPayment,
    FundingSettled,
    IndexSample,
    Liquidation,
    LiquidationStep,
    OffloadStep,
    PositionSettled,
    QueueEntry,
    Trade,
)
from app.engine.figures import orderbook
from app.engine.markets import Delivery, Funding, Market
from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.outcome import Outcome, OwnerResult
from app.engine.policies import DrawdownBreaker, FundPolicy
from app.engine.results import Done
from app.engine.scopes import wallet_key
from app.engine.state import Fund, State
from app.engine.step import Step
from app.engine.traders import (
    Account,
    ContractSettings,
    Group,
    HeldProfit,
    Order,
    Position,
    TriggeredOrder,
    Wallet,
)
from tests.store.verdicts import decide

START = datetime(2026, 1, 1, tzinfo=UTC)
NASTY = 'tab\there "quoted" back\\slash {brace}, comma\nnewline \\N NULL \u00e9\U0001f40d'
"""Text that a careless writer would break on."""


class Exchange:
    """A state and the outcomes that made it; every method is one command."""

    def __init__(self) -> None:
        self.state = State()
        self.outcomes: list[Outcome] = []

    def step(self, command: Command | None = None) -> Step:
        """A new step, one second after the last."""
        now = START + timedelta(seconds=self.state.counters.command)
        step = Step(self.state, command or Deposit("alice", "USDT", Decimal(1), NASTY), now)
        step.outcome.result = Done()
        step.finish()
        self.outcomes.append(step.outcome)
        return step

    def list_contract(self, symbol: str, fund_id: str) -> Market:
        """A contract with two brackets, and a mark."""
        step = self.step()
        contract = Contract(
            symbol, symbol[:-4], "USDT", "USDT", "perpetual", "linear", Decimal(1),
            Decimal("0.10"), Decimal("0.001"), Decimal(5), Decimal("0.0002"), Decimal("0.0005"),
            Decimal("0.0125"), fund_id, build_brackets([
                (Decimal(0), Decimal(50000), 125, Decimal("0.004"), None),
                (Decimal(50000), Decimal(600000), 100, Decimal("0.005"), None),
            ]), mark_staleness_seconds=60, price_band=Decimal("0.25"),
            tick_jump_limit=Decimal("0.35"), open_interest_cap=Decimal("0.5"),
            open_interest_multiple=Decimal(3), mark_mode="derived", mid_window_seconds=60,
            index_sources=(IndexSource("a", Decimal("1.5")), IndexSource(NASTY, Decimal(1))),
        )  # fmt: skip
        step.list_contract(contract)
        market = self.state.markets[symbol]
        step.set_mark(market, Mark(
            symbol=symbol, price=Decimal("60000.5"), time=step.now, index_price=Decimal(59999),
            source_time=step.now - timedelta(seconds=1), sequence=2**40,
        ))  # fmt: skip
        for name, told in (("a", step.now), (NASTY, None)):
            price, as_of = Decimal("59999.125"), step.now + timedelta(hours=1)  # not silent yet
            step.set_source_price(market, SourcePrice(symbol, name, price, as_of, told))
        for place in (149, 0):
            step.add_mid(market, MidSample(
                symbol, place, step.now - timedelta(seconds=place), Decimal("-0.125"),
            ))  # fmt: skip
        step.set_funding(market, Funding(
            symbol, step.now + timedelta(hours=1), Decimal("0.0001"), step.now, Decimal("-0.0002"),
            Decimal("60000.5"), "alice", "both", Decimal("0.00000001"), Decimal("-0.00012345"),
            step.now, Decimal("1.00000000123456"), Decimal("3599.123456"), Decimal("0.00000001"),
        ))  # fmt: skip
        step.set_delivery(market, Delivery(
            symbol, "held", 12, Decimal("720006.5"), step.now, Decimal("60000.25"), NASTY,
        ))  # fmt: skip
        return market

    def price(self, symbol: str, mark: str, index: str) -> None:
        """Mark and index price of a contract, from one tick."""
        step, market = self.step(), self.state.markets[symbol]
        step.set_mark(market, Mark(symbol, Decimal(mark), step.now, Decimal(index)))
        step.tell_index_price(symbol, Decimal(index))

    def open_fund(self, fund_id: str) -> Fund:
        """A fund with money in a wallet of a later name, then in `main`."""
        step = self.step()
        policy = FundPolicy(
            max_net_notional_ratio=Decimal("1.5"), share_below_minimum=Decimal("0.75"),
            share_above_minimum=Decimal("0.25"), drawdown_breaker=DrawdownBreaker(),
            max_payout_per_day=Decimal(1000),
        )  # fmt: skip
        step.add_fund(fund_id, NASTY, policy)
        fund = self.state.funds[fund_id]
        step.set_minimum(fund, "USDT", Decimal("1000.50"))
        for name in ("spare", "main"):
            wallet = step.fund_wallet(fund, "USDT", name)
            outside = step.wallet("external", "", "USDT")
            step.transfer("seed_capital", outside, wallet, Decimal(500), reference=NASTY)
        step.warned(fund.memory["USDT"], Decimal("0.80"), Decimal(0))
        return fund

    def pay_into_treasury(self) -> None:
        """Money of the exchange's own, the first of its history."""
        step = self.step()
        outside, treasury = step.wallet("external", "", "USDT"), step.wallet("treasury", "", "USDT")
        step.transfer("contribution", outside, treasury, Decimal("70.5"), reference=NASTY)

    def move(self, fund: Fund, symbol: str, amount: str) -> None:
        """Money into a fund, or out of it with an ADL in a contract behind it."""
        step = self.step()
        outside, wallet = (
            step.wallet("external", "", "USDT"),
            step.fund_wallet(fund, "USDT", "main"),
        )
        step.transfer("adjustment", outside, wallet, Decimal(amount))
        if Decimal(amount) < 0:
            step.tell_volume("adl", self.state.markets[symbol].contract, Decimal(1), Decimal(5))

    def open_account(self, account_id: str, symbol: str, margin_mode: Any = "cross") -> Account:
        """An account with its key, settings in a contract and money."""
        step = self.step()
        step.add_account(account_id, "one_way")
        step.set_owner(self.state.accounts[account_id], NASTY)
        account = self.state.accounts[account_id]
        step.set_settings(account, ContractSettings(account_id, symbol, 20, margin_mode))
        step.set_countdown(account, START + timedelta(hours=1))
        number = len(self.state.keys)
        step.add_key(NewKey(f"key-{number}", NASTY, "trader", f"{number:064x}", account_id))
        wallet = step.cross_wallet(account, "USDT")
        step.transfer("deposit", step.wallet("external", "", "USDT"), wallet, Decimal(1000))
        for minutes, won in ((1, "-0.00000001"), (3, "12.5")):
            since = START + timedelta(minutes=minutes)
            step.add_profit(HeldProfit(account_id, symbol, since, since), Decimal(won))
        step.note_payout(symbol)
        step.tell_owner(OwnerResult(NASTY, symbol, Decimal(7), Decimal("2.5"), Decimal("1E-8")))
        return account

    def hold(self, account: Account, symbol: str, quantity: str, cost: str) -> Position:
        """Give an account a position; an isolated one gets ten of margin."""
        step = self.step()
        position = step.position(account, symbol, "both")
        step.set_position(position, Decimal(quantity), Decimal(cost))
        if account.settings[symbol].margin_mode == "isolated" and not position.wallet:
            wallet = step.isolated_wallet(position)
            cross = step.cross_wallet(account, "USDT")
            step.transfer("margin_in", cross, wallet, Decimal(10), symbol=symbol)
        return position

    def close(self, position: Position) -> None:
        """Take a position away, its margin back."""
        step = self.step()
        account = self.state.accounts[position.account_id]
        step.set_position(position, Decimal(0), Decimal(0))
        if position.wallet:
            cross = step.cross_wallet(account, "USDT")
            step.transfer("margin_out", position.wallet, cross, position.wallet.balance)
        step.forget_empty(position)

    def rest(
        self,
        account: Account,
        symbol: str,
        side: Side,
        price: str,
        *,
        reduce_only: bool = False,
        leg: PositionSide = "both",
    ) -> Order:
        """Rest an order of 0.5 in the book."""
        step = self.step()
        order = Order(
            step.next_id("order"), account.account_id, symbol, leg, side, "limit", "gtc",
            Decimal(price), Decimal("0.50"), reduce_only, "expire_taker", NASTY, step.now, step.now,
        )  # fmt: skip
        step.open_order(order, step.position(account, symbol, leg))
        return order

    def fill(self, order: Order, quantity: str) -> Trade:
        """Fill part of a resting order against `taker`."""
        step = self.step()
        assert order.price is not None
        amount = Decimal(quantity)
        value = self.state.markets[order.symbol].contract.value(amount, order.price)
        trade = Trade(
            step.next_id("trade"), step.now, order.symbol, order.price, amount, value,
            orderbook.opposite(order.side), "taker", None, Decimal("0.00000001"), order.account_id,
            order.order_id, Decimal("-0.01"), None, "both", order.position_side,
        )  # fmt: skip
        step.outcome.records.append(trade)
        step.set_last(self.state.markets[order.symbol], order.price)
        step.fill_order(order, amount, value)
        step.set_agreed_price(self.state.markets[order.symbol], order.price)
        return trade

    def wait(self, account: Account, symbol: str, trigger: str, *, fired: bool = False) -> None:
        """Two orders that wait for a price, or of which one is `fired`."""
        step = self.step()
        orders = [
            TriggeredOrder(
                step.next_id("order"), account.account_id, symbol, "both", "sell", "stop_market",
                Decimal(trigger), "last", quantity, None, "ioc", quantity is None, "expire_taker",
                NASTY, step.now, step.now,
            )
            for quantity in (Decimal("0.50"), None)
        ]  # fmt: skip
        for order in orders:
            step.accept_triggered(order)
        if fired:
            step.fire(orders[0])

    def trail(self, account: Account, symbol: str, price: str) -> None:
        """A trailing stop that follows from this price."""
        step = self.step()
        order = TriggeredOrder(
            step.next_id("order"), account.account_id, symbol, "both", "buy", "trailing_stop",
            None, "mark", Decimal("0.50"), None, "ioc", False, "expire_taker", NASTY,
            step.now, step.now, callback_rate=Decimal("0.010"),
        )  # fmt: skip
        step.accept_triggered(order)
        step.follow(order, Decimal(price))

    def group(self, order: Order) -> None:
        """A bracket of an open order, of which nothing was filled yet."""
        step = self.step()
        group = Group(order.order_id, "bracket", order.account_id, order.order_id, 3)
        for rate in ("0.01", "0.02"):
            waiting = TriggeredOrder(
                step.next_id("order"), order.account_id, order.symbol, "both", "sell",
                "trailing_stop", None, "mark", Decimal("0.50"), None, "ioc", False, "expire_taker",
                NASTY, step.now, step.now, callback_rate=Decimal(rate), group_id=group.group_id,
                dormant=True,
            )  # fmt: skip
            step.accept_triggered(waiting)
        step.add_group(group)

    def requeue(self, order: Order, quantity: str) -> None:
        """Put an order behind the others at its price, with another quantity."""
        step, account = self.step(), self.state.accounts[order.account_id]
        assert order.price is not None
        step.requeue_order(order, Decimal(quantity), order.price)
        step.open_order(order, account.positions[order.symbol, order.position_side])

    def liquidate(self, fund: Fund, symbol: str) -> Liquidation:
        """Records of a liquidation that ended in takeover and ADL."""
        step = self.step()
        outcome = step.outcome
        one, price = Decimal(1), Decimal("59000.12345678")
        record = Liquidation(
            step.next_id("liquidation"), step.next_id("liquidation_event"), step.now, "alice",
            symbol, fund.fund_id, "long", "both", "isolated", Decimal(3), price, price, one, one,
            filled_quantity=one, taken_over_quantity=one, deleveraged_quantity=one,
            outcome="mixed", steps=[
                LiquidationStep("trigger", {"mark_price": "59000"}),
                LiquidationStep("end", {"note": NASTY}),
            ],
        )  # fmt: skip
        outcome.records.append(record)
        step.tell_volume("liquidation", self.state.markets[symbol].contract, Decimal(-3), price)
        outcome.records.append(ClearanceFee(
            record.liquidation_id, step.now, symbol, fund.fund_id, "USDT", Decimal("0.0125"),
            price, Decimal(3), Decimal(2), one, capped=True,
        ))  # fmt: skip
        outcome.records.append(AdlEvent(
            step.next_id("adl_event"), record.liquidation_id, step.now, symbol, fund.fund_id,
            "long", one, price, price, one, price, one, 2, (QueueEntry("bob", "both", "1", "1"),),
            (
                Deleveraged(1, "bob", "both", one, one, one, price, one, "bankruptcy_price"),
                Deleveraged(1, "bob", "both", one, one, one, price, one, "mark_price"),
            ),
            step.now,
        ))  # fmt: skip
        outcome.records.append(FundingPayment(
            outcome.sequence, "alice", symbol, "both", step.now, Decimal(-3), price, one, one,
        ))  # fmt: skip
        outcome.records.append(FundingSettled(
            outcome.sequence, symbol, step.now, one, price, Decimal(0),
        ))  # fmt: skip
        outcome.records.append(IndexSample(outcome.sequence, symbol, step.now, price))
        outcome.records.append(PositionSettled(
            outcome.sequence, "alice", symbol, "both", step.now, Decimal(-3), price, one, one, one,
        ))  # fmt: skip
        outcome.records.append(ContractSettled(
            outcome.sequence, symbol, step.now, step.now, price, "admin", NASTY, 12, one,
            Decimal("-0.00000002"),
        ))  # fmt: skip
        step.alert("adl", fund.fund_id, "USDT", quantity=one, note=NASTY)
        step.release(Incident(1, "Deposit", digest="d"), NASTY)
        step.set_inventory(fund, symbol, one, price)
        return record

    def offload(self, fund: Fund, symbol: str) -> None:
        """A step in which a fund has sold some of what it holds, which goes on."""
        step, one, price = self.step(), Decimal(1), Decimal("59000.12345678")
        step.outcome.records.append(OffloadStep(
            step.outcome.sequence, step.now, fund.fund_id, symbol, "sell", Decimal("-1.5"), price,
            one, price, one, price, Decimal("-0.00000003"), None,
        ))  # fmt: skip
        step.set_inventory(fund, symbol, one, price)
        step.set_offload(fund.inventory[symbol], step.now, price)


def small_exchange() -> Exchange:
    """Two funds, two contracts, cross and isolated accounts, orders on both sides, inventory."""
    exchange = Exchange()
    funds = [exchange.open_fund("zeta"), exchange.open_fund("alpha")]
    decide(exchange.step(), funds[0])
    exchange.pay_into_treasury()
    exchange.list_contract("ETHUSDT", "alpha")
    exchange.list_contract("BTCUSDT", "zeta")
    alice = exchange.open_account("alice", "BTCUSDT", "isolated")
    bob = exchange.open_account("bob", "BTCUSDT")
    exchange.open_account("taker", "ETHUSDT")
    exchange.hold(alice, "BTCUSDT", "2.0", "120000.00000001")
    exchange.hold(bob, "BTCUSDT", "-3.0", "-179000.12345679")
    exchange.rest(bob, "BTCUSDT", "sell", "60100.10")
    partly = exchange.rest(alice, "BTCUSDT", "buy", "59000.0")
    exchange.rest(bob, "BTCUSDT", "buy", "59000.0", reduce_only=True)
    exchange.rest(bob, "ETHUSDT", "buy", "1.5")
    exchange.fill(partly, "0.2")
    exchange.requeue(exchange.rest(bob, "BTCUSDT", "buy", "59000.0"), "0.7")
    exchange.wait(alice, "BTCUSDT", "58000.0")
    exchange.wait(bob, "BTCUSDT", "58000.5", fired=True)
    exchange.group(exchange.rest(bob, "ETHUSDT", "buy", "1.4"))
    for price in ("59999.0", "59999.0", "59998.5"):
        exchange.trail(bob, "BTCUSDT", price)
    exchange.offload(funds[0], "BTCUSDT")
    exchange.fill(exchange.rest(alice, "ETHUSDT", "sell", "4000"), "0.5")
    exchange.liquidate(funds[0], "BTCUSDT")
    return exchange


DERIVED = {
    "triggers", "rankings", "trigger_version", "cascades", "ranked", "unranked", "valued", "value",
    "margin", "armed", "base", "weighed", "free", "schedule", "deliveries",
    "offloads", "reminders", "to_place", "since", "watch_at",
}  # fmt: skip
"""What the engine makes again after a start."""


def facts(state: State) -> Any:
    """All that a state says, comparable; decimals with their value only."""
    found = picture(state)
    found["wallets"] = {key: wallet for key, wallet in found["wallets"].items() if wallet}
    return found


def picture(value: Any) -> Any:
    """Any part of a state as dicts and lists, without what is derived.

    An isolated wallet that is empty says as little as none.
    """
    if isinstance(value, Wallet) and value.kind == "isolated" and value.balance == 0:
        return None
    if is_dataclass(value):
        return {
            field.name: picture(getattr(value, field.name))
            for field in fields(value)
            if field.name not in DERIVED
        }
    if isinstance(value, dict):
        return {key: picture(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [picture(item) for item in value]
    return value


def cross_key(account_id: str) -> str:
    """The key of an account's cross wallet."""
    return wallet_key("cross", account_id, "USDT")

"""What a scenario can ask of the world: one method per word at the start of a line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import cast

from app.engine.cascades import rates
from app.engine.commands import PositionSide
from app.engine.commands.leaders import ContinueCascade
from app.engine.events import Liquidation
from app.engine.figures.margin import cross_summary, position_summary
from app.engine.figures.sources import weigh
from app.engine.numbers import EXACT
from app.engine.trading.funds import unrealized_profit
from app.engine.trading.offloading import next_step
from tests.engine.shown import Shown, same
from tests.engine.world import START, World

SHORT = {"adl": "deleveraged_quantity", "bankruptcy": "bankruptcy_price", "fee": "clearance_fee",
         "filled": "filled_quantity", "fund": "fund_amount", "netted": "netted_quantity",
         "maintenance": "maintenance_margin",
         "mark": "mark_price", "taken": "taken_over_quantity", "to_fund": "clearance_fee_to_fund",
         "treasury": "treasury_amount", "wallet": "final_wallet"}  # fmt: skip
"""Short names of a liquidation's fields."""


class Expectations(Shown):
    """Expectations on positions, wallets, totals, orders and the append-only records."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.names: dict[str, int] = {}

    def expect_position(self, account: str, symbol: str, quantity: str, *cost: str) -> None:
        """`position alice TEST 10 cost 1000`, `position alice/long TEST none`."""
        account, leg = _leg(account)
        position = self.world.state.accounts[account].positions.get((symbol, leg))
        held = position.quantity if position else Decimal(0)
        if quantity == "none":
            assert held == 0, f"holds {held}"
            return
        assert held == Decimal(quantity), f"holds {held}"
        if cost:
            assert position is not None
            assert position.cost == Decimal(cost[1]), f"cost is {position.cost}"

    def expect_prices(self, account: str, symbol: str, *options: str) -> None:
        """`prices alice TEST entry=1 liquidation=0.96 bankruptcy=none`: as the owner reads them."""
        account, leg = _leg(account)
        owner = self.world.state.accounts[account]
        with localcontext(EXACT):
            shown = position_summary(self.world.state, owner, owner.positions[symbol, leg])
        for name, price in (option.split("=") for option in options):
            found = getattr(shown, f"{name}_price")
            assert same(found, price), f"{name} price is {found}"

    def expect_mark(self, symbol: str, price: str, *index: str) -> None:
        """`mark TEST 100.5 [index=100]`: a contract's mark, and its index price."""
        mark = self.world.state.markets[symbol].mark
        assert mark is not None
        assert mark.price == Decimal(price), f"mark is {mark.price}"
        for text in index:
            assert same(mark.index_price, text.removeprefix("index=")), mark.index_price

    def expect_sources(self, symbol: str, *weights: str) -> None:
        """`sources TEST a=1 b=0`: how much each counts with the next command (MRK-3)."""
        market, now = self.world.state.markets[symbol], self.world.next_time()
        with localcontext(EXACT):
            found = weigh(market.contract, market.sources, now)
        assert [f"{one.source}={one.weight}" for one in found] == list(weights), found

    def expect_wallet(self, key: str, amount: str) -> None:
        """`wallet cross/alice/USDT 990`, `wallet isolated/alice/USDT/TEST:both 5`."""
        wallet = self.world.state.wallets.get(key)
        balance = wallet.balance if wallet else Decimal(0)
        assert balance == Decimal(amount), f"{key} holds {balance}"

    def expect_revenue(self, asset: str, amount: str) -> None:
        """The exchange's fee income."""
        self._by_kind("revenue", asset, amount)

    def expect_treasury(self, asset: str, amount: str) -> None:
        """The exchange's own money."""
        self._by_kind("treasury", asset, amount)

    def _by_kind(self, kind: str, asset: str, amount: str) -> None:
        wallets = self.world.state.wallets.values()
        held = sum((w.balance for w in wallets if (w.kind, w.asset) == (kind, asset)), Decimal(0))
        assert held == Decimal(amount), f"{kind} holds {held}"

    def expect_balance(self, fund: str, asset: str, amount: str) -> None:
        """A fund's balance in an asset: the sum of its wallets (FND-6)."""
        held = sum(
            (w.balance for w in self.world.state.funds[fund].wallets if w.asset == asset),
            Decimal(0),
        )
        assert held == Decimal(amount), f"{fund} holds {held}"

    def expect_inventory(self, fund: str, symbol: str, quantity: str, *cost: str) -> None:
        """`inventory F TEST 30.769 cost 2923.055`, `inventory F TEST none`."""
        inventory = self.world.state.funds[fund].inventory.get(symbol)
        held = inventory.quantity if inventory else Decimal(0)
        assert held == (0 if quantity == "none" else Decimal(quantity)), f"{fund} holds {held}"
        if cost:
            assert inventory is not None
            assert inventory.cost == Decimal(cost[1]), f"cost is {inventory.cost}"

    def expect_total(self, asset: str, amount: str) -> None:
        """The conserved total: every wallet of an asset but the outside world's (NUM-4)."""
        wallets = self.world.state.wallets.values()
        held = sum(
            (Fraction(w.balance) for w in wallets if w.asset == asset and w.kind != "external"),
            Fraction(0),
        )
        assert held == Fraction(amount), f"total is {held}"

    def expect_orders(self, account: str, count: str) -> None:
        """How many orders an account has open."""
        orders = [o for o in self.world.state.orders.values() if o.account_id == account]
        assert len(orders) == int(count), orders

    def expect_ended(self, name: str, status: str, reason: str | None = None) -> None:
        """`ended a1 canceled liquidation`: how an order ended."""
        found = self.world.orders[self.names[name]]
        assert found[0] == status, found
        assert reason is None or found[1] == reason, found

    def expect_untriggered(self, account: str, count: str) -> None:
        """How many orders of an account wait for a price."""
        own = self.world.state.untriggered_of.get(account, {})
        assert len(own) == int(count), own

    def expect_became(self, name: str, status: str, reason: str | None = None) -> None:
        """`became s1 filled`: a triggered order became an order, and what became of that."""
        number = self.world.became.get(self.names[name])
        assert number is not None, self.world.orders[self.names[name]]
        found = self.world.orders[number]
        assert found[0] == status, found
        assert reason is None or found[1] == reason, found

    def expect_resting(self, name: str, remaining: str) -> None:
        """What remains of an open order."""
        order = self.world.state.orders.get(self.names[name])
        assert order is not None, f"{name} is not open: {self.world.orders[self.names[name]]}"
        assert order.remaining == Decimal(remaining), order

    def expect_interest(self, symbol: str, quantity: str) -> None:
        """`interest TEST 10`: how much of a contract is open (FND-12)."""
        found = self.world.state.markets[symbol].open_interest
        assert found == Decimal(quantity), f"{found} open"

    def expect_unsettled(self, fund: str, symbol: str, profit: str) -> None:
        """`unsettled F TEST -90`: what settling a fund's inventory would bring it now (FND-1)."""
        state = self.world.state
        found = unrealized_profit(state, state.funds[fund].inventory[symbol])
        assert found == Decimal(profit), f"{found} unsettled"

    def expect_profits(self, account: str, symbol: str, parts: str) -> None:
        """`profits bob TEST 2`: of how many parts of time it is known what was won (FND-12)."""
        found = self.world.state.profits.get(account, {}).get(symbol, [])
        assert len(found) == int(parts), found

    def expect_available(self, account: str, asset: str, amount: str) -> None:
        """`available alice USDT 50`: what its owner reads (ORD-6)."""
        owner = self.world.state.accounts[account]
        with localcontext(EXACT):
            found = cross_summary(self.world.state, owner, asset).available_balance
        assert found == Decimal(amount), f"{found} available"

    def expect_left(self, account: str, seconds: str) -> None:
        """`left alice 29.9`: until an account's orders are cancelled (ORD-14), or `none`."""
        cancel_at = self.world.state.accounts[account].cancel_at
        left = None if cancel_at is None else cancel_at - self.world.now
        wanted = None if seconds == "none" else timedelta(seconds=float(seconds))
        assert left == wanted, f"{left} left"

    def expect_trades(self, *prices: str) -> None:
        """The newest trades as `quantity@price[/maker]`, oldest first."""
        newest = self.world.trades[-len(prices) :]
        texts = [f"{t.quantity.normalize():f}@{t.price.normalize():f}" for t in newest]
        makers = [f"{text}/{t.maker_account_id}" for text, t in zip(texts, newest, strict=True)]
        expected = [m if "/" in p else t for m, t, p in zip(makers, texts, prices, strict=True)]
        assert expected == list(prices), makers

    def expect_paid(self, account: str, symbol: str, *amounts: str) -> None:
        """`paid alice TEST -1 2.5`: what the account's last fundings brought it, oldest first."""
        own = [p for p in self.world.payments if (p.account_id, p.symbol) == (account, symbol)]
        newest = [payment.amount for payment in own[-len(amounts) :]]
        assert newest == [Decimal(amount) for amount in amounts], own

    def expect_payments(self, count: str) -> None:
        """How many positions' fundings were settled."""
        assert len(self.world.payments) == int(count), self.world.payments

    def expect_funded(self, symbol: str, *options: str) -> None:
        """`funded TEST rate=0.0001 mark_price=100 residue=0 hours=8`: its last funding.

        `average_premium` is none where the rate was given.
        """
        last = [one for one in self.world.fundings if one.symbol == symbol][-1]
        for name, number in (option.split("=") for option in options):
            hours = Decimal((last.time - START) // timedelta(hours=1))
            found = hours if name == "hours" else getattr(last, name)
            assert found == (None if number == "none" else Decimal(number)), last

    def expect_premium(self, symbol: str, number: str, *options: str) -> None:
        """`premium TEST 0.0003 rate=0.0001`: the newest sample, and the rate as it stands now."""
        market = self.world.state.markets[symbol]
        funding = market.funding
        assert funding is not None, symbol
        assert funding.premium == (None if number == "none" else Decimal(number)), funding
        rate = dict(option.split("=") for option in options).get("rate")
        if rate is not None:
            with localcontext(EXACT):
                assert rates.as_it_stands(market.contract, funding) == Decimal(rate), funding

    def expect_settled(self, symbol: str, *options: str) -> None:
        """`settled TEST settlement_price=101 samples=12 residue=0 given_by=index`, or `not`."""
        found = [one for one in self.world.settled if one.symbol == symbol]
        if options == ("not",):
            assert not found, found
            return
        assert len(found) == 1, found
        assert self.world.state.markets[symbol].contract.status == "settled", symbol
        self._fields(found[0], options)

    def expect_closed(self, account: str, symbol: str, *options: str) -> None:
        """`closed alice TEST profit=-5 fee=0.1`: at its contract's delivery, or `not`."""
        found = [c for c in self.world.closed if (c.account_id, c.symbol) == (account, symbol)]
        if options == ("not",):
            assert not found, found
            return
        assert len(found) == 1, found
        self._fields(found[0], options)

    def expect_sampled(self, symbol: str, count: str) -> None:
        """How many index samples count for a settlement price so far."""
        delivery = self.world.state.markets[symbol].delivery
        assert delivery is not None, symbol
        assert delivery.samples == int(count), delivery

    def expect_fundings(self, count: str) -> None:
        """How many fundings were settled."""
        assert len(self.world.fundings) == int(count), self.world.fundings

    def expect_offload(self, fund: str, symbol: str, *options: str) -> None:
        """`offload F TEST quantity=1 limit_price=99 profit=-0.5 reason=none`: the newest step."""
        own = [one for one in self.world.offloads if (one.fund_id, one.symbol) == (fund, symbol)]
        assert own, f"{fund} has not offloaded {symbol}"
        self._fields(own[-1], options)

    def expect_entry(self, fund: str, symbol: str, price: str) -> None:
        """The mark at which what a fund holds came, on average."""
        inventory = self.world.state.funds[fund].inventory[symbol]
        assert same(inventory.entry_price, price), inventory

    def expect_offloads(self, count: str) -> None:
        """How many steps of offloading there were."""
        assert len(self.world.offloads) == int(count), self.world.offloads

    def expect_plan(self, fund: str, symbol: str, *options: str) -> None:
        """`plan F TEST quantity=1 limit=99 reason=none`: what the next step would be now."""
        state = self.world.state
        with localcontext(EXACT):
            found = next_step(state, state.funds[fund], state.markets[symbol], self.world.now)
        self._fields(found, options)

    def expect_liquidations(self, count: str) -> None:
        """How many liquidations there have been."""
        assert len(self.world.liquidations) == int(count), list(self.world.liquidations.values())

    def expect_liquidation(self, account: str, symbol: str, *options: str) -> None:
        """`liquidation alice TEST outcome=taken_over taken=30.769`: the newest of a position."""
        self._fields(self.liquidation(account, symbol), options)

    def liquidation(self, account: str, symbol: str) -> Liquidation:
        """The newest record of a position's liquidation."""
        wanted = (*_leg(account), symbol)
        records = [r for r in self.world.liquidations.values()
                   if (r.account_id, r.position_side, r.symbol) == wanted]  # fmt: skip
        assert records, f"{symbol} of {account} was never liquidated"
        return records[-1]

    def expect_steps(self, account: str, symbol: str, *kinds: str) -> None:
        """The story of the newest liquidation of a position, step by step (LIQ-9)."""
        steps = self.liquidation(account, symbol).steps
        assert [step.kind for step in steps] == list(kinds), [step.kind for step in steps]

    def expect_same_event(self, *positions: str) -> None:
        """`same-event alice/A alice/B`: records of one account and trigger share it (LIQ-9)."""
        events = {self.liquidation(*p.rsplit("/", 1)).event_id for p in positions}
        assert len(events) == 1, events

    def expect_liquidated(self, *positions: str) -> None:
        """`liquidated alice/A bob/long/A`: all liquidations so far, in order."""
        found = [
            f"{r.account_id}/{r.symbol}"
            if r.position_side == "both"
            else f"{r.account_id}/{r.position_side}/{r.symbol}"
            for r in self.world.liquidations.values()
        ]
        assert found == list(positions), found

    def expect_fee(self, *options: str) -> None:
        """The newest liquidation clearance fee (LIQ-5)."""
        assert self.world.fees, "no clearance fee was charged"
        self._fields(self.world.fees[-1], options)

    def expect_fees(self, count: str) -> None:
        """How many clearance fees there have been."""
        assert len(self.world.fees) == int(count), self.world.fees

    def expect_adl(self, *options: str) -> None:
        """The newest ADL event (ADL-4)."""
        assert self.world.events, "no ADL happened"
        self._fields(self.world.events[-1], options)

    def expect_adl_events(self, count: str) -> None:
        """How many ADL events there have been."""
        assert len(self.world.events) == int(count), self.world.events

    def expect_ranked(self, seconds: str) -> None:
        """How long before the newest ADL event its ranking was (ADL-5)."""
        event = self.world.events[-1]
        assert event.time - event.ranked_at == timedelta(seconds=float(seconds)), event

    def expect_steps_left(self, count: str) -> None:
        """How many more steps the pending cascade takes; they are taken."""
        taken = 0
        while self.world.pending:
            self.world.apply(ContinueCascade(min(self.world.pending)))
            taken += 1
        assert taken == int(count), taken

    def expect_queue(self, *accounts: str) -> None:
        """The ranked queue that the newest ADL event keeps (ADL-1, ADL-3)."""
        queue = self.world.events[-1].queue
        assert [entry.account_id for entry in queue] == list(accounts), queue

    def expect_counterparty(self, account: str, *options: str) -> None:
        """An account's part in the newest ADL event; several parts are added up."""
        parts = [p for p in self.world.events[-1].counterparties if p.account_id == account]
        assert parts, f"{account} had no part: {self.world.events[-1].counterparties}"
        wanted = dict(option.split("=", 1) for option in options)
        quantity = wanted.pop("quantity", None)
        if quantity is not None:
            assert sum((p.quantity for p in parts), Decimal(0)) == Decimal(quantity), parts
        self._fields(parts[-1], [f"{name}={value}" for name, value in wanted.items()])

    def expect_counterparties(self, *parts: str) -> None:
        """`counterparties bob:10 carol:5`: all parts of the newest ADL event, in order."""
        assert self.world.events, "no ADL happened"
        found = [f"{p.account_id}:{p.quantity.normalize():f}"
                 for p in self.world.events[-1].counterparties]  # fmt: skip
        assert found == list(parts), self.world.events[-1].counterparties

    def expect_history(self, fund: str, *rows: str) -> None:
        """`history F seed_capital:3000 bankruptcy_loss:-76.9`: all of it; `...` skips what was.

        `treasury` is the treasury's."""
        found = [f"{e.kind}:{e.amount.normalize():f}" for e in self.world.history
                 if e.fund_id == fund]  # fmt: skip
        if rows[0] == "...":
            rows = rows[1:]
            found = found[-len(rows) :]
        assert found == list(rows), found

    def expect_newest_row(self, fund: str, *options: str) -> None:
        """The newest row of a fund's history, field by field (HIS-1)."""
        self._fields([e for e in self.world.history if e.fund_id == fund][-1], options)

    def expect_alert(self, *options: str) -> None:
        """The newest alert."""
        assert self.world.alerts, "no alert"
        self._fields(self.world.alerts[-1], options)

    def expect_alerts(self, *kinds: str) -> None:
        """The kinds of all alerts so far."""
        assert [alert.kind for alert in self.world.alerts] == list(kinds), self.world.alerts

    @staticmethod
    def _fields(record: object, options: Sequence[str]) -> None:
        for option in options:
            short, expected = option.split("=", 1)
            names = SHORT if isinstance(record, Liquidation) else {}
            actual = getattr(record, names.get(short, short))
            assert same(actual, expected), f"{short} is {actual}: {record}"


def _leg(name: str) -> tuple[str, PositionSide]:
    """Account and leg, of `alice` or `alice/long`."""
    account, _, leg = name.partition("/")
    return account, cast("PositionSide", leg or "both")

"""The engine's own laws notice every broken state (NUM-4), and equal states have equal hashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

import pytest

from app.engine import invariants
from app.engine.commands.accounts import AdjustMargin, ConfigureContract, Deposit
from app.engine.commands.leaders import ContinueCascade, Limits, Recover
from app.engine.commands.orders import AmendOrder, CancelAllAfter, PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.events import Liquidation, Trade, Transfer
from app.engine.figures import margin
from app.engine.handling import HANDLERS
from app.engine.markets import Delivery, Funding, Triggers
from app.engine.marks import MidSample, SourcePrice
from app.engine.memory import FundMemory, Minute
from app.engine.numbers import EXACT
from app.engine.results import Done
from app.engine.scopes import WalletKind
from app.engine.state import Counters, State, Treasury
from app.engine.step import Step
from tests.engine.world import START, World, contract, replayed


def built() -> World:
    """A fund with inventory and one without, a cross and an isolated position, an open order."""
    world = World()
    world.fund("F")
    world.fund("G")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", Decimal(100)))
    for account, amount in (("ann", "50"), ("bob", "10000"), ("cyd", "1000")):
        world.account(account)
        world.deposit(account, amount)
    world.seed("F", "10000")
    world.must(ConfigureContract("cyd", "TEST", 10, "isolated"))
    for buyer in ("ann", "cyd"):
        for account, side in (("bob", "sell"), (buyer, "buy")):
            command = PlaceOrder(account, "TEST", side, "limit", Decimal(10), Decimal(100))  # type: ignore[arg-type]
            world.order(command)
    world.must(Tick("TEST", Decimal("95.4")))
    assert world.state.funds["F"].inventory["TEST"].quantity == 10
    world.order(PlaceOrder("bob", "TEST", "buy", "limit", Decimal(1), Decimal(90)))
    with localcontext(EXACT):
        for owner in world.state.accounts.values():
            margin.cross_of(world.state, owner, "USDT")  # what positions remember is checked too
    return world


def test_num_5_a_trader_liquidates_nobody() -> None:
    """NUM-5: should an order come upon somebody at risk, that waits for a step of a cascade."""
    world = built()
    position = world.state.accounts["cyd"].positions["TEST", "both"]
    world.state.markets["TEST"].triggers = Triggers()  # nobody is looked at any more
    world.engine.apply(Tick("TEST", Decimal(80)), world.next_time())
    assert margin.health(world.state, position.scope).at_risk
    deposit = world.engine.apply(AdjustMargin("cyd", "TEST", "both", Decimal(1)), world.next_time())
    assert [record.kind for record in deposit.of(Transfer)] == ["margin_in"]
    assert deposit.pending == ("USDT",)
    step = world.engine.apply(ContinueCascade("USDT"), world.next_time())
    assert [record.account_id for record in step.of(Liquidation)] == ["cyd"]


def change_wallet(key: str, amount: str) -> Callable[[State], None]:
    """Money from nowhere."""

    def change(state: State) -> None:
        state.wallets[key].balance += Decimal(amount)

    return change


def move(source: str, destination: str, amount: str) -> Callable[[State], None]:
    """Money to where it must not be; the sum stays."""

    def change(state: State) -> None:
        state.wallets[source].balance -= Decimal(amount)
        state.wallets[destination].balance += Decimal(amount)

    return change


def change_position(state: State) -> None:
    """A quantity from nowhere."""
    state.accounts["bob"].positions["TEST", "both"].quantity += 1


def change_cost(state: State) -> None:
    """A cost from nowhere."""
    state.accounts["bob"].positions["TEST", "both"].cost += Decimal("0.00000001")


def change_inventory(state: State) -> None:
    """Inventory from nowhere."""
    state.funds["F"].inventory["TEST"].quantity += 1


def change_both(state: State) -> None:
    """A quantity from nowhere, and counted."""
    change_position(state)
    state.markets["TEST"].quantity_total += 1


def miscount(state: State) -> None:
    """A long that nobody holds."""
    state.markets["TEST"].long_count += 1


def lose_position(state: State) -> None:
    """An isolated wallet whose position its owner does not hold any more."""
    del state.accounts["cyd"].positions["TEST", "both"]


def crash(state: State) -> None:
    """A mark that nobody looked at."""
    market = state.markets["TEST"]
    assert market.mark is not None
    market.mark = replace(market.mark, price=Decimal(90))


def misremember(state: State) -> None:
    """A position that takes an old value for today's."""
    (position, *_) = state.markets["TEST"].positions.values()
    position.value += 1


def turn_leg(state: State) -> None:
    """A short leg that is long."""
    state.accounts["cyd"].positions["TEST", "both"].side = "short"


def misweigh(state: State) -> None:
    """A position that says it requires more than it does."""
    state.accounts["bob"].positions["TEST", "both"].free -= 1


@pytest.mark.parametrize(
    "corrupt",
    [
        change_wallet("cross/bob/USDT", "0.00000001"),
        change_wallet("fund/F/USDT/main", "-0.00000001"),
        move("fund/F/USDT/main", "cross/bob/USDT", "10004.00000001"),
        move("cross/ann/USDT", "cross/bob/USDT", "0.00000001"),
        move("clearing/TEST/USDT", "cross/bob/USDT", "0.00000001"),
        move("isolated/cyd/USDT/TEST:both", "cross/cyd/USDT", "60"),
        change_position, change_cost, change_inventory, change_both, miscount, lose_position,
        crash, misremember, turn_leg, misweigh,
    ],
)  # fmt: skip
def test_num_4_every_broken_law_is_noticed(corrupt: Callable[[State], None]) -> None:
    """NUM-4: what a start checks before it serves."""
    state = built().state
    invariants.check_all(state)
    corrupt(state)
    with pytest.raises(invariants.LawBroken):
        invariants.check_all(state)


def test_num_4_a_broken_law_stops_the_engine() -> None:
    """NUM-4: checked after every command on what it touched."""
    world = built()
    change_wallet("clearing/TEST/USDT", "1")(world.state)
    command = PlaceOrder("cyd", "TEST", "sell", "limit", Decimal(1), Decimal(90))
    with pytest.raises(invariants.LawBroken):
        world.engine.apply(command, world.next_time())


def test_num_4_where_nothing_happened_yet_every_law_holds() -> None:
    """NUM-4: a state without a command has no time at which anybody could be at risk."""
    invariants.check_all(State())


def test_num_4_who_waits_in_a_cascade_breaks_no_law() -> None:
    """NUM-4, LIQ-10: nobody is at risk but in a cascade that goes on."""
    world = built()
    world.apply(Recover(Limits(matched_orders=1)))
    world.finish()
    world.order(PlaceOrder("bob", "TEST", "buy", "limit", Decimal(1), Decimal(90)))
    world.apply(Tick("TEST", Decimal("90.4")))
    assert world.pending == {"USDT"}
    invariants.check_all(world.state)
    world.state.cascades.clear()
    with pytest.raises(invariants.LawBroken, match="at risk"):
        invariants.check_all(world.state)


def from_the_treasury(step: Step, command: Deposit) -> object:
    """A deposit that others pay."""
    wallet = step.cross_wallet(step.state.accounts[command.account_id], command.asset)
    treasury = step.wallet("treasury", "", command.asset)
    step.transfer("emergency_injection", treasury, wallet, command.amount)
    return Done()


def with_an_alert(step: Step, command: Deposit) -> object:
    """A deposit in which a fund has a part."""
    step.alert("fund_empty", "F", command.asset)
    return Done()


@pytest.mark.parametrize("planted", [from_the_treasury, with_an_alert])
def test_num_5_a_traders_command_that_does_more_is_noticed(
    monkeypatch: pytest.MonkeyPatch, planted: Callable[[Step, Deposit], object]
) -> None:
    """NUM-5: what it may leave behind is said beside its handler."""
    world = built()
    monkeypatch.setitem(HANDLERS, Deposit, HANDLERS[Deposit]._replace(run=planted))
    with pytest.raises(invariants.LawBroken, match="moved money or more"):
        world.engine.apply(Deposit("bob", "USDT", Decimal(1)), world.next_time())


@pytest.mark.parametrize(
    ("source", "amount", "why"),
    [("cross", "1", "took a share of no fee"), ("revenue", "0.01", "or gave that away")],
)
def test_num_5_a_share_of_more_than_the_fees_is_noticed(
    monkeypatch: pytest.MonkeyPatch, source: WalletKind, amount: str, why: str
) -> None:
    """NUM-5: what an order brings a fund is of its own fees, and paid by whoever earned them."""
    world, place = built(), HANDLERS[PlaceOrder].run

    def sharing(step: Step, command: PlaceOrder) -> object:
        receipt = place(step, command)
        payer = step.wallet(source, "bob" if source == "cross" else "", "USDT")
        fund = step.fund_wallet(step.state.funds["F"], "USDT", "main")
        step.transfer("trading_fee_share", payer, fund, Decimal(amount))
        return receipt

    monkeypatch.setitem(HANDLERS, PlaceOrder, HANDLERS[PlaceOrder]._replace(run=sharing))
    command = PlaceOrder("cyd", "TEST", "sell", "limit", Decimal(1), Decimal(90))
    with pytest.raises(invariants.LawBroken, match=why):
        world.engine.apply(command, world.next_time())


def test_num_5_an_order_that_is_paid_for_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """NUM-5: the fees of both sides are together not less than nothing."""
    world, place = built(), HANDLERS[PlaceOrder].run

    def paying(step: Step, command: PlaceOrder) -> object:
        receipt = place(step, command)
        step.outcome.records = [
            record._replace(maker_fee=Decimal("-0.01")) if isinstance(record, Trade) else record
            for record in step.outcome.records
        ]
        return receipt

    monkeypatch.setitem(HANDLERS, PlaceOrder, HANDLERS[PlaceOrder]._replace(run=paying))
    command = PlaceOrder("cyd", "TEST", "sell", "limit", Decimal(1), Decimal(90))
    with pytest.raises(invariants.LawBroken, match=r"was paid 0\.010* in fees"):
        world.engine.apply(command, world.next_time())


def test_equal_states_have_equal_hashes_and_others_do_not() -> None:
    """A replay comes to the same hash; a unit more in a wallet to another."""
    world = built()
    again = replayed(world).state
    assert invariants.state_hash(again) == invariants.state_hash(world.state)
    world.must(Deposit("bob", "USDT", Decimal("0.00000001")))
    assert invariants.state_hash(again) != invariants.state_hash(world.state)


def test_a_countdown_is_in_the_hash() -> None:
    """ORD-14: it is state; one that was switched off says as little as none."""
    world = built()
    hashes = []
    for seconds in (0, 30, 0):
        world.must(CancelAllAfter("bob", seconds))
        same = replace(world.state, time=None, counters=Counters())
        hashes.append(invariants.state_hash(same))
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_funding_is_in_the_hash() -> None:
    """FPY-1: a contract's interval, and the rate that was given."""
    world, hashes = World(), set[str]()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    market = world.state.markets["TEST"]
    for hours, funding in (
        (None, None),
        (8, None),
        (8, Funding("TEST", START)),
        (8, Funding("TEST", START, rate=Decimal("0.0001"))),
    ):
        market.contract = replace(market.contract, funding_interval_hours=hours)
        market.funding = funding
        hashes.add(invariants.state_hash(world.state))
    assert len(hashes) == 4


def test_a_delivery_is_in_the_hash() -> None:
    """DLV-1: samples, phase and price."""
    world, hashes = World(), set[str]()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    market = world.state.markets["TEST"]
    for delivery in (
        None,
        Delivery("TEST"),
        Delivery("TEST", samples=1, total=Decimal(100), sampled_at=START),
        Delivery("TEST", "held"),
        Delivery("TEST", "closing", price=Decimal(100)),
    ):
        market.delivery = delivery
        hashes.add(invariants.state_hash(world.state))
    assert len(hashes) == 5


def test_what_marks_are_derived_from_is_in_the_hash() -> None:
    """MRK-3: the prices of sources, the middle of the book, the last agreed price."""
    world, hashes = World(), set[str]()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    market, one = world.state.markets["TEST"], Decimal(1)
    hashes.add(invariants.state_hash(world.state))
    market.sources["a"] = SourcePrice("TEST", "a", one, START)
    hashes.add(invariants.state_hash(world.state))
    market.mids[0] = MidSample("TEST", 0, START, one)
    hashes.add(invariants.state_hash(world.state))
    for price in (None, one):
        market.contract = replace(market.contract, mark_mode="derived")
        market.agreed_price = price
        hashes.add(invariants.state_hash(world.state))
    assert len(hashes) == 5


def test_the_treasurys_history_is_in_the_hash() -> None:
    """HIS-1: its head is state; without a row it is as before there were any."""
    world, hashes = built(), set[str]()
    for treasury in (Treasury(), Treasury(sequence=1, last_hash="a"), Treasury("treasury", 1, "b")):
        world.state.treasury = treasury
        hashes.add(invariants.state_hash(world.state))
    assert len(hashes) == 3


def test_what_a_funds_limits_remember_is_in_the_hash() -> None:
    """FND-3, FND-12, ADL-3: a standby that remembers something else would lead otherwise."""
    world, hashes = built(), set[str]()
    hashes.add(invariants.state_hash(world.state))
    memory = world.state.funds["F"].memory["USDT"] = FundMemory("F", "USDT")
    hashes.add(invariants.state_hash(world.state))
    for name, value in (
        ("gained", Decimal(-1)),
        ("stopped", True),
        ("cap_warned", Decimal("0.5")),
        ("drawdown_warned", Decimal("0.5")),
        ("minutes", {"paid": [Minute("F", "USDT", "paid", START, Decimal(1))]}),
        ("minutes", {"paid": [Minute("F", "USDT", "paid", START, Decimal(2))]}),
    ):
        setattr(memory, name, value)
        hashes.add(invariants.state_hash(world.state))
    assert len(hashes) == 8
    memory.spent, memory.seen, memory.since = Decimal(1), Decimal(1), START  # derived
    assert invariants.state_hash(world.state) in hashes


def test_the_place_of_an_amended_order_is_in_the_hash() -> None:
    """ORD-15: who stands behind whom is state."""
    world = built()
    (order,) = world.state.orders.values()
    world.must(AmendOrder(order.order_id, price=Decimal(91)))
    before = invariants.state_hash(world.state)
    assert order.requeued is not None
    order.requeued += 1
    assert invariants.state_hash(world.state) != before


def test_a_hash_does_not_depend_on_how_a_number_is_written() -> None:
    """0.10 and 0.1 are the same number."""
    world = built()
    before = invariants.state_hash(world.state)
    position = world.state.accounts["bob"].positions["TEST", "both"]
    position.quantity = position.quantity.quantize(Decimal("0.000000"))
    assert invariants.state_hash(world.state) == before


@pytest.mark.parametrize("kind", ["top_up", "funding_correction", "withdrawal", "deposit"])
def test_only_an_injection_leaves_the_treasury_owing(kind: Any) -> None:
    """FND-4, FND-10: what else would, or is no kind of its history, ends the term."""
    world = built()
    step = Step(world.state, Recover(), world.next_time())
    treasury = step.wallet("treasury", "", "USDT")
    to = step.cross_wallet(world.state.accounts["ann"], "USDT")
    step.transfer("emergency_injection", treasury, to, Decimal(1))
    with pytest.raises(AssertionError, match=kind):
        step.transfer(kind, treasury, to, Decimal(1))

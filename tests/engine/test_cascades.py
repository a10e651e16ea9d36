"""Cascades longer than one step: bounded, in order, with other requests between (LIQ-10, MRK-2)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.engine.bounds import Bounds
from app.engine.commands.accounts import ConfigureContract, Deposit, Withdraw
from app.engine.commands.contracts import ImportContracts, UpdateContract
from app.engine.commands.leaders import ContinueCascade, Recover
from app.engine.commands.orders import CancelOrders, PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.events import Liquidation
from app.engine.figures import ranking, triggers
from app.engine.rejections import Rejection
from app.engine.results import Done, Moved, OrderReceipt, Ticked
from app.engine.scopes import Scope, cross_scope
from tests.engine.world import World, brackets, contract, differences, dump, replayed

MANY = 2 * Bounds().liquidations + 7
"""Accounts enough for three steps."""


def names() -> list[str]:
    """Accounts, the poorest last: they are liquidated in the opposite order."""
    return [f"trader-{number:03}" for number in range(MANY)]


@pytest.fixture
def world() -> World:
    """Many longs of 10 with 50.00 to 50.xx each against one rich short; a market in USDC."""
    world = World()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.contract(replace(contract("COIN", "F"), settlement_asset="USDC", quote_asset="USDC"))
    for symbol in ("TEST", "COIN"):
        world.must(Tick(symbol, Decimal(100)))
    world.account("rich")
    for asset in ("USDT", "USDC"):
        world.deposit("rich", "10000000", asset)
    size = Decimal(10) * MANY
    world.order(PlaceOrder("rich", "TEST", "sell", "limit", size, Decimal(100)))
    for number, name in enumerate(names()):
        world.account(name)
        world.deposit(name, f"{51 - number * Decimal('0.001')}")
        world.order(PlaceOrder(name, "TEST", "buy", "limit", Decimal(10), Decimal(100)))
    world.seed("F", "1000000")
    return world


def liquidated(world: World) -> list[str]:
    """The accounts in the order of their liquidation."""
    return [record.account_id for record in world.liquidations.values()]


def test_liq_10_a_step_is_bounded_and_the_whole_is_in_order(world: World) -> None:
    """LIQ-10, LIQ-2: lowest ratio first over all steps; the tick is answered by the last."""
    outcome = world.apply(Tick("TEST", Decimal("95.3")))
    assert outcome.result is None
    assert outcome.pending == ("USDT",)
    steps = [len(world.liquidations)]
    result: object = None
    while world.pending:
        result = world.apply(ContinueCascade("USDT")).result
        steps.append(len(world.liquidations) - sum(steps))
    assert result == Ticked("TEST", Decimal("95.3"), world.state.markets["TEST"].mark.time, MANY)  # type: ignore[union-attr]
    assert max(steps) <= Bounds().liquidations
    assert liquidated(world) == names()[::-1]


def test_liq_10_others_are_served_between_and_the_waiting_are_not(world: World) -> None:
    """LIQ-10: an account that waits is refused; deposits, other accounts and assets go on."""
    world.apply(Tick("TEST", Decimal("95.3")))
    first, last = names()[0], names()[-1]
    assert last in liquidated(world)
    assert first not in liquidated(world)
    price = Decimal(90)
    for command in (
        PlaceOrder(first, "TEST", "sell", "limit", Decimal(1), price),
        PlaceOrder(first, "COIN", "buy", "limit", Decimal(1), price),
        Withdraw(first, "USDT", Decimal(1)),
    ):
        refused = world.apply(command).result
        assert isinstance(refused, Rejection), command
        assert refused.code == "account_in_liquidation"
    served = world.apply(PlaceOrder("rich", "COIN", "buy", "limit", Decimal(1), price)).result
    assert isinstance(served, OrderReceipt)
    assert isinstance(world.apply(Tick("COIN", Decimal(101))).result, Ticked)
    saved = world.apply(Deposit(first, "USDT", Decimal(100))).result
    assert isinstance(saved, Moved)
    world.finish()
    assert first not in liquidated(world)
    assert len(world.liquidations) == MANY - 1


def test_liq_9_one_event_for_all_scopes_of_an_account_over_all_steps() -> None:
    """LIQ-9: two isolated positions of each trader are liquidated steps apart, by one trigger."""
    world = World()
    world.fund("F")
    for symbol in ("TEST", "MORE"):
        world.contract(contract(symbol, "F"))
    world.seed("F", "1000000")
    world.account("rich")
    world.deposit("rich", "10000000")
    size = Decimal(10) * MANY
    for symbol in ("TEST", "MORE"):
        world.must(Tick(symbol, Decimal(100)))
        world.order(PlaceOrder("rich", symbol, "sell", "limit", size, Decimal(100)))
    for name in names():
        world.account(name)
        world.deposit(name, "1000")
        for symbol, leverage in (("TEST", 20), ("MORE", 10)):
            world.must(ConfigureContract(name, symbol, leverage, "isolated"))
            world.order(PlaceOrder(name, symbol, "buy", "limit", Decimal(10), Decimal(100)))
    rows = brackets((("0", "100000000", 5, "0.2"),))
    changed = [replace(contract(symbol, "F"), brackets=rows) for symbol in ("TEST", "MORE")]
    world.must(ImportContracts(tuple(changed)))
    events: dict[str, list[int]] = {name: [] for name in names()}
    for record in world.liquidations.values():
        events[record.account_id].append(record.event_id)
    assert all(len(found) == 2 and len(set(found)) == 1 for found in events.values()), events
    assert len({found[0] for found in events.values()}) == MANY
    assert not list(differences(dump(world.state), dump(replayed(world).state)))


def test_liq_10_a_bracket_change_looks_at_its_accounts_in_parts(
    world: World,
) -> None:
    """LIQ-10, LIQ-1: it is answered at once; who is not looked at yet is judged as who waits."""
    world.state.bounds = replace(world.state.bounds, finds=5)
    steep = brackets((("0", "100000000", 10, "0.06"),))
    outcome = world.apply(UpdateContract("TEST", {"brackets": steep}))
    assert outcome.result == Done("TEST")
    assert outcome.pending == ("USDT",)
    assert len(world.state.cascades["USDT"].waiting) <= 5
    for name in names():
        refused = world.apply(Withdraw(name, "USDT", Decimal("0.01"))).result
        assert isinstance(refused, Rejection)
        assert refused.code == "account_in_liquidation"
    assert isinstance(world.apply(Withdraw("rich", "USDT", Decimal(1))).result, Moved)
    taken = 0
    while world.pending:
        world.apply(ContinueCascade("USDT"))
        taken += 1
    assert taken >= MANY // 5
    assert liquidated(world) == names()[::-1]


def test_mrk_4_a_tick_leaves_what_other_contracts_hold_open_alone(world: World) -> None:
    """MRK-4: scopes held open are looked at with the next tick of a contract of theirs only."""
    world.contract(contract("OTHER", "F"))
    world.must(UpdateContract("TEST", {"status": "halted"}))
    world.must(Tick("TEST", Decimal(95)))
    assert len(world.state.held) == MANY
    assert len(world.state.markets["TEST"].held) == MANY
    for name in names()[:3]:
        world.must(Deposit(name, "USDT", Decimal(100)))
    assert world.apply(Tick("OTHER", Decimal(100))).pending == ()
    assert len(world.state.held) == MANY - 3
    world.must(Tick("TEST", Decimal(95)))
    assert list(world.state.markets["TEST"].held) == names_held()


def names_held() -> list[Scope]:
    """The scopes that wait for a tick."""
    return [cross_scope(name, "USDT") for name in names()[3:]]


def test_liq_10_a_new_leader_finishes_what_was_under_way(world: World) -> None:
    """LIQ-10: forgetting the cascade and looking afresh comes to the same liquidations."""
    world.apply(Tick("TEST", Decimal("95.3")))
    world.apply(Recover())
    world.finish()
    assert liquidated(world) == names()[::-1]
    assert not list(differences(dump(world.state), dump(replayed(world).state)))


@pytest.mark.parametrize("asset", ["USDT", "USDC"])
def test_a_new_leader_does_the_same_however_its_contracts_were_loaded(asset: str) -> None:
    """REC-3: a replay has them in the order in which they were listed, a start by their symbols."""
    world = World(Bounds(finds=1))
    world.fund("F")
    world.account("ann")
    terms = replace(contract("ALPHA", "F"), settlement_asset=asset, quote_asset=asset)
    for listed in (contract("OMEGA", "F"), terms):
        world.contract(listed)
        world.must(Tick(listed.symbol, Decimal(100)))
    for paid in {"USDT", asset}:
        world.deposit("ann", "1000", paid)
    for symbol in 2 * ("OMEGA", "ALPHA"):
        world.order(PlaceOrder("ann", symbol, "buy", "limit", Decimal(1), Decimal(90)))
    for symbol in ("OMEGA", "ALPHA"):
        world.apply(UpdateContract(symbol, {"status": "reduce_only"}))
    world.state.markets = dict(sorted(world.state.markets.items()))
    world.restart()
    assert not list(differences(dump(world.state), dump(replayed(world).state)))


def test_ord_3_who_is_looked_at_when_the_position_is_cross_by_now() -> None:
    """ORD-3, LIQ-1: closed, set to cross and opened again before the new leader came to it."""
    world = World(Bounds(finds=1))
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", Decimal(100)))
    for name in ("ann", "bob", "cyd"):
        world.account(name)
        world.deposit(name, "10000")

    def trade(seller: str, buyer: str) -> None:
        for name, side in ((seller, "sell"), (buyer, "buy")):
            order = PlaceOrder(name, "TEST", side, "limit", Decimal(10), Decimal(100))  # type: ignore[arg-type]
            assert isinstance(world.apply(order).result, OrderReceipt)

    world.must(ConfigureContract("ann", "TEST", 20, "isolated"))
    trade("bob", "ann")
    trade("bob", "cyd")
    world.restart()
    trade("ann", "bob")
    world.apply(ConfigureContract("ann", "TEST", 20, "cross"))
    trade("bob", "ann")
    assert [scope.isolated for scope in world.state.cascades["USDT"].unchecked] == [True, False]
    world.finish()
    assert world.state.accounts["ann"].positions["TEST", "both"].quantity == 10
    assert not world.liquidations


def test_liq_2_who_is_put_at_risk_meanwhile_comes_in_the_next_round(world: World) -> None:
    """LIQ-2: after all that wait, though nobody's ratio is lower. No rule puts anybody at risk
    meanwhile, so the money is taken by hand.
    """
    world.account("late")
    world.deposit("late", "51")
    world.order(PlaceOrder("rich", "TEST", "sell", "limit", Decimal(1), Decimal(100)))
    world.order(PlaceOrder("late", "TEST", "buy", "limit", Decimal(1), Decimal(100)))
    world.engine.apply(Tick("TEST", Decimal("95.3")), world.next_time())
    world.state.wallets["cross/late/USDT"].balance -= 50
    world.state.wallets["external/USDT"].balance += 50
    found = []
    world.engine.apply(Deposit("late", "USDT", Decimal(1)), world.next_time())
    while world.state.cascades:
        part = world.engine.apply(ContinueCascade("USDT"), world.next_time())
        found += [record.account_id for record in part.of(Liquidation)]
    assert found == [*names()[: MANY - Bounds().liquidations][::-1], "late"]


def test_mrk_2_a_tick_waits_for_the_cascade_of_its_asset(world: World) -> None:
    """MRK-2: the runner holds it back; the engine insists."""
    world.apply(Tick("TEST", Decimal("95.3")))
    with pytest.raises(AssertionError):
        world.engine.apply(Tick("TEST", Decimal(95)), world.next_time())


def test_liq_10_what_cannot_go_on_is_refused(world: World) -> None:
    """ORD-7: continuing nothing changes nothing."""
    refused = world.apply(ContinueCascade("USDT")).result
    assert isinstance(refused, Rejection)
    world.must(CancelOrders("rich"))


@pytest.mark.parametrize(
    ("rank", "length", "light"),
    [(1, 1, 4), (1, 5, 4), (2, 5, 3), (5, 5, 0), (1, 10, 4), (2, 10, 4), (3, 10, 3), (10, 10, 0),
     (2, 3, 3), (1, 1000, 4), (1000, 1000, 0)],
)  # fmt: skip
def test_adl_3_lights(rank: int, length: int, light: int) -> None:
    """ADL-3: quantiles 0 to 4; 4 is deleveraged first."""
    assert ranking.quantile(rank, length) == light


def test_liq_10_an_adl_closes_so_many_counterparties_and_goes_on() -> None:
    """LIQ-10, ADL-2: a whale against many small ones, in events of three, at one price."""
    world = World(Bounds(closed=3))
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", Decimal(100)))
    world.account("whale")
    world.deposit("whale", "50")
    for name in names()[:8]:
        world.account(name)
        world.deposit(name, "1000")
        world.order(PlaceOrder(name, "TEST", "sell", "limit", Decimal(1), Decimal(100)))
        world.order(PlaceOrder("whale", "TEST", "buy", "limit", Decimal(1), Decimal(100)))
    world.must(Tick("TEST", Decimal(90)))
    assert [len(event.counterparties) for event in world.events] == [3, 3, 2]
    assert {event.bankruptcy_price for event in world.events} == {Decimal("93.75")}
    assert not world.state.accounts["whale"].positions
    assert not list(differences(dump(world.state), dump(replayed(world).state)))


def test_liq_1_triggers_set_again_and_again_stay_short() -> None:
    """LIQ-1: shares of shares of slack have no more digits than money."""
    world = World()
    world.fund("F")
    symbols = ("A", "B", "C")
    for symbol in symbols:
        world.contract(contract(symbol, "F"))
        world.must(Tick(symbol, Decimal("97.31")))
    for name in ("ann", "mm"):
        world.account(name)
        world.deposit(name, "1000")
    for number, symbol in enumerate(symbols, start=1):
        size = Decimal(number) / 7
        size -= size % Decimal("0.001")
        world.order(PlaceOrder("mm", symbol, "sell", "limit", size, Decimal("97.31")))
        world.order(PlaceOrder("ann", symbol, "buy", "limit", size, Decimal("97.31")))
    for number in range(60):
        for symbol in (symbols[number % 3], symbols[(number + 1) % 3]):
            world.order(PlaceOrder("ann", symbol, "buy", "limit", Decimal("0.1"), Decimal("90.07")))
        world.must(CancelOrders("ann"))
        for position in world.state.accounts["ann"].positions.values():
            assert -position.base.as_tuple().exponent <= 8, position  # type: ignore[operator]


def test_liq_1_a_trigger_set_a_hundred_times_is_kept_once() -> None:
    """LIQ-1: void entries are dropped when they outnumber the live ones, and the live ones hold."""
    world = World()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", Decimal(100)))
    for name in ("ann", "mm"):
        world.account(name)
        world.deposit(name, "1000")
    world.order(PlaceOrder("mm", "TEST", "sell", "limit", Decimal(10), Decimal(100)))
    world.order(PlaceOrder("ann", "TEST", "buy", "limit", Decimal(10), Decimal(100)))
    longs = world.state.markets["TEST"].triggers.longs
    for _ in range(100):
        world.must(Withdraw("ann", "USDT", Decimal(1)))
        assert len(longs) <= 2 * 2 + triggers.KEPT_STALE
    world.must(Tick("TEST", Decimal("10.06")))  # 900 - 899.4 against 0.503
    assert not world.liquidations
    world.must(Tick("TEST", Decimal("10.05")))  # 0.5 against 0.5025
    assert liquidated(world) == ["ann"]

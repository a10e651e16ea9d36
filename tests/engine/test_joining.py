"""A replay that begins in the middle of a term (REC-3)."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from app.engine.commands import Command, Side
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.delivery import SettleContract
from app.engine.commands.funds import ContributeToTreasury, UpdateFund
from app.engine.commands.leaders import ContinueCascade, Incident, Limits, Recover, ReleaseIncident
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import ReportClock, Tick
from app.engine.commands.triggered import PlaceGroup, PlaceTriggered
from app.engine.engine import Engine
from app.engine.invariants import check_all, state_hash
from app.engine.joining import Joining, Unsettled, admit
from app.engine.markets import Triggers
from app.engine.rejections import Rejection
from app.engine.state import State
from tests.engine.scenario import Scenario
from tests.engine.world import World, contract

LIMITS = Limits(open_orders=7)
TERM: list[Command] = [Recover(LIMITS), ReportClock("drift", Decimal("1.5"))]


SUNK = (
    "fund F ratio=1000",
    "contract TEST",
    "contribute F main USDT 100",
    "account alice bob carol",
    "deposit alice USDT 50",
    "deposit bob USDT 1000",
    "deposit carol USDT 1000",
    "configure alice TEST 20 isolated",
    "tick TEST 100",
    "trade alice bob TEST 3 @ 100",
    "trade alice carol TEST 7 @ 100",
    "tick TEST 95.2",
    "bounds closed=1",
    "hold tick TEST 80",
)
"""A fund's inventory is closed against the first of two counterparties."""


def order(account_id: str, side: Side, quantity: str, price: str) -> PlaceOrder:
    return PlaceOrder(account_id, "BTC", side, "limit", Decimal(quantity), Decimal(price))


def stop(price: str) -> PlaceTriggered:
    return PlaceTriggered(
        "short", "BTC", "sell", "stop_market", Decimal(1), trigger_price=Decimal(price),
        time_in_force="ioc",
    )  # fmt: skip


@pytest.fixture
def world() -> World:
    """A leader in its term: five leveraged longs, a short who bears it all, an order that rests."""
    world = World()
    world.fund("fund")
    world.contract(replace(contract("BTC", "fund"), mark_staleness_seconds=60))
    world.seed("fund", "100000")
    for command in TERM:
        world.must(command)
    world.must(Tick("BTC", Decimal(100)))
    world.account("short")
    world.deposit("short", "1000000")
    for number in range(5):
        world.account(f"long-{number}")
        world.deposit(f"long-{number}", str(200 + 50 * number))
        world.order(order("short", "sell", "20", "100"))
        world.order(order(f"long-{number}", "buy", "20", "100"))
    world.order(order("short", "buy", "3", "90"))
    return world


def loaded(state: State) -> State:
    """As a load would give it: nothing derived is there."""
    state = deepcopy(state)
    state.limits = Limits()
    state.cascades, state.held, state.ranked, state.unranked = {}, {}, {}, {}
    state.to_place = {}
    for market in state.markets.values():
        market.triggers, market.rankings, market.held = Triggers(), {}, {}
        market.positions = dict(reversed(market.positions.items()))
        for position in market.positions.values():
            position.armed, position.trigger_version = None, 0
    return state


def fallen(state: State, *, awaited: bool) -> None:
    """The mark as it stands when it put everybody at risk."""
    market = state.markets["BTC"]
    assert market.mark is not None
    market.mark = replace(market.mark, price=Decimal(80), awaited=awaited)


def join(state: State, incidents: tuple[Incident, ...] = ()) -> None:
    joining = Joining(state, [Recover(LIMITS, incidents), *TERM[1:]])
    while joining.go_on():
        pass


def joined(world: World) -> Engine:
    state = loaded(world.state)
    join(state)
    return Engine(state)


def goes_on(leader: Engine, follower: Engine, log: list[tuple[Command, datetime]]) -> None:
    for command, now in log:
        admit(follower.state, command)
        outcome = follower.apply(command, now)
        assert outcome.accepted, f"{command}: {outcome.result}"
    assert state_hash(follower.state) == state_hash(leader.state)
    check_all(follower.state)


def test_what_was_joined_goes_on_as_its_leader_does(world: World) -> None:
    follower, known = joined(world), len(world.log)
    assert follower.state.limits == LIMITS
    assert follower.state.ahead == world.state.ahead
    for price in ("95", "92", "101", "88", "80"):
        world.must(Tick("BTC", Decimal(price)))
    world.deposit("long-4", "10")
    world.restart()
    world.finish()
    assert world.liquidations, "somebody was at risk"
    goes_on(world.engine, follower, world.log[known:])


def test_who_waits_for_a_tick_waits_where_it_was_joined(world: World) -> None:
    """At risk, with a mark too old to liquidate by (MRK-4)."""
    state = loaded(world.state)
    fallen(state, awaited=True)
    join(state)
    assert len(state.held) == 5
    outcome = Engine(state).apply(Tick("BTC", Decimal(80)), world.next_time())
    assert not state.held
    assert len(outcome.records) > 5


def test_a_cascade_under_way_cannot_be_joined(world: World) -> None:
    state = loaded(world.state)
    fallen(state, awaited=False)
    with pytest.raises(Unsettled):
        join(state)


def test_while_a_fund_awaits_its_top_up_nobody_joins(world: World) -> None:
    """FND-7: which cascade it is that ends, the leader knows."""
    world.state.bounds = replace(world.state.bounds, liquidations=1)
    world.must(ContributeToTreasury("USDT", Decimal(1000)))
    minimum: dict[str, Decimal | None] = {"USDT": Decimal(100000)}
    world.must(UpdateFund("fund", policy={"automatic_top_up": True}, required_minimum=minimum))
    world.apply(Tick("BTC", Decimal(80)))
    while not world.state.cascades["USDT"].short:
        world.apply(ContinueCascade("USDT"))
    with pytest.raises(Unsettled, match="to be topped up"):
        joined(world)
    world.finish()
    joined(world)


def test_what_is_left_alone_there_is_left_alone_where_it_was_joined(world: World) -> None:
    """One scope at risk waits for its incident's release, another's was released (REC-2)."""
    blamed = [
        Incident(number, "Tick", asset="USDT", account_id=f"long-{number}") for number in (1, 2)
    ]
    state = loaded(world.state)
    fallen(state, awaited=True)
    joining = Joining(state, [Recover(LIMITS, tuple(blamed)), ReleaseIncident(2, "mended")])
    while joining.go_on():
        pass
    assert state.incidents.keys() == {1}
    assert {scope.account_id for scope in state.held} == {f"long-{n}" for n in (0, 2, 3, 4)}


def test_a_cascade_that_goes_on_with_nobody_at_risk_has_nothing_to_do(world: World) -> None:
    """A leader's first, whose parts go on after the load."""
    follower, command = joined(world), ContinueCascade("USDT")
    admit(follower.state, command)
    outcome = follower.apply(command, world.next_time())
    assert outcome.accepted
    assert not outcome.touched
    assert not outcome.records
    assert not follower.state.cascades


def test_while_a_funding_is_settled_nobody_joins(world: World) -> None:
    """FPY-1: which positions are left is the leader's cascade's to know."""
    world.must(UpdateContract("BTC", {"funding_interval_hours": 1}))
    world.later(Decimal(3600))
    world.catch_up()
    with pytest.raises(Unsettled, match="a funding is under way"):
        joined(world)
    world.finish()
    joined(world)


def test_a_replay_has_the_orders_that_wait(world: World) -> None:
    """TRG-1: they are state like any other; the same price triggers them."""
    without = state_hash(world.state)
    world.must(stop("95"))
    world.must(
        PlaceTriggered(
            "short", "BTC", "sell", "trailing_stop", Decimal(1), time_in_force="ioc",
            callback_rate=Decimal("0.05"),
        )
    )  # fmt: skip
    world.must(PlaceGroup("oco", order("short", "buy", "1", "90"), (stop("94"),)))
    assert state_hash(world.state) != without
    follower = joined(world)
    assert state_hash(follower.state) == state_hash(world.state)
    tick = Tick("BTC", Decimal(95))
    follower.apply(tick, world.next_time())
    world.must(tick)
    assert len(world.state.untriggered) == 1
    assert state_hash(follower.state) == state_hash(world.state)


def test_while_triggered_orders_are_placed_nobody_joins(world: World) -> None:
    """TRG-2: whose turn it is, is the leader's cascade's to know."""
    world.state.bounds = replace(world.state.bounds, placements=1)
    for price in ("95", "95", "96"):
        world.must(stop(price))
    world.apply(Tick("BTC", Decimal(95)))
    with pytest.raises(Unsettled, match="triggered orders are placed"):
        joined(world)
    world.finish()
    joined(world)


def test_what_awaits_a_release_keeps_nobody_from_joining(world: World) -> None:
    """A funding under way and a fired order of an asset that is stalled (REC-2): both go on
    from the release, for whoever has joined meanwhile as for the leader."""
    world.must(UpdateContract("BTC", {"funding_interval_hours": 1}))
    world.must(replace(stop("95"), trigger_by="last"))
    world.apply(order("long-0", "sell", "1", "90"))
    assert [waiting.fired for waiting in world.state.untriggered.values()] == [True]
    world.later(Decimal(3600))
    world.catch_up()
    stalled = Incident(1, "ContinueCascade", asset="USDT", times=2)
    world.restart(stalled)
    state = loaded(world.state)
    join(state, (stalled,))
    known = len(world.log)
    world.must(ReleaseIncident(1, "mended"))
    assert world.fundings
    assert not world.state.untriggered
    goes_on(world.engine, Engine(state), world.log[known:])


def test_while_a_contract_is_settled_nobody_joins(world: World) -> None:
    """DLV-1: which positions are left is the leader's cascade's to know; but not while all that is
    left waits for a release."""
    at = world.now + timedelta(seconds=60)
    world.contract(replace(contract("DATED", "fund"), kind="delivery", delivery_at=at))
    world.must(Tick("DATED", Decimal(100)))
    sides: tuple[tuple[str, Side], ...] = (("short", "sell"), ("long-0", "buy"))
    for owner, side in sides:
        world.must(PlaceOrder(owner, "DATED", side, "limit", Decimal(1), Decimal(100)))
    joined(world)
    world.restart(Incident(1, "Tick", asset="USDT", account_id="long-0"))
    world.finish()
    world.later(Decimal(60))
    world.catch_up()
    world.must(SettleContract("DATED", Decimal(100), "no index"))
    world.catch_up()
    with pytest.raises(Unsettled, match="a contract is being settled"):
        join(loaded(world.state), tuple(world.state.incidents.values()))
    world.finish()
    assert len(world.state.markets["DATED"].positions) == 1
    join(loaded(world.state), tuple(world.state.incidents.values()))


def test_while_what_sinks_a_fund_is_closed_nobody_joins() -> None:
    """FND-5: which counterparty is the next is the leader's cascade's to know."""
    scenario = Scenario()
    for line in SUNK:
        scenario.line(line)
    with pytest.raises(Unsettled, match="what a fund loses with goes to ADL"):
        join(loaded(scenario.world.state), ())
    scenario.world.finish()
    assert len(scenario.world.events) == 2
    join(loaded(scenario.world.state), ())


def test_trg_2_orders_of_two_accounts_are_no_group(world: World) -> None:
    other = replace(stop("94"), account_id="long-1")
    told = world.apply(PlaceGroup("oco", None, (stop("95"), other))).result
    assert isinstance(told, Rejection)
    assert told.code == "invalid_group"

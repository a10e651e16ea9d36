"""What an exception in the engine is blamed on (REC-2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.engine import invariants
from app.engine.bounds import Bounds
from app.engine.cascades import cascade
from app.engine.commands import Command
from app.engine.commands.accounts import ConfigureContract, Deposit
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.funds import ContributeToTreasury
from app.engine.commands.leaders import ContinueCascade, Incident, Recover, ReleaseIncident
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.engine import Engine
from app.engine.events import TreasuryEntry
from app.engine.figures import ranking, triggers
from app.engine.liquidation import looking, waterfall
from app.engine.rejections import Rejection
from app.engine.scopes import Scope, cross_scope, isolated_scope
from app.engine.state import Treasury
from tests.engine.world import World, brackets, contract, inverse

HUNDRED = Decimal(100)
CRASH = Tick("TEST", Decimal(95))
ALICE = cross_scope("alice", "USDT")
BOB = cross_scope("bob", "USDT")
CAROL = isolated_scope("carol", "TEST", "both", "USDT")


class Bug(Exception):
    """What the planted bugs raise."""


@pytest.fixture
def world() -> World:
    """Alice and Amy are long by 20 with cross margin, Carol isolated; Bob sold it to them."""
    world = World()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.seed("F", "10000")
    world.must(Tick("TEST", HUNDRED))
    for account, amount in (("alice", "50"), ("amy", "51"), ("carol", "100"), ("bob", "10000")):
        world.account(account)
        world.deposit(account, amount)
    world.must(ConfigureContract("carol", "TEST", 20, "isolated"))
    for account in ("alice", "amy", "carol"):
        world.must(order("bob", "sell", 10))
        world.must(order(account, "buy", 10))
    return world


def order(account: str, side: Any, quantity: int) -> PlaceOrder:
    return PlaceOrder(account, "TEST", side, "limit", Decimal(quantity), HUNDRED)


Plant = Callable[[Any, str, Callable[..., bool]], None]


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Make a function raise where a condition holds of its arguments."""

    def before(module: Any, name: str, when: Callable[..., bool]) -> None:
        sound = getattr(module, name)

        def buggy(*arguments: Any, **named: Any) -> Any:
            if when(*arguments):
                raise Bug(name)
            return sound(*arguments, **named)

        monkeypatch.setattr(module, name, buggy)

    return before


def blamed(world: World, command: Command) -> Scope | str | None:
    """What is to blame for the exception that a command raises."""
    engine = world.engine
    sequence = engine.state.counters.command + 1
    with pytest.raises(Bug):
        world.apply(command)
    assert engine.failure is not None
    assert (engine.failure.sequence, engine.failure.command) == (sequence, command)
    assert engine.failure.time == world.now
    return engine.failure.blamed


def always(*_: Any) -> bool:
    return True


def about(scope: Scope) -> Callable[..., bool]:
    """Whether a function is asked about the scope, or about a case of it."""
    return lambda *arguments: scope in [getattr(one, "scope", one) for one in arguments]


@pytest.mark.parametrize("scope", [ALICE, CAROL], ids=["cross", "isolated"])
@pytest.mark.parametrize(
    ("module", "name"), [(looking, "check"), (waterfall, "advance")], ids=["find", "liquidate"]
)
def test_a_part_of_a_cascade_blames_the_scope_it_handles(
    world: World, plant: Plant, module: Any, name: str, scope: Scope
) -> None:
    plant(module, name, about(scope))
    assert blamed(world, CRASH) == scope


def test_it_blames_another_that_it_has_changed(world: World, plant: Plant) -> None:
    """Bob's bid takes what Alice sells, and is looked at."""
    world.must(PlaceOrder("bob", "TEST", "buy", "limit", Decimal(5), Decimal(95)))
    plant(looking, "check", about(BOB))
    assert blamed(world, CRASH) == BOB


def test_a_command_blames_itself_for_whom_it_has_changed(world: World, plant: Plant) -> None:
    plant(looking, "check", about(ALICE))
    assert blamed(world, Deposit("alice", "USDT", Decimal(1))) is None


def test_a_change_of_brackets_blames_the_scope_it_liquidates(world: World, plant: Plant) -> None:
    """It does the first part itself."""
    plant(waterfall, "advance", about(ALICE))
    steep = brackets((("0", "1000000", 20, "0.05"),))
    world.must(Tick("TEST", Decimal("99.5")))
    assert blamed(world, UpdateContract("TEST", {"brackets": steep})) == ALICE


def test_a_law_that_it_breaks_itself_is_its_own_fault(world: World, plant: Plant) -> None:
    plant(invariants, "check_step", always)
    steep = brackets((("0", "1000000", 20, "0.05"),))
    assert blamed(world, UpdateContract("TEST", {"brackets": steep})) is None


def test_a_law_broken_in_a_part_blames_the_cascade_unless_it_handled_one(
    world: World, plant: Plant
) -> None:
    plant(invariants, "check_step", lambda step: isinstance(step.outcome.command, Tick))
    assert blamed(world, CRASH) == "USDT"


def test_where_it_handles_one_at_a_time_that_one_is_to_blame(world: World, plant: Plant) -> None:
    careful(world)
    plant(invariants, "check_step", lambda step: isinstance(step.outcome.command, Tick))
    assert blamed(world, CRASH) in (ALICE, cross_scope("amy", "USDT"), CAROL)


def careful(world: World, times: int = 1) -> None:
    """A leader that begins with an incident of a cascade."""
    world.restart(Incident(1, "Tick", asset="USDT", times=times))
    world.finish()


def test_what_is_left_alone_already_is_not_to_blame(world: World, plant: Plant) -> None:
    """That its orders cannot be cancelled is the last that is blamed on a scope set aside."""
    plant(waterfall, "cancel_scope_orders", about(ALICE))
    first = Incident(1, "Tick", asset="USDT", account_id="alice")
    assert blamed(world, Recover(incidents=(first,))) == ALICE
    world.restart(replace(first, times=2))
    world.finish()
    world.must(CRASH)
    assert world.state.accounts["alice"].positions["TEST", "both"].quantity == 10
    invariants.check_all(world.state)  # NUM-4 leaves her out


def test_what_can_be_left_alone_no_further_is_its_assets_fault(world: World, plant: Plant) -> None:
    plant(triggers, "disarm", always)
    again = Incident(1, "Tick", asset="USDT", account_id="alice", times=2)
    assert blamed(world, Recover(incidents=(again,))) == "USDT"


def test_a_cascade_that_fails_alone_is_to_blame_until_it_is_halted(
    world: World, plant: Plant
) -> None:
    plant(cascade, "_sweep", always)
    assert blamed(world, CRASH) == "USDT"


def test_of_what_is_halted_only_the_command_can_be_to_blame(world: World, plant: Plant) -> None:
    careful(world, times=2)
    plant(cascade, "forget_all", always)
    assert blamed(world, Recover(incidents=tuple(world.state.incidents.values()))) is None


def test_a_queue_that_cannot_be_made_blames_who_waits_for_it(plant: Plant) -> None:
    """ADL-5: the liquidation that awaits it is the one that cannot be done."""
    world = World()
    world.engine = Engine(world.state, bounds=replace(Bounds(), large=1, ranks=1))
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", HUNDRED))
    for account, amount in (("alice", "50"), ("bob", "10000"), ("carol", "10000")):
        world.account(account)
        world.deposit(account, amount)
    for account in ("bob", "carol"):
        world.must(order(account, "sell", 5))
        world.must(order("alice", "buy", 5))
    world.apply(CRASH)
    assert world.pending
    plant(ranking, "make", always)
    assert blamed(world, ContinueCascade("USDT")) == ALICE


def test_orders_that_stay_are_passed_over_by_a_sweep(world: World) -> None:
    """ORD-13: a contract set to reduce only; those that could not be cancelled are left alone."""
    world.must(PlaceOrder("bob", "TEST", "sell", "limit", Decimal(1), Decimal(120)))
    bob = Incident(1, "Tick", asset="USDT", account_id="bob", times=2)
    world.restart(bob)
    world.finish()
    world.must(UpdateContract("TEST", {"status": "reduce_only"}))
    assert len(world.state.orders) == 1


def test_nothing_is_opened_in_a_scope_set_aside(world: World) -> None:
    """REC-2: though its position was closed against another's since: nobody would look at it."""
    world.account("dan")
    world.deposit("dan", "1000")
    world.must(ConfigureContract("dan", "TEST", 20, "isolated"))
    dan = isolated_scope("dan", "TEST", "both", "USDT")
    world.restart(Incident(1, "Tick", None, "USDT", "dan", "TEST", "both"))
    world.finish()
    assert list(world.state.aside) == [dan]
    refusal = world.run(order("dan", "buy", 1))
    assert isinstance(refusal, Rejection)
    assert refusal.code == "account_in_liquidation"
    world.must(ReleaseIncident(1, "mended"))
    world.must(order("dan", "buy", 1))


def test_what_a_treasury_holds_from_before_its_history_opens_it(world: World) -> None:
    """The first leader that keeps one begins with what is there, whatever it is (HIS-1)."""
    world.must(ContributeToTreasury("USDT", HUNDRED))
    world.contract(inverse("COIN", "F", coin="BTC"))
    world.must(ContributeToTreasury("BTC", Decimal(7)))
    world.state.treasury = Treasury()  # as it is loaded from the tables of earlier releases
    del world.books.histories.heads[TreasuryEntry, "treasury"]
    world.history.clear()
    world.restart()
    world.restart()
    world.must(ContributeToTreasury("USDT", Decimal(1)))
    assert [f"{row.asset} {row.kind} {row.balance_after}" for row in world.history] == [
        "BTC opening 7", "USDT opening 100", "USDT contribution 101",
    ]  # fmt: skip

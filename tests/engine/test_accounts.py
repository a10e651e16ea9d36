"""Accounts, keys, settings and policies beyond what scenarios say (ORD-3, ORD-7)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.engine.commands import Command
from app.engine.commands.funds import CreateFund, UpdateFund
from app.engine.commands.keys import CreateKey, NewKey, RevokeKey
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.policies import FundPolicy
from app.engine.rejections import Rejection
from app.engine.results import Done
from tests.engine.world import World, contract, open_account

ADMIN = NewKey("key-1", "ops", "admin", "a" * 64)


def refused(world: World, command: Command) -> str:
    """The code a command is refused with; nothing changed."""
    result = world.run(command)
    assert isinstance(result, Rejection), result
    return result.code


@pytest.fixture
def world() -> World:
    """A contract and an account."""
    world = World()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", Decimal(100)))
    world.account("alice")
    return world


def test_an_account_is_opened_once(world: World) -> None:
    """ORD-7: the refusal has a stable code."""
    assert refused(world, open_account("alice")) == "account_exists"


def test_keys_are_registered_once_and_revoked_for_ever(world: World) -> None:
    """A digest and an identifier name one key each."""
    assert world.must(CreateKey(ADMIN)) == Done("key-1")
    assert refused(world, CreateKey(ADMIN)) == "key_exists"
    assert refused(world, CreateKey(replace(ADMIN, key_id="key-2"))) == "key_exists"
    assert refused(world, CreateKey(replace(ADMIN, digest="b" * 64))) == "key_exists"
    world.must(RevokeKey("key-1"))
    assert world.state.keys["a" * 64].revoked_at == world.now
    assert refused(world, RevokeKey("key-1")) == "unknown_key"
    assert refused(world, RevokeKey("key-9")) == "unknown_key"


def test_a_trader_key_and_no_other_is_bound_to_an_account(world: World) -> None:
    """A key without an account moves none."""
    unbound = replace(ADMIN, scope="trader")
    assert refused(world, CreateKey(unbound)) == "invalid_key"
    assert refused(world, CreateKey(replace(ADMIN, account_id="alice"))) == "invalid_key"
    assert refused(world, CreateKey(replace(unbound, account_id="nobody"))) == "unknown_account"
    world.must(CreateKey(replace(unbound, account_id="alice")))


def test_a_fund_is_created_once(world: World) -> None:
    """ORD-7: the refusal has a stable code."""
    assert refused(world, CreateFund("F", "Another", FundPolicy())) == "fund_exists"
    assert world.state.funds["F"].name == "F"


def test_no_fund_is_called_as_the_treasury_is(world: World) -> None:
    """HIS-1: its chain would begin each line as the treasury's does."""
    assert refused(world, CreateFund("treasury", "Treasury", FundPolicy())) == "fund_exists"
    assert "treasury" not in world.state.funds


def test_a_funds_policy_changes_by_field_or_not_at_all(world: World) -> None:
    """What is not named stays; a change that is refused has changed nothing of it (ORD-7)."""
    world.fund("G")
    half = Decimal("0.5")
    world.must(UpdateFund("G", policy={"share_below_minimum": half}))
    world.must(UpdateFund("G", policy={"max_net_notional_ratio": Decimal(3)}))
    kept = FundPolicy(Decimal(3), half, half)
    assert world.state.funds["G"].policy == kept
    for name, value in (("shares", 1), ("share_above_minimum", 2), ("max_net_notional_ratio", -1)):
        policy = {"share_below_minimum": Decimal(1), name: Decimal(value)}
        assert refused(world, UpdateFund("G", "New", policy)) == "invalid_policy"
    minimum = UpdateFund("G", "New", {"share_below_minimum": half}, {"XYZ": half})
    assert refused(world, minimum) == "unknown_asset"
    assert (world.state.funds["G"].name, world.state.funds["G"].policy) == ("G", kept)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "market"}, "price_not_allowed"),
        ({"price": None}, "price_required"),
        ({"type": "market", "price": None, "time_in_force": "gtc"}, "time_in_force_not_allowed"),
        ({"type": "market", "price": None, "time_in_force": "gtx"}, "time_in_force_not_allowed"),
    ],
)
def test_ord_1_type_price_and_time_in_force_belong_together(
    world: World, changes: dict[str, object], code: str
) -> None:
    """ORD-1, ORD-7."""
    world.deposit("alice", "100")
    order = PlaceOrder("alice", "TEST", "buy", "limit", Decimal(1), Decimal(99))
    assert refused(world, replace(order, **changes)) == code  # type: ignore[arg-type]

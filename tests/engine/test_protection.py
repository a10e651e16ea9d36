"""What protects a fund, where no scenario can tell (FND-12, FND-13)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.engine.commands.accounts import ConfigureContract, DeclareOwner
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.invariants import LawBroken, check_all, state_hash
from app.engine.state import Payout
from app.engine.traders import HeldProfit
from app.engine.trading import funds
from tests.engine.world import START, World, contract


def test_fnd_13_another_fund_that_pays_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """FND-13: G has the money, but the contract is F's."""
    world = World()
    for fund_id in ("F", "G"):
        world.fund(fund_id)
    world.contract(contract("TEST", "F"))
    world.seed("G", "100000")
    world.must(Tick("TEST", Decimal(100)))
    for account, amount in (("long", "100"), ("short", "10000")):
        world.account(account)
        world.deposit(account, amount)
    world.must(ConfigureContract("long", "TEST", 10))
    world.order(PlaceOrder("short", "TEST", "sell", "limit", Decimal(10), Decimal(100)))
    world.order(PlaceOrder("long", "TEST", "buy", "limit", Decimal(10), Decimal(100)))
    monkeypatch.setattr(funds, "fund_of", lambda state, _: state.funds["G"])
    with pytest.raises(AssertionError, match="'G', 'F', 'TEST'"):
        world.engine.apply(Tick("TEST", Decimal(88)), world.next_time())


def test_num_4_what_is_open_is_counted() -> None:
    """NUM-4: a count of the open interest that is not the positions' is noticed."""
    world = World()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.state.markets["TEST"].open_interest = Decimal(1)
    with pytest.raises(LawBroken, match="open interest is 0, not 1"):
        check_all(world.state)


def test_rec_3_owners_and_what_is_held_are_of_the_state() -> None:
    """REC-3: a hash of the state tells them apart."""
    world = World()
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.account("ann")
    state, hashes = world.state, {state_hash(world.state)}
    world.must(DeclareOwner("ann", "mallory"))
    hashes.add(state_hash(state))
    state.payouts["TEST"] = Payout("TEST", world.now)
    hashes.add(state_hash(state))
    state.profits["ann"] = {"TEST": [HeldProfit("ann", "TEST", START, START, Decimal(1))]}
    hashes.add(state_hash(state))
    assert len(hashes) == 4

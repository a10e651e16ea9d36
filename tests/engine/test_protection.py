"""What protects a fund, where no scenario can tell (FND-12, FND-13)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from app.engine.commands.accounts import ConfigureContract
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.trading import funds
from tests.engine.world import World, contract


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

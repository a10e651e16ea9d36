"""The waterfall: where a case waits, what the next part does, and what is asserted on the way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from app.engine.commands.accounts import Deposit
from app.engine.commands.funds import ContributeToFund
from app.engine.commands.leaders import ContinueCascade, Limits, Recover
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.events import Liquidation
from app.engine.liquidation import clearance, counterparty, takeover
from app.engine.liquidation.waterfall import STAGES
from app.engine.liquidation.work import Work
from app.engine.numbers import UNIT, share
from app.engine.state import Case
from tests.engine.world import World, contract, differences, dump, replayed


def case_of(world: World) -> Case:
    """The case that is under way."""
    case = world.state.cascades["USDT"].case
    assert case is not None
    return case


def bids(world: World, symbol: str, price: str, *quantities: str) -> None:
    """Bids of a maker at one price."""
    for quantity in quantities:
        world.order(PlaceOrder("mm", symbol, "buy", "limit", Decimal(quantity), Decimal(price)))


@pytest.fixture
def world() -> World:
    """One who holds ten of A and ten of B, cross, against a maker; three orders are met a part."""
    world = World()
    world.fund("F")
    world.must(Recover(limits=Limits(matched_orders=3)))
    for symbol in ("A", "B"):
        free = replace(
            contract(symbol, "F"), clearance_fee_rate=Decimal(0), min_notional=Decimal(0)
        )
        world.contract(free)
        world.must(Tick(symbol, Decimal(100)))
    for name, money in (("ann", "100"), ("mm", "100000")):
        world.account(name)
        world.deposit(name, money)
    for symbol in ("A", "B"):
        world.order(PlaceOrder("mm", symbol, "sell", "limit", Decimal(10), Decimal(100)))
        world.order(PlaceOrder("ann", symbol, "buy", "limit", Decimal(10), Decimal(100)))
    return world


def test_liq_10_a_case_goes_on_with_the_position_in_hand(world: World) -> None:
    """LIQ-10, LIQ-4: what was tried in this stage is not tried again before the others were."""
    bids(world, "A", "96", "1")
    bids(world, "B", "94", "1", "1", "1", "1")
    world.must(Tick("A", Decimal(96)))
    world.apply(Tick("B", Decimal(94)))  # 0 is left: 40 and 60 are lost
    case = case_of(world)
    assert STAGES[case.stage].name == "reduce"
    assert case.todo is not None
    assert [position.symbol for position in case.todo] == ["B"]
    assert [trade.symbol for trade in world.trades[2:]] == ["A", "B", "B"]
    world.apply(ContinueCascade("USDT"))
    assert [trade.symbol for trade in world.trades[5:]] == ["B", "B"]
    world.finish()
    assert not world.state.accounts["ann"].positions
    assert world.state.accounts["ann"].wallets["USDT"].balance == 0
    assert not list(differences(dump(world.state), dump(replayed(world).state)))


def test_liq_10_who_pays_in_between_the_parts_keeps_the_rest(world: World) -> None:
    """LIQ-10, LIQ-1: each part asks anew whether the scope is still at risk."""
    bids(world, "B", "90", "1", "1", "1", "1")
    world.apply(Tick("B", Decimal(90)))
    assert world.trades[-1].liquidation_id is not None
    traded, records = len(world.trades), len(world.liquidations)
    world.apply(Deposit("ann", "USDT", Decimal(50)))
    world.apply(ContinueCascade("USDT"))
    assert not world.pending
    assert len(world.trades) == traded
    assert len(world.liquidations) == records
    assert world.state.accounts["ann"].positions["B", "both"].quantity == 7


@pytest.fixture
def whale() -> World:
    """A long of eight, bankrupt at 93.75, against eight; an ADL event closes three of them."""
    world = World()
    world.state.bounds = replace(world.state.bounds, closed=3)
    world.fund("F")
    world.contract(contract("TEST", "F"))
    world.must(Tick("TEST", Decimal(100)))
    world.account("whale")
    world.deposit("whale", "50")
    for number in range(8):
        world.account(f"short-{number}")
        world.deposit(f"short-{number}", "1000")
        world.order(
            PlaceOrder(f"short-{number}", "TEST", "sell", "limit", Decimal(1), Decimal(100))
        )
        world.order(PlaceOrder("whale", "TEST", "buy", "limit", Decimal(1), Decimal(100)))
    return world


def test_liq_10_each_part_asks_the_fund_anew(whale: World) -> None:
    """LIQ-10, FND-2: who is still to be deleveraged is spared when the fund can pay by then."""
    outcome = whale.apply(Tick("TEST", Decimal(90)))
    assert [record.outcome for record in outcome.of(Liquidation)] == ["deleveraged"]
    assert STAGES[case_of(whale).stage].name == "close"
    assert whale.state.accounts["whale"].positions["TEST", "both"].quantity == 5
    whale.apply(ContributeToFund("F", "main", "USDT", Decimal(1000), "seed_capital"))
    outcome = whale.apply(ContinueCascade("USDT"))
    assert [record.outcome for record in outcome.of(Liquidation)] == ["taken_over"]
    assert whale.state.funds["F"].inventory["TEST"].quantity == 5
    assert not whale.pending
    assert whale.state.accounts["whale"].wallets["USDT"].balance == 0


def test_fnd_1_a_takeover_at_another_value_is_noticed(
    whale: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FND-1: what the scope has left is what its other positions were allotted; alone, nothing."""
    whale.seed("F", "1000")
    monkeypatch.setattr(takeover, "share", lambda *parts: share(*parts) - UNIT)
    with pytest.raises(AssertionError):
        whale.engine.apply(Tick("TEST", Decimal(90)), whale.next_time())


def test_adl_2_parts_that_are_not_the_whole_are_noticed(
    whale: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ADL-2, LIQ-3: the values at which a position is closed add up to its bankruptcy value."""
    whale.state.bounds = replace(whale.state.bounds, closed=500)
    monkeypatch.setattr(counterparty, "share", lambda *parts: share(*parts) + UNIT)
    with pytest.raises(AssertionError):
        whale.engine.apply(Tick("TEST", Decimal(90)), whale.next_time())


def test_liq_5_a_fee_beyond_its_rate_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LIQ-5: rate x filled value is the most there is; here the rate is 0."""

    def earn(work: Work, record: Liquidation, left: Decimal) -> None:
        work.fees[work.position] = left

    bids(world, "B", "91", "10")
    monkeypatch.setattr(clearance, "earn", earn)
    with pytest.raises(AssertionError):
        world.engine.apply(Tick("B", Decimal("90.5")), world.next_time())

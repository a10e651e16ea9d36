"""Where premiums come from besides ticks, and where they cannot (FPY-1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from app.engine.cascades import rates
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.prices import Tick
from app.engine.markets import Funding, Market
from app.engine.numbers import EXACT
from app.engine.step import Step
from tests.engine.world import World, contract, inverse


@pytest.fixture
def world() -> Iterator[World]:
    """TEST derives its funding rate, and its marks are good for a minute."""
    world = World()
    world.fund("F")
    terms = replace(
        contract("TEST", "F"), funding_interval_hours=8, funding_mode="derived",
        mark_staleness_seconds=60,
    )  # fmt: skip
    world.contract(terms)
    with localcontext(EXACT):
        yield world


def observed(world: World, market: Market, index: Decimal) -> Funding:
    """The index is known anew, by whatever command."""
    rates.observe(Step(world.state, Tick("TEST", index), world.now), market, index)
    assert market.funding is not None
    return market.funding


def test_an_index_that_comes_alone_is_measured_with_a_fresh_mark(world: World) -> None:
    market = world.state.markets["TEST"]
    assert observed(world, market, Decimal(100)).premium is None
    world.must(Tick("TEST", Decimal(101)))
    world.later(Decimal(30))
    assert observed(world, market, Decimal(100)).premium == Decimal("0.01")
    world.later(Decimal(20))
    assert observed(world, market, Decimal(101)).premium == Decimal(0)
    world.later(Decimal(11))
    funding = observed(world, market, Decimal(100))
    assert funding.premium == Decimal(0), "the mark is too old"
    assert (funding.premium_total, funding.premium_seconds) == (Decimal("0.2"), Decimal(20))


def test_what_is_settled_has_no_premium(world: World) -> None:
    world.must(Tick("TEST", Decimal(101)))
    world.must(UpdateContract("TEST", {"status": "settled"}))
    assert observed(world, world.state.markets["TEST"], Decimal(100)).premium is None


def test_nothing_is_worth_an_impact_notional_at_a_price_beyond_all_reason(world: World) -> None:
    size, highest = Decimal("0.000000000001"), Decimal(999_999_999_999_999)
    world.contract(
        replace(
            inverse("COIN", "F"),
            contract_size=size,
            funding_interval_hours=8,
            funding_mode="derived",
        )
    )
    world.must(Tick("COIN", highest, highest))
    funding = world.state.markets["COIN"].funding
    assert funding is not None
    assert funding.premium == 0

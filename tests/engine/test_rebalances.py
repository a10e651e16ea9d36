"""Whatever funds have and need: a rebalance keeps every minimum, and leaves nothing to do."""

from __future__ import annotations

from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands.funds import DeployExcess, Rebalance, UpdateFund
from app.engine.numbers import EXACT
from app.engine.rejections import Rejection
from app.engine.results import Rebalanced
from app.engine.trading import excess, funds
from tests.engine.world import World, contract

units = st.integers(0, 1000) | st.integers(0, 10**13)
"""Of eight decimals; often close together."""


@given(
    st.lists(st.tuples(units, units, st.none() | units), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), units), max_size=4),
)
def test_fnd_8_a_rebalance_ends_either_the_excess_or_the_need(
    given_funds: list[tuple[int, int, int | None]], deployments: list[tuple[int, int]]
) -> None:
    """FND-8: in fewer moves than funds, as proposed; the naive model checks who got what.

    Nor does a deployment ever take what a fund needs: what is refused is more than it can spare.
    """
    world, names = World(), [f"f{number}" for number in range(len(given_funds))]
    for name in names:
        world.fund(name)
    world.contract(contract("TEST", "f0"))
    for name, (main, reserve, minimum) in zip(names, given_funds, strict=True):
        for wallet, amount in (("main", main), ("reserve", reserve)):
            if amount:
                world.seed(name, str(Decimal(amount) / 10**8), "USDT", wallet)
        if minimum:
            world.must(UpdateFund(name, required_minimum={"USDT": Decimal(minimum) / 10**8}))
    with localcontext(EXACT):
        proposed = excess.proposal(world.state, "USDT")
    assert world.must(Rebalance("USDT")) == Rebalanced("USDT", proposed)
    assert len(proposed) < len(names)
    assert world.must(Rebalance("USDT")) == Rebalanced("USDT", ())
    for number, amount in deployments:
        name, taken = names[number % len(names)], Decimal(amount or 1) / 10**8
        fund = world.state.funds[name]
        needed, has = fund.required_minimum.get("USDT"), funds.balance(fund, "USDT")
        outcome = world.apply(DeployExcess(name, "USDT", taken))
        if isinstance(outcome.result, Rejection):
            assert needed is None or has - taken < needed, outcome.result

"""Where two legs of a contract that stand before one equity come to be at risk (LIQ-1, LIQ-2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands.accounts import ConfigureContract, SetPositionMode
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Bracket, Contract
from app.engine.figures import calculator, margin
from app.engine.numbers import EXACT
from app.engine.rejections import Rejection
from app.engine.valuation import Margining, Terms
from tests.engine.arithmetic import exact_value, maintenance
from tests.engine.world import World, brackets, contract, inverse

FLAT = brackets((("0", "1000000000", 20, "0.01"),))
STEEP = brackets((("0", "1000", 50, "0.01"), ("1000", "1000000000", 2, "0.4")))


@pytest.fixture(autouse=True)
def _exactly() -> Iterator[None]:
    """As the engine reckons."""
    with localcontext(EXACT):
        yield


def prices(
    table: tuple[Bracket, ...], long: str, short: str, wallet: str, margining: Margining = "linear"
) -> list[str]:
    """Both legs opened at 100, to eight decimals."""
    terms = Terms(Decimal(1), Decimal(1), margining)
    quantities = Decimal(long), -Decimal(short)
    cost = terms.unrounded_value(sum(quantities, Decimal(0)), Decimal(100))
    found = calculator.hedged_prices(table, terms, quantities, cost, Decimal(wallet))
    return [str(terms.shown(price)) for price in found]


def test_liq_1_both_legs_need_their_margins() -> None:
    """LIQ-1: 3 long and 1 short: 50 + 2 x (p - 100) is 0.04 p at 150 / 1.96."""
    assert prices(FLAT, "3", "1", "50") == ["76.53061224"]
    assert prices(FLAT, "1", "3", "50") == ["122.54901961"]  # 250 - 2 p = 0.04 p
    # As many of either: no price changes their profit, but the margins grow; or nothing is there.
    assert prices(FLAT, "1", "1", "50") == ["2500.00000000"]
    assert prices(FLAT, "1", "1", "0") == []
    assert prices(FLAT, "2", "1", "1000") == []


def test_liq_1_legs_can_be_at_risk_on_either_side() -> None:
    """LIQ-1, CON-4: 1.2 long, 1 short: 15 - 20 + 0.2 p is 0.022 p at 5 / 0.178; beyond 1,000, where
    either is in the second bracket, 0.88 p - 780 at 775 / 0.68.
    """
    assert prices(STEEP, "1.2", "1", "15") == ["28.08988764", "1139.70588235"]
    # With 30 it has 10 at a price of 0.
    assert prices(STEEP, "1.2", "1", "30") == ["1161.76470588"]


def test_liq_1_inverse_legs_need_their_margins() -> None:
    """LIQ-1, CON-2: 3 long and 1 short of 1 USD: 0.01 + 0.02 - 2 / p is 0.04 / p at 2.04 / 0.03."""
    assert prices(FLAT, "3", "1", "0.01", "inverse") == ["68.00000000"]


TABLES = st.sampled_from((
    FLAT,
    STEEP,
    brackets((("0", "5000", 125, "0.004"), ("5000", "50000", 100, "0.005"),
              ("50000", "100000", 50, "0.01"), ("100000", "1E9", 1, "0.9"))),
))  # fmt: skip
amounts = st.integers(1, 10**7).map(lambda units: Decimal(units) / 1000)
margins: st.SearchStrategy[Margining] = st.sampled_from(("linear", "inverse"))


@given(TABLES, margins, amounts, amounts, amounts, amounts)
def test_liq_1_between_and_beyond_its_prices_a_hedge_is_whole_or_not(
    table: tuple[Bracket, ...], margining: Margining, long: Decimal, short: Decimal,
    entry: Decimal, wallet: Decimal,
) -> None:  # fmt: skip
    """LIQ-1: equity is maintenance margin at each of them, and neither of its sides at no other."""
    terms = replace(
        contract("TEST", "F"), brackets=table, margining=margining, contract_size=Decimal(1)
    )
    cost = terms.value(long - short, entry)
    found = calculator.hedged_prices(table, terms, (long, -short), cost, wallet)
    assert found == sorted(found)

    def slack(price: Fraction) -> Fraction:
        legs = [exact_value(terms, quantity, price) for quantity in (long, -short)]
        needed = [maintenance(terms, abs(worth)) for worth in legs]
        return Fraction(wallet) - Fraction(cost) + sum(legs) - sum(needed)

    for price in map(Fraction, found):
        hair = price / 10**9
        assert slack(price - hair) * slack(price + hair) <= 0
    edges = [Fraction(1, 10**18), *map(Fraction, found), Fraction(10**18)]
    for low, high in pairwise(edges):
        inside = [low + (high - low) * Fraction(at, 1000) for at in (1, 10, 100, 500, 900, 999)]
        assert len({slack(price) >= 0 for price in inside}) == 1, (low, high)


PRICES = st.integers(9000, 11000).map(lambda cents: Decimal(cents) / 100)
LOTS = st.integers(1, 400).map(Decimal)


@given(
    st.sampled_from((contract("TEST", "F"), inverse("TEST", "F"))),
    LOTS, LOTS, PRICES, PRICES, PRICES, st.integers(100, 10000),
)  # fmt: skip
def test_liq_1_a_hedge_is_liquidated_where_the_calculator_says(
    terms: Contract, long: Decimal, short: Decimal, bought: Decimal, sold: Decimal, mark: Decimal,
    wallet: int,
) -> None:  # fmt: skip
    """LIQ-1, LIQ-3: the positions list says of both legs what their calculator does."""
    world = World()
    world.fund("F")
    world.contract(terms)
    world.must(Tick("TEST", bought))
    for name, amount in (("alice", wallet), ("bob", 10**9)):
        world.account(name)
        world.deposit(name, str(amount), terms.settlement_asset)
        world.must(ConfigureContract(name, "TEST", 50, "cross"))
    world.must(SetPositionMode("alice", "hedge"))
    for order in (
        PlaceOrder("bob", "TEST", "sell", "limit", long, bought),
        PlaceOrder("alice", "TEST", "buy", "limit", long, bought, position_side="long"),
        PlaceOrder("bob", "TEST", "buy", "limit", short, sold),
        PlaceOrder("alice", "TEST", "sell", "limit", short, sold, position_side="short"),
    ):
        if isinstance(world.run(order), Rejection):
            return
    world.run(Tick("TEST", mark))
    if world.liquidations:
        return
    account = world.state.accounts["alice"]
    cost = terms.value(long, bought) + terms.value(-short, sold)
    balance = account.wallets[terms.settlement_asset].balance
    found = calculator.hedged_prices(terms.brackets, terms, (long, -short), cost, balance)
    nearer = min(found, key=lambda price: abs(price - mark), default=None)
    bankrupt = calculator.bankruptcy_price(terms, long - short, cost, balance)
    for position in account.positions.values():
        summary = margin.position_summary(world.state, account, position)
        assert summary.liquidation_price == terms.shown(nearer)
        assert summary.bankruptcy_price == terms.shown(bankrupt)

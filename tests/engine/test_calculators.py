"""Calculators beside the engine: what they say of an account is what becomes of it.

What an order costs and how large it may be (ORD-4, ORD-5), where a position is liquidated and
bankrupt (LIQ-1, LIQ-3), what it gains (CON-3).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.commands import MarginMode, Side
from app.engine.commands.accounts import ConfigureContract
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Contract
from app.engine.figures import calculator, margin
from app.engine.figures.outlay import OrderCost, Wanted, max_quantity, order_cost
from app.engine.handlers.preview import Preview
from app.engine.handlers.preview import preview as judged
from app.engine.numbers import EXACT, ZERO
from app.engine.rejections import Rejection
from tests.engine.arithmetic import exact_value
from tests.engine.world import World, brackets, contract, inverse

FEE = Decimal("0.0005")
LINEAR = replace(contract("TEST", "F"), taker_fee_rate=FEE)
INVERSE = replace(inverse("TEST", "F"), taker_fee_rate=FEE)
NARROW = (("0", "40", 50, "0.01"), ("40", "90", 10, "0.05"), ("90", "100000", 4, "0.2"))
IN_COIN = replace(inverse("TEST", "F", NARROW), taker_fee_rate=FEE)

CONTRACTS = st.sampled_from((LINEAR, INVERSE, IN_COIN))
SIDES: st.SearchStrategy[Side] = st.sampled_from(("buy", "sell"))
MODES: st.SearchStrategy[MarginMode] = st.sampled_from(("cross", "isolated"))
PRICES = st.integers(9000, 11000).map(lambda cents: Decimal(cents) / 100)
LEVERAGES = st.integers(1, 20)
AMOUNTS = st.integers(1, 10**11).map(lambda units: Decimal(units) / 10**8)


@pytest.fixture(autouse=True)
def _exactly() -> Iterator[None]:
    """As the engine reckons."""
    with localcontext(EXACT):
        yield


def market(terms: Contract, mark: Decimal, **deposits: Decimal) -> World:
    """A contract at a mark, and accounts with money."""
    world = World()
    world.fund("F")
    world.contract(terms)
    world.must(Tick("TEST", mark))
    for name, amount in deposits.items():
        world.account(name)
        world.deposit(name, str(amount), terms.settlement_asset)
    return world


def configured(world: World, leverage: int, mode: MarginMode = "cross") -> None:
    """Alice's leverage and margin mode."""
    world.must(ConfigureContract("alice", "TEST", leverage, mode))


def limit(account: str, side: Side, quantity: Decimal, price: Decimal) -> PlaceOrder:
    """An order that rests with what it does not fill."""
    return PlaceOrder(account, "TEST", side, "limit", quantity, price)


def previewed(world: World, command: PlaceOrder) -> Preview | Rejection:
    """What the engine says of an order."""
    return judged(world.state, command, world.next_time())


def test_ord_5_what_an_order_costs_in_numbers() -> None:
    """ORD-5: 9,253.30 at 20x is 462.665, 6.54 below the mark, 0.05 % 4.62665."""
    wanted = Wanted("sell", Decimal("9253.3"), None, Decimal("9259.84"), 20, FEE)
    found = order_cost(LINEAR, wanted, Decimal(1))
    assert found == OrderCost(Decimal("462.665"), Decimal("6.54"), Decimal("4.62665"))
    assert found.total == Decimal("473.83165")
    # A bid of 9,300 that it would trade with: 465 and 4.65, and nothing is lost.
    assert order_cost(LINEAR, wanted._replace(meets=Decimal(9300)), Decimal(1)) == found
    at_once = wanted._replace(meets=Decimal(10000))
    assert order_cost(LINEAR, at_once, Decimal(1)) == OrderCost(Decimal(500), ZERO, Decimal(5))


def test_ord_5_how_much_can_be_had_in_numbers() -> None:
    """ORD-5: 100 at 20x, fee 0.05 %: each 100 cost 5.05; 1,000 pay 198.019."""
    wanted = Wanted("buy", Decimal(100), None, Decimal(100), 20, FEE)
    assert max_quantity(LINEAR, wanted, Decimal(1000)) == Decimal("198.019")
    assert max_quantity(LINEAR, wanted, ZERO) == 0
    # Less than the minimum notional of 5 is no order, and what is worth nothing neither.
    assert max_quantity(LINEAR, wanted, Decimal("0.2")) == 0
    free = replace(LINEAR, min_notional=ZERO, lot_size=Decimal("1E-12"))
    assert max_quantity(free, wanted, Decimal("1E-9")) == 0
    # The bracket up to 100,000 allows 100x, the next one 50x.
    rich = Decimal(10**9)
    assert max_quantity(LINEAR, wanted._replace(leverage=60), rich) == Decimal("999.999")
    assert max_quantity(LINEAR, wanted._replace(leverage=200), rich) == 0
    # Nobody may ask for more than 15 digits of anything.
    tiny = replace(free, lot_size=Decimal(1), brackets=brackets((("0", "1E29", 50, "0.01"),)))
    cheap = wanted._replace(price=Decimal("1E-12"), mark=Decimal("1E-12"))
    assert max_quantity(tiny, cheap, rich) == 10**15 - 1


def test_ord_5_what_trades_at_once_is_margined_at_mark() -> None:
    """ORD-5: a sale at 90 below a mark of 100 costs 4.5 + 10, but its position needs 5 + 10."""
    wanted = Wanted("sell", Decimal(90), Decimal(90), Decimal(100), 20, ZERO)
    assert order_cost(LINEAR, wanted, Decimal(1)).total == Decimal("14.5")
    assert max_quantity(LINEAR, wanted, Decimal(150)) == 10
    assert max_quantity(LINEAR, wanted._replace(meets=None), Decimal(145)) == 10


@given(CONTRACTS, SIDES, PRICES, PRICES, LEVERAGES, st.integers(1, 500))
def test_ord_5_an_order_costs_what_its_preview_requires(
    terms: Contract, side: Side, price: Decimal, mark: Decimal, leverage: int, lots: int
) -> None:
    """ORD-4, ORD-5: to the last digit."""
    world = market(terms, mark, alice=Decimal(10**9))
    configured(world, min(leverage, 4) if terms is IN_COIN else leverage)
    quantity = 100 * lots * terms.lot_size
    seen = previewed(world, limit("alice", side, quantity, price))
    assert isinstance(seen, Preview), seen
    used = world.state.accounts["alice"].settings["TEST"].leverage
    found = order_cost(terms, Wanted(side, price, None, mark, used, FEE), quantity)
    assert seen.requirement == found.initial_margin
    assert seen.open_loss == terms.needed(found.open_loss)
    assert seen.fee == terms.needed(found.fee)
    assert seen.required == terms.needed(found.total)


@given(CONTRACTS, SIDES, PRICES, PRICES, LEVERAGES, AMOUNTS)
def test_ord_5_the_most_that_rests_is_accepted_and_a_lot_more_refused(
    terms: Contract, side: Side, price: Decimal, mark: Decimal, leverage: int, money: Decimal
) -> None:
    """ORD-5: by an account without anything else."""
    world = market(terms, mark, alice=money)
    configured(world, leverage)
    wanted = Wanted(side, price, None, mark, leverage, FEE)
    quantity = max_quantity(terms, wanted, money)
    more = quantity + terms.lot_size
    if quantity:
        assert isinstance(previewed(world, limit("alice", side, quantity, price)), Preview)
    refused = previewed(world, limit("alice", side, more, price))
    assert isinstance(refused, Rejection), refused
    assert refused.code in ("insufficient_margin", "leverage_too_high", "below_min_notional")


@given(CONTRACTS, SIDES, PRICES, st.integers(0, 300), PRICES, LEVERAGES, AMOUNTS)
def test_ord_5_the_most_that_trades_at_once_is_accepted_in_either_mode(
    terms: Contract, side: Side, price: Decimal, better: int, mark: Decimal, leverage: int,
    money: Decimal,
) -> None:  # fmt: skip
    """ORD-5, NUM-5: at the price that it meets; more is refused in the mode that asks for more.

    More: by what fills may be off with their rounding.
    """
    step = Decimal(better) / 100
    meets = price - step if side == "buy" else price + step
    quantity = max_quantity(terms, Wanted(side, price, meets, mark, leverage, FEE), money)
    lot, modes = terms.lot_size, get_args(MarginMode)
    if quantity:
        for mode in modes:
            world = facing(terms, mark, money, side, quantity, meets)
            configured(world, leverage, mode)
            assert isinstance(previewed(world, limit("alice", side, quantity, price)), Preview)
    more = quantity + lot + quantity // (10**6 * lot) * lot
    while terms.value(more, price) < terms.min_notional <= terms.value(more, Decimal(10**6)):
        more *= 2
    refused = []
    for mode in modes:
        world = facing(terms, mark, money, side, more, meets)
        configured(world, leverage, mode)
        refused.append(previewed(world, limit("alice", side, more, price)))
    assert any(isinstance(one, Rejection) for one in refused), str(
        (
            quantity,
            more,
            side,
            price,
            meets,
            mark,
            leverage,
            money,
            terms.margining,
            terms.brackets[0].notional_cap,
            refused,
        )
    )


def facing(
    terms: Contract, mark: Decimal, money: Decimal, side: Side, quantity: Decimal, meets: Decimal
) -> World:
    """Where bob's order waits for one of alice."""
    world = market(terms, mark, alice=money, bob=Decimal(10**12))
    world.must(ConfigureContract("bob", "TEST", 1, "cross"))
    world.must(limit("bob", "sell" if side == "buy" else "buy", quantity, meets))
    return world


@given(
    CONTRACTS, st.booleans(), PRICES, PRICES, PRICES, LEVERAGES, st.integers(1, 400), MODES
)  # fmt: skip
def test_liq_1_a_position_is_liquidated_where_the_calculator_says(
    terms: Contract, long: bool, entry: Decimal, mark: Decimal, exit_: Decimal, leverage: int,
    lots: int, mode: MarginMode,
) -> None:  # fmt: skip
    """LIQ-1, LIQ-3, CON-3: what the positions list says of a position, and what a close books."""
    quantity = 100 * lots * terms.lot_size
    money, asset = Decimal(10**6), terms.settlement_asset
    world = market(terms, entry, alice=money, bob=Decimal(10**12))
    configured(world, min(leverage, 4) if terms is IN_COIN else leverage, mode)
    side: Side = "buy" if long else "sell"
    opposite: Side = "sell" if long else "buy"
    world.must(ConfigureContract("bob", "TEST", 1, "cross"))
    world.must(limit("bob", opposite, quantity, entry))
    world.must(limit("alice", side, quantity, entry))
    account = world.state.accounts["alice"]
    (position,) = account.positions.values()
    summary = margin.position_summary(world.state, account, position)
    signed = quantity if long else -quantity
    cost = terms.value(signed, summary.entry_price)
    behind = account.wallets[asset].balance
    if mode == "isolated":
        behind = divide(abs(cost), account.settings["TEST"].leverage)
        assert behind == summary.isolated_wallet
    price = calculator.liquidation_price(terms.brackets, terms, signed, cost, behind)
    assert terms.shown(price) == summary.liquidation_price
    bankrupt = calculator.bankruptcy_price(terms, signed, cost, behind)
    assert terms.shown(bankrupt) == summary.bankruptcy_price
    world.run(Tick("TEST", exit_))
    if world.liquidations:
        return
    before = purse(world, asset)
    world.must(limit("bob", side, quantity, exit_))
    world.must(limit("alice", opposite, quantity, exit_))
    paid = world.trades[-1].taker_fee
    gained = calculator.profit(terms, signed, entry, exit_)
    assert purse(world, asset) - before == gained - paid


def divide(amount: Decimal, leverage: int) -> Decimal:
    """An isolated position's initial margin, rounded up."""
    units = Fraction(amount) / leverage * 10**8
    return Decimal(-(-units.numerator // units.denominator)) / 10**8


def purse(world: World, asset: str) -> Decimal:
    """All that alice has: her cross wallet and her isolated one."""
    account = world.state.accounts["alice"]
    isolated = [p.wallet.balance for p in account.positions.values() if p.wallet]
    return account.wallets[asset].balance + sum(isolated, ZERO)


@given(
    st.sampled_from((LINEAR, INVERSE)), st.booleans(), PRICES, LEVERAGES,
    st.integers(-3000, 3000).map(lambda hundredths: Decimal(hundredths) / 100),
)  # fmt: skip
def test_con_3_at_the_target_price_so_many_margins_are_gained(
    terms: Contract, long: bool, entry: Decimal, leverage: int, target: Decimal
) -> None:
    """CON-3: profit is target x notional / leverage; None where its value would not be positive."""
    price = calculator.target_price(terms, long=long, entry=entry, leverage=leverage, target=target)
    quantity = Fraction(1 if long else -1)
    cost = exact_value(terms, quantity, entry)
    wanted = cost + Fraction(target) * abs(cost) / leverage
    if price is None:
        assert wanted * cost <= 0
    else:
        found = exact_value(terms, quantity, price)
        assert abs(found - wanted) <= abs(wanted) / 10**30


def test_con_3_target_prices_in_numbers() -> None:
    """CON-3: 60,000 at 20x, half the margin won: 2.5 % of the notional."""

    def price(terms: Contract, target: str, *, long: bool) -> Decimal | None:
        return calculator.target_price(
            terms, long=long, entry=Decimal(60000), leverage=20, target=Decimal(target)
        )

    assert price(LINEAR, "0.5", long=True) == 61500
    assert price(LINEAR, "0.5", long=False) == 58500
    assert price(LINEAR, "-20", long=True) is None
    assert price(INVERSE, "-20", long=True) == 30000
    assert price(INVERSE, "20", long=True) is None
    assert price(INVERSE, "20", long=False) == 30000


def test_con_3_what_is_gained_and_where_it_is_used_up_in_numbers() -> None:
    """CON-3, LIQ-3: 10 from 100 to 90 lose 100; with 50 behind them they are bankrupt at 95."""
    one, hundred = Decimal(10), Decimal(100)
    assert calculator.profit(LINEAR, one, hundred, Decimal(90)) == -100
    assert calculator.profit(INVERSE, -one, hundred, Decimal(80)) == Decimal("0.25")
    assert calculator.bankruptcy_price(LINEAR, one, one * hundred, Decimal(50)) == 95
    assert calculator.bankruptcy_price(LINEAR, ZERO, ZERO, Decimal(50)) is None

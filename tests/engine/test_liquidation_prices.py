"""The liquidation price that an owner reads, for every bracket, side, margining and mode (LIQ-1).

There equity is the maintenance margin. One tick before nobody is liquidated, one beyond it he is.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.engine.commands.accounts import ConfigureContract, OpenAccount, Withdraw
from app.engine.commands.keys import NewKey
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.contracts import Contract
from app.engine.figures.margin import PositionSummary, cross_summary, position_summary, spendable
from app.engine.numbers import EXACT
from app.engine.results import Ticked
from app.engine.traders import OTHER_LEG
from tests.engine.arithmetic import exact_value, maintenance, value, worth_of_price_unit
from tests.engine.world import World, brackets, contract, inverse

TABLE = brackets(
    (("0", "20", 50, "0.01"), ("20", "60", 20, "0.03"), ("60", "200", 4, "0.2"),
     ("200", "1000000", 2, "0.45"))
)  # fmt: skip
COIN = replace(inverse("COIN", "F"), brackets=TABLE)
ALT = replace(
    contract("ALT", "F"), brackets=TABLE, quote_asset="BTC", settlement_asset="BTC",
    contract_size=Decimal("0.3"), lot_size=Decimal("0.1"), min_notional=Decimal(0),
)  # fmt: skip
OTHER = replace(inverse("OTHER", "F"), brackets=TABLE, contract_size=Decimal(7))
TERMS = {terms.symbol: terms for terms in (COIN, ALT, OTHER)}
MARKS = {"COIN": Decimal(100), "ALT": Decimal(7), "OTHER": Decimal(100)}
UNIT = Fraction(1, 10**8)


def market() -> World:
    """Contracts that settle in one coin, a bank, and ann, in hedge mode: a leg at a time."""
    world = World()
    world.fund("F")
    for symbol, terms in TERMS.items():
        world.contract(terms)
        world.must(Tick(symbol, MARKS[symbol]))
    world.seed("F", "100000", "BTC")
    world.account("bank")
    world.must(OpenAccount("ann", "hedge", NewKey("k", "k", "trader", "d", "ann")))
    for account in ("bank", "ann"):
        world.deposit(account, "1000000", "BTC")
    for symbol in TERMS:
        world.must(ConfigureContract("bank", symbol, 1))
    return world


def take(world: World, symbol: str, side: Any, lots: int, mode: Any, leverage: int) -> None:
    """A leg of ann's, at mark."""
    size, mark = lots * TERMS[symbol].lot_size, MARKS[symbol]
    world.must(ConfigureContract("ann", symbol, leverage, mode))
    buys: Any = "buy" if side == "long" else "sell"
    sells: Any = "sell" if side == "long" else "buy"
    world.order(PlaceOrder("bank", symbol, sells, "limit", size, mark))
    world.order(PlaceOrder("ann", symbol, buys, "limit", size, mark, position_side=side))


def read(world: World, symbol: str, side: Any) -> PositionSummary:
    """The position as its owner reads it."""
    ann = world.state.accounts["ann"]
    with localcontext(EXACT):
        return position_summary(world.state, ann, ann.positions[symbol, side])


def equity(world: World, shown: PositionSummary) -> tuple[Decimal, Decimal]:
    """Equity and maintenance margin behind a position, by reported numbers alone."""
    if shown.isolated_wallet is not None:
        return shown.isolated_wallet + shown.unrealized_profit, shown.maintenance_margin
    with localcontext(EXACT):
        scope = cross_summary(world.state, world.state.accounts["ann"], "BTC")
    return scope.equity, scope.maintenance_margin


def at(world: World, terms: Contract, shown: PositionSummary, price: Decimal) -> Fraction:
    """Equity less maintenance margin if the mark were `price`, unrounded (CON-3, CON-4)."""
    now, required = equity(world, shown)
    quantity = shown.position.quantity
    worth = exact_value(terms, quantity, price)
    moved = worth - value(terms, quantity, shown.mark_price)
    others = Fraction(required) - Fraction(shown.maintenance_margin)
    return Fraction(now) + moved - others - maintenance(terms, abs(worth))


def beside(terms: Contract, price: Decimal) -> tuple[Decimal, Decimal]:
    """The ticks next to a price: the last below and the first above."""
    ticks = price / terms.tick_size
    return (
        (ticks.to_integral_value(ROUND_CEILING) - 1) * terms.tick_size,
        (ticks.to_integral_value(ROUND_FLOOR) + 1) * terms.tick_size,
    )


@pytest.mark.parametrize("mode", ["cross", "isolated"])
@pytest.mark.parametrize("side", ["long", "short"])
@pytest.mark.parametrize("number", range(len(TABLE)))
@pytest.mark.parametrize("symbol", ["COIN", "ALT"])
@settings(max_examples=12)
@given(
    part=st.integers(20, 95), beside_it=st.sampled_from((0, 0, 50, -50)), spare=st.integers(1, 999)
)
def test_liq_1_at_the_liquidation_price_equity_is_the_maintenance_margin(
    symbol: str, number: int, side: Any, mode: Any, part: int, beside_it: int, spare: int
) -> None:
    """LIQ-1, CON-4: to the last unit; and the ticks beside it."""
    world, terms, row = market(), TERMS[symbol], TABLE[number]
    if beside_it:
        take(world, "OTHER", "long" if beside_it > 0 else "short", abs(beside_it), "cross", 50)
    floor, cap = row.notional_floor, min(row.notional_cap, Decimal(900))
    lot = abs(terms.value(terms.lot_size, MARKS[symbol]))
    take(world, symbol, side, int((floor + (cap - floor) * part / 100) / lot), mode,
         row.max_leverage)  # fmt: skip
    with localcontext(EXACT):
        free = spendable(world.state, world.state.accounts["ann"], "BTC")
    world.must(Withdraw("ann", "BTC", free - Decimal(spare) / 1000))
    shown = read(world, symbol, side)
    price = shown.liquidation_price
    assert price is not None
    there = abs(exact_value(terms, shown.position.quantity, price))
    assume(row.notional_floor <= there < row.notional_cap)
    assert price > 2 * terms.tick_size
    unit = worth_of_price_unit(terms, shown.position.quantity, price)
    assert abs(at(world, terms, shown, price)) <= 2 * unit + UNIT
    below, above = beside(terms, price)
    before, beyond = (above, below) if side == "long" else (below, above)
    for mark, found in ((before, 0), (beyond, 1)):
        result = world.must(Tick(symbol, mark))
        assert isinstance(result, Ticked)
        assert result.accounts_at_risk == found, (mark, price)
        if not found:
            now, required = equity(world, read(world, symbol, side))
            assert now >= required


near = st.integers(30, 4000).map(lambda lots: (lots, lots - lots // 30))
"""Nearly hedged: at risk where the margins of both legs grow."""


@settings(max_examples=150)
@given(
    symbol=st.sampled_from(("COIN", "ALT")), mode=st.sampled_from(("cross", "isolated")),
    lots=st.tuples(st.integers(3, 4000), st.integers(3, 4000)) | near,
    spare=st.sampled_from(("0.5", "30")), side=st.sampled_from(("long", "short")),
)  # fmt: skip
def test_liq_1_two_legs_at_their_price_and_the_ticks_beside_it(
    symbol: str, mode: Any, lots: tuple[int, int], spare: str, side: Any
) -> None:
    """LIQ-1, LIQ-2: cross legs have one price, below the mark or above, and are netted beyond it;
    isolated ones a price each.
    """
    world, terms, other = market(), TERMS[symbol], OTHER_LEG[side]
    notional = abs(terms.value(max(lots) * terms.lot_size, MARKS[symbol]))
    leverage = terms.max_leverage(notional)
    take(world, symbol, "long", lots[0], mode, leverage)
    take(world, symbol, "short", lots[1], mode, leverage)
    with localcontext(EXACT):
        free = spendable(world.state, world.state.accounts["ann"], "BTC")
    world.must(Withdraw("ann", "BTC", free - Decimal(spare)))
    price, its = (read(world, symbol, leg).liquidation_price for leg in (side, other))
    assert mode == "isolated" or price == its
    assume(price is not None and price > 2 * terms.tick_size)
    assert price is not None
    below, above = beside(terms, price)
    before, beyond = (above, below) if price < MARKS[symbol] else (below, above)
    for mark, found in ((before, 0), (beyond, 1)):
        result = world.must(Tick(symbol, mark))
        assert isinstance(result, Ticked)
        assert result.accounts_at_risk == found, (mark, price)
    netted = [record.netted_quantity for record in world.liquidations.values()]
    size = min(lots) * terms.lot_size
    assert netted == ([size, size] if mode == "cross" else [0]), netted

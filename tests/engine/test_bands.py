"""Safe bands at work, linear and inverse (LIQ-1): who a tick liquidates."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, localcontext
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.commands import PositionMode
from app.engine.commands.accounts import ConfigureContract, Withdraw
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.figures.margin import spendable
from app.engine.numbers import EXACT
from tests.engine.oracles import foretell
from tests.engine.world import World, brackets, contract, inverse

BANDS = brackets(
    (("0", "20", 50, "0.01"), ("20", "60", 20, "0.03"), ("60", "200", 4, "0.2"),
     ("200", "1000000", 1, "0.9"))
)  # fmt: skip
COIN = replace(inverse("COIN", "F"), brackets=BANDS)
COINS = replace(inverse("COINS", "F"), brackets=BANDS, contract_size=Decimal(7))
ALT = replace(
    contract("ALT", "F"), brackets=BANDS, quote_asset="BTC", settlement_asset="BTC",
    lot_size=Decimal("0.1"), min_notional=Decimal(0),
)  # fmt: skip
TERMS = {terms.symbol: terms for terms in (COIN, COINS, ALT)}
MARKS = {"COIN": Decimal(100), "COINS": Decimal(100), "ALT": Decimal(1)}


def market(mode: PositionMode = "one_way") -> World:
    """Three contracts that settle in one coin, a bank, and alice."""
    world = World()
    world.fund("F")
    for symbol, terms in TERMS.items():
        world.contract(terms)
        world.must(Tick(symbol, MARKS[symbol]))
    world.seed("F", "100000", "BTC")
    for account, amount in (("bank", "1000000"), ("alice", "100000")):
        world.account(account, mode if account == "alice" else "one_way")
        world.deposit(account, amount, "BTC")
    for symbol in TERMS:
        world.must(ConfigureContract("bank", symbol, 1))
    return world


def take(
    world: World, symbol: str, count: int, mode: Any, leverage: int | None = None, leg: Any = "both"
) -> None:
    """A position of alice's of so many lots, at mark; at the highest leverage it may have."""
    leverage = leverage or highest(symbol, count)
    world.must(ConfigureContract("alice", symbol, leverage, mode))
    sides: tuple[Any, Any] = ("buy", "sell") if count > 0 else ("sell", "buy")
    size, price = abs(count) * TERMS[symbol].lot_size, MARKS[symbol]
    world.order(PlaceOrder("bank", symbol, sides[1], "limit", size, price))
    world.order(PlaceOrder("alice", symbol, sides[0], "limit", size, price, position_side=leg))


def highest(symbol: str, *counts: int) -> int:
    """The highest leverage that positions of so many lots may all have."""
    size = max(abs(count) for count in counts) * TERMS[symbol].lot_size
    return TERMS[symbol].max_leverage(abs(TERMS[symbol].value(size, MARKS[symbol])))


def keep(world: World, spare: Decimal) -> None:
    """Alice withdraws all that is free but for `spare`."""
    with localcontext(EXACT):
        free = spendable(world.state, world.state.accounts["alice"], "BTC")
    world.must(Withdraw("alice", "BTC", free - spare))


@settings(max_examples=60, deadline=None)
@given(
    counts=st.tuples(*[st.integers(-900, 900)] * 3), spare=st.integers(1, 60),
    hedges=st.none() | st.tuples(*[st.integers(0, 900)] * 3),
    rest=st.sampled_from((0, 200)),
    walk=st.lists(
        st.tuples(
            st.sampled_from(sorted(TERMS)),
            st.sampled_from(("0.96", "0.99", "0.997", "0.9995", "1.0004", "1.002", "1.01", "1.05")),
        ), min_size=10, max_size=60,
    ),
)  # fmt: skip
def test_liq_1_safe_bands_find_whom_a_scan_finds(
    counts: tuple[int, int, int], hedges: tuple[int, int, int] | None, spare: int, rest: int,
    walk: list[tuple[str, str]],
) -> None:  # fmt: skip
    """LIQ-1: a cross account in linear and inverse contracts, tick by tick, against a naive scan.

    An isolated order of `rest` contracts holds back more or less of it as its mark moves. With
    `hedges` each position has so much of an opposite leg.
    """
    world = market("one_way" if hedges is None else "hedge")
    leg: Any = "both"
    for symbol, count, hedge in zip(sorted(TERMS), counts, hedges or (0, 0, 0), strict=True):
        mode = "isolated" if rest and symbol == "COINS" else "cross"
        leverage = highest(symbol, count, hedge)
        for size in (count, -hedge if count > 0 else hedge):
            if hedges is not None:
                leg = "long" if size > 0 else "short"
            if size:
                take(world, symbol, size, mode, leverage, leg)
    if rest:
        leg = "both" if hedges is None else "long"
        world.run(
            PlaceOrder(
                "alice", "COINS", "buy", "limit", Decimal(rest), Decimal(50), position_side=leg
            )
        )
    keep(world, Decimal(spare))
    for symbol, factor in walk:
        mark = world.state.markets[symbol].mark
        assert mark is not None
        price = (mark.price * Decimal(factor)).quantize(TERMS[symbol].tick_size)
        command = Tick(symbol, max(price, TERMS[symbol].tick_size))
        judge = foretell(world.state, command, world.next_time(), world.books.waiting)
        known = len(world.liquidations)
        result = world.must(command)
        judge(result, list(world.liquidations.values())[known:], world.state)

"""Stress what-ifs: the real waterfall against the formula (CAL-15)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.calibration.whatif.copied import book_of
from app.calibration.whatif.fast import FastBook
from app.calibration.whatif.waterfall import PrivateCopy
from tests.calibration.exchange import CONTRACTS, PRICES, Exchange, Leg, Trader

ASSETS = ("BTC", "USDT")
WITHIN = 1e-6
"""Of money, for 10,000 scopes: values are rounded to the eighth decimal."""


def shocked(changes: Mapping[str, float]) -> dict[str, Decimal]:
    """Marks down to the tick."""
    found = {}
    for one in CONTRACTS:
        price = Decimal(PRICES[one.symbol]) * (1 + Decimal(str(changes.get(one.symbol, 0))))
        found[one.symbol] = max(one.tick_size, price // one.tick_size * one.tick_size)
    return found


def both(exchange: Exchange, marks: Mapping[str, Decimal]) -> tuple[dict[str, float], ...]:
    """The losses by contract: the formula's, then the engine's with no book and no limits."""
    state, fast = exchange.state, {}
    for asset in ASSETS:
        book = FastBook(book_of(state, asset))
        losses = book.losses([marks]).scopes
        for terms, loss in zip(book.book.contracts, losses, strict=True):
            fast[terms.symbol] = float(loss)
    copy = PrivateCopy(state)
    copy.cancel_orders()
    copy.lift_limits(ASSETS)
    copy.shock([marks])
    return fast, {symbol: float(one.loss) for symbol, one in copy.toll.contracts.items()}


def assert_equal(exchange: Exchange, marks: Mapping[str, Decimal]) -> float:
    fast, engine = both(exchange, marks)
    for symbol in sorted({*fast, *engine}):
        assert fast.get(symbol, 0) == pytest.approx(engine.get(symbol, 0), abs=WITHIN, rel=0)
    return sum(fast.values())


sides = st.sampled_from(["buy", "sell"])
changes = st.sampled_from([-0.9, -0.6, -0.35, -0.2, -0.1, -0.03, 0.02, 0.08, 0.15, 0.3, 0.7, 2.0])


def legs(symbols: list[str]) -> Any:
    sizes = st.one_of(st.integers(50, 40_000), st.integers(100_000, 5_000_000))
    return st.builds(Leg, st.sampled_from(symbols), sides, sizes, st.integers(1, 50))


def traders() -> Any:
    """Isolated and cross, linear and inverse, of one leg and two."""
    spares = st.sampled_from([Decimal("0.01"), Decimal("0.4")])
    single = st.builds(
        Trader, st.sampled_from(["isolated", "cross"]), st.tuples(legs(list(PRICES))), spares
    )
    pairs = [
        st.builds(Trader, st.just("cross"), st.tuples(legs([one]), legs([other])), spares)
        for one, other in (("XUSDT", "YUSDT"), ("XUSD", "XUSD2"))
    ]
    return st.lists(st.one_of(single, *pairs), min_size=1, max_size=12)


@settings(max_examples=40, deadline=None)
@given(traders(), st.fixed_dictionaries(dict.fromkeys(PRICES, changes)))
def test_the_engine_loses_what_the_formula_says(
    crowd: list[Trader], shocks: dict[str, float]
) -> None:
    """CAL-15: with no resting orders and unlimited funds, contract by contract."""
    exchange = Exchange()
    for number, trader in enumerate(crowd):
        exchange.open(f"t{number}", trader)
    assert_equal(exchange, shocked(shocks))


def test_a_large_book() -> None:
    """2,000 scopes, isolated and cross, that have come through moving prices."""
    random = np.random.default_rng(7)
    exchange = Exchange()
    symbols = list(PRICES)
    for number in range(2_000):
        size, leverage = int(np.exp(random.normal(7, 1.5))) + 50, int(random.integers(2, 50))
        symbol, side = symbols[random.integers(4)], ("buy", "sell")[random.integers(2)]
        leg = Leg(symbol, side, size, leverage)  # type: ignore[arg-type]
        if number % 3:
            trader = Trader("isolated" if number % 3 == 1 else "cross", (leg,))
        else:
            beside = {"XUSDT": "YUSDT", "YUSDT": "XUSDT", "XUSD": "XUSD2", "XUSD2": "XUSD"}
            trader = Trader("cross", (leg, leg._replace(symbol=beside[symbol])))
        exchange.open(f"t{number}", trader)
    total = assert_equal(
        exchange, shocked({"XUSDT": -0.4, "YUSDT": -0.5, "XUSD": -0.4, "XUSD2": -0.4})
    )
    assert total > 100_000


def test_a_position_that_leaves_its_bracket_is_out_when_it_is_bankrupt() -> None:
    """CAL-2. By hand: 1,500,000 with a margin of 750,000 is bankrupt at 50; at 49.9 it lacks 1,500.
    By the bracket it had (5 % less 40,500) its maintenance margin would there be below zero."""
    exchange = Exchange()
    exchange.open("whale", Trader("isolated", (Leg("XUSDT", "buy", 1_500_000, 2),)))
    assert assert_equal(exchange, shocked({"XUSDT": -0.501})) == pytest.approx(1_500)


def test_a_cross_account_that_leaves_its_bracket_is_out_when_it_is_bankrupt() -> None:
    """The same beside a small position: it lacks 1,500 less what stands behind that, 1."""
    exchange = Exchange()
    legs = Leg("XUSDT", "buy", 1_500_000, 2), Leg("YUSDT", "buy", 500, 500)
    exchange.open("whale", Trader("cross", legs))
    loss = assert_equal(exchange, shocked({"XUSDT": -0.506}))
    assert loss == pytest.approx(1_500 - 5 * 1.01)

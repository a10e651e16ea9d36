"""A shock to a copy of the state (CAL-15)."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal, localcontext

from app.engine.commands.leaders import ContinueCascade, Recover
from app.engine.engine import Engine
from app.engine.figures import margin
from app.engine.invariants import check_all
from app.engine.numbers import EXACT
from app.engine.shocking import set_marks
from tests.engine.scenario import Scenario

TWO = (
    "fund F ratio=1000",
    "contract ONE stale=60",
    "contract TWO stale=60",
    "contract NEW",
    "contribute F main USDT 100000",
    "account alice maker",
    "deposit alice USDT 300",
    "deposit maker USDT 100000",
    "tick ONE 100",
    "tick TWO 100",
    "trade alice maker ONE 10 @ 100",
    "trade maker alice TWO 10 @ 100",
)
"""A long and a short that stand before the same equity; one contract has no mark yet."""


def scene() -> Engine:
    scenario = Scenario()
    for line in TWO:
        scenario.line(line)
    return scenario.world.engine


def test_marks_move_together() -> None:
    """One after the other the first tick would have liquidated her: 300 - 10 x 50 < 0. Together
    nobody is at risk, and nobody is looked at before the `Recover`."""
    engine = scene()
    assert engine.state.time is not None
    now = engine.state.time + timedelta(hours=1)
    set_marks(engine.state, {"ONE": Decimal(50), "TWO": Decimal(50)}, now)
    engine.apply(Recover(), now)
    while engine.state.cascades:
        engine.apply(ContinueCascade("USDT"), now)
    held = engine.state.accounts["alice"].positions
    assert [held[symbol, "both"].quantity for symbol in ("ONE", "TWO")] == [10, -10]
    with localcontext(EXACT):
        check_all(engine.state)


def test_no_mark_is_stale() -> None:
    """One that does not change is fresh too: a shock says what all prices are."""
    engine = scene()
    state = engine.state
    assert state.time is not None
    now = state.time + timedelta(hours=1)
    assert margin.is_stale(state.markets["TWO"], now)
    set_marks(state, {"ONE": Decimal(50)}, now)
    assert not margin.is_stale(state.markets["TWO"], now)
    mark, other = state.markets["ONE"].mark, state.markets["TWO"].mark
    assert mark is not None
    assert other is not None
    assert (mark.price, other.price) == (Decimal(50), Decimal(100))
    assert state.markets["NEW"].mark is None

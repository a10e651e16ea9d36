"""A shock to a copy of the state: all marks at once, as no feed could give them (CAL-15).

Applied as ticks, one contract's cascade would run at the old marks of the others. So the marks come
first, and a `Recover` behind them looks at every scope. No command does this, and no leader: it is
for a state that nobody commits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext

from app.engine.commands.leaders import Recover
from app.engine.numbers import EXACT
from app.engine.state import State
from app.engine.step import Step


def set_marks(state: State, prices: Mapping[str, Decimal], now: datetime) -> None:
    """Give contracts, by symbol, these marks, and make all others fresh as they are (MRK-4).

    The contracts must have marks, and the prices be multiples of their ticks.
    """
    with localcontext(EXACT):
        step = Step(state, Recover(), now)
        for symbol, market in state.markets.items():
            if market.mark is not None:
                price = prices.get(symbol, market.mark.price)
                step.set_mark(market, replace(market.mark, price=price, time=now, awaited=False))

"""Warnings before a fund reaches auto-deleveraging, and breakers that let it go on (ADL-3, FND-3).

Marks and time move what is warned of, not only what a fund does. So funds are looked at by a
command of its own: within a second of a change, and each minute while one holds inventory or
something was told of it. Ticks and liquidations know nothing of warnings.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Literal, NamedTuple

from app.engine.commands import Due
from app.engine.commands.funds import WatchFunds
from app.engine.handling import handles
from app.engine.numbers import ZERO
from app.engine.results import Done
from app.engine.state import Fund, State
from app.engine.step import Step
from app.engine.trading import breakers, funds

AGAIN = timedelta(minutes=1)
ARMED_BELOW = Decimal("0.9")
"""A level is armed again below so much of it: a figure that moves about it warns once."""


def due(state: State) -> Due | None:
    """When funds are looked at next."""
    return None if state.watch_at is None else Due(state.watch_at, WatchFunds())


@handles(WatchFunds)
def watch_funds(step: Step, command: WatchFunds) -> Done:  # noqa: ARG001 - it says nothing
    """Look at each fund that holds inventory or of which something is remembered."""
    for _, fund in sorted(step.state.funds.items()):  # in an order that no load changes
        for asset in _assets(step.state, fund):
            breakers.judge(step, fund, asset)
            _warn(step, fund, asset)
    begin(step)
    return Done()


def begin(step: Step) -> None:
    """Funds are looked at again after a while, where one may change by itself."""
    state = step.state
    changes = any(map(_may_change, state.funds.values()))
    state.watch_at = step.now + AGAIN if changes else None


def _may_change(fund: Fund) -> bool:
    return fund.is_watched and (
        bool(fund.inventory)
        or any(one.stopped or one.cap_warned or one.drawdown_warned for one in fund.memory.values())
    )


def _assets(state: State, fund: Fund) -> Sequence[str]:
    held = {state.markets[symbol].contract.settlement_asset for symbol in fund.inventory}
    return sorted(held | fund.memory.keys())


def _warn(step: Step, fund: Fund, asset: str) -> None:
    """Warn of what has reached a higher level: the net notional of its cap, or the drawdown of
    where it stops takeovers."""
    levels, memory = fund.policy.warn_at, fund.memory.get(asset)
    cap, drawdown = _cap(step.state, fund, asset), _drawdown(step, fund, asset)
    before = (memory.cap_warned, memory.drawdown_warned) if memory else (ZERO, ZERO)
    after = _level(levels, before[0], cap), _level(levels, before[1], drawdown)
    if after != before:
        step.warned(step.memory(fund, asset), *after)
    if after[0] > before[0]:
        _tell(step, fund, asset, cap, level=after[0])
    if after[1] > before[1]:
        _tell(step, fund, asset, drawdown, level=after[1])


class _Use(NamedTuple):
    """How much there is of what there may be."""

    measure: Literal["cap_use", "drawdown"]
    amount: Decimal
    limit: Decimal


def _cap(state: State, fund: Fund, asset: str) -> _Use:
    notional, cap = funds.net_notional(state, fund, asset), funds.cap(state, fund, asset)
    return _Use("cap_use", notional, cap)


def _drawdown(step: Step, fund: Fund, asset: str) -> _Use:
    breaker, profit = fund.policy.drawdown_breaker, funds.profit_at_mark(step.state, fund, asset)
    down = breakers.drawdown(fund, asset, step.now, profit)
    if down is None or breaker is None:
        return _Use("drawdown", ZERO, ZERO)
    return _Use("drawdown", down.lost, breaker.stop * down.peak)


def _level(levels: Sequence[Decimal], before: Decimal, use: _Use) -> Decimal:
    """The highest level that is reached, or that was warned of and is not armed again."""
    if not use.amount:
        return ZERO
    return max(
        (
            level
            for level in levels
            if use.amount >= use.limit * level * (ARMED_BELOW if level <= before else 1)
        ),
        default=ZERO,
    )


def _tell(step: Step, fund: Fund, asset: str, use: _Use, *, level: Decimal) -> None:
    """With what the fund can still lose."""
    distance, reason = funds.distance(step.state, fund, asset)
    step.alert(
        "adl_warning",
        fund.fund_id,
        asset,
        **use._asdict(),
        level=level,
        distance=distance,
        reason=reason or "",
    )

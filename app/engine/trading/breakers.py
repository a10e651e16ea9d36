"""What holds a fund back though it could pay: its breaker and its payout limits (FND-3, FND-12).

None of it holds by default. What is asked here is how much a fund may still lose by takeovers, or
pay out; None: as much as it has.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from app.engine.memory import Drawdown
from app.engine.numbers import ZERO
from app.engine.state import Fund, State
from app.engine.step import Step


def drawdown(fund: Fund, asset: str, now: datetime, unsettled: Decimal = ZERO) -> Drawdown | None:
    """The fund's drawdown with an inventory's profit of `unsettled`; None without a breaker."""
    breaker, memory = fund.policy.drawdown_breaker, fund.memory.get(asset)
    if breaker is None:
        return None
    if memory is None:
        return Drawdown(ZERO, fund.balance(asset))
    return memory.drawdown(breaker, now, unsettled)


def is_stopped(fund: Fund, asset: str, now: datetime, unsettled: Decimal = ZERO) -> bool:
    """Whether the breaker has stopped takeovers: ADL takes over (FND-3)."""
    breaker, memory = fund.policy.drawdown_breaker, fund.memory.get(asset)
    return breaker is not None and memory is not None and memory.is_stopped(breaker, now, unsettled)


def judge(step: Step, fund: Fund, asset: str) -> None:
    """Let takeovers go on where the breaker has stopped them and its reason is gone (FND-3).

    Or stop them, where it is time alone that makes what was lost too much: the window's highest
    balance is past.
    """
    memory = fund.memory.get(asset)
    if memory is None:
        return
    stopped = is_stopped(fund, asset, step.now)
    if stopped != memory.stopped:
        step.stop_takeovers(fund, memory, stopped=stopped)


def losable(fund: Fund, asset: str, now: datetime, unsettled: Decimal = ZERO) -> Decimal | None:
    """What the fund may lose until its breaker stops takeovers: ADL covers what is beyond."""
    down, breaker = drawdown(fund, asset, now, unsettled), fund.policy.drawdown_breaker
    if down is None or breaker is None:
        return None
    return max(ZERO, breaker.stop * down.peak - down.lost)


def stop(step: Step, fund: Fund, asset: str) -> None:
    """A fund was offered more than it may lose: the rest goes to ADL, until it resumes (FND-3).

    What is left to lose is less than a lot's; small lots would fill it up again and again.
    """
    breaker, memory = fund.policy.drawdown_breaker, fund.memory.get(asset)
    if breaker is None or memory is None or memory.stopped:
        return
    if memory.drawdown(breaker, step.now).reaches(breaker.resume):
        step.stop_takeovers(fund, memory, stopped=True)


def paid_today(fund: Fund, asset: str, now: datetime) -> Decimal | None:
    """What the fund has paid out in the last 24 hours; None where that is not limited (FND-12)."""
    memory = fund.memory.get(asset)
    if fund.policy.max_payout_per_day is None:
        return None
    return ZERO if memory is None else memory.paid(now)


def payable_today(fund: Fund, asset: str, now: datetime) -> Decimal | None:
    """What it may pay out beside that (FND-12)."""
    limit, paid = fund.policy.max_payout_per_day, paid_today(fund, asset, now)
    return None if limit is None or paid is None else max(ZERO, limit - paid)


def payable(state: State, fund: Fund, asset: str, now: datetime) -> Decimal | None:
    """What its payout limits leave a fund in the liquidation event under way (FND-12)."""
    limit, today = fund.policy.max_payout_per_event, payable_today(fund, asset, now)
    if limit is None:
        return today
    paid = state.cascades[asset].paid.get(_of_event(state, fund, asset), ZERO)
    return least(today, max(ZERO, limit - paid))


def count(step: Step, fund: Fund, asset: str, amount: Decimal) -> None:
    """A fund paid for the liquidation under way: that counts for its event's limit (FND-12)."""
    if fund.policy.max_payout_per_event is not None:
        event, paid = _of_event(step.state, fund, asset), step.state.cascades[asset].paid
        paid[event] = paid.get(event, ZERO) + amount


def _of_event(state: State, fund: Fund, asset: str) -> tuple[str, str]:
    """An account has one liquidation event in a cascade (LIQ-9); what sinks a fund is another."""
    case = state.cascades[asset].case
    return case.scope.account_id if case else "", fund.fund_id


def least(*rooms: Decimal | None) -> Decimal | None:
    """The smallest of several rooms."""
    given = [room for room in rooms if room is not None]
    return min(given) if given else None

"""How an insurance fund behaves: what may be chosen, and by default is (FND, LIQ-6, ADL-1, CAL-12).

The defaults are the rules'. What each does is told where it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

from app.engine.contracts import LEFT_OUT
from app.engine.numbers import ONE, ZERO
from app.engine.rejections import Code, Rejected

AdlPolicy = Literal["current", "legacy", "pro_rata"]
"""How counterparties are chosen (ADL-1)."""
SurplusTo = Literal["trader", "to_fund"]
"""Whose a liquidation's surplus is (LIQ-8)."""


@dataclass(frozen=True, slots=True)
class DrawdownBreaker:
    """Takeovers end and resume at these fractions of the window's highest balance, lost (FND-3)."""

    window_hours: int = 8
    stop: Decimal = Decimal("0.30")
    resume: Decimal = Decimal("0.25")


@dataclass(frozen=True, slots=True)
class OffloadPolicy:
    """How inventory is sold (FND-5).

    Each `interval_seconds` at most `fraction` of a contract's inventory, or all of what is worth at
    most `full_size_notional`; and at most `max_depth_share` of what the book has within
    `max_slippage` of mark. Nothing is sold while it has gained less than `stop_profit` since it
    came, if that is set.
    """

    interval_seconds: int = 60
    fraction: Decimal = Decimal("0.1")
    full_size_notional: Decimal = Decimal(1000)
    max_depth_share: Decimal = Decimal("0.25")
    max_slippage: Decimal = Decimal("0.01")
    stop_profit: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FundPolicy:
    """How a fund behaves; amounts are in the settlement asset concerned.

    What a limit of None limits is not limited.
    """

    max_net_notional_ratio: Decimal = Decimal(1)
    share_below_minimum: Decimal = Decimal(1)
    share_above_minimum: Decimal = Decimal("0.5")
    trading_fee_share: Decimal = field(default=ZERO, metadata=LEFT_OUT)
    liquidation_surplus: SurplusTo = field(default="trader", metadata=LEFT_OUT)
    counterparty_first: bool = field(default=False, metadata=LEFT_OUT)
    drawdown_breaker: DrawdownBreaker | None = field(default=None, metadata=LEFT_OUT)
    automatic_top_up: bool = field(default=False, metadata=LEFT_OUT)
    offload: OffloadPolicy | None = field(default=None, metadata=LEFT_OUT)
    max_payout_per_event: Decimal | None = field(default=None, metadata=LEFT_OUT)
    max_payout_per_day: Decimal | None = field(default=None, metadata=LEFT_OUT)
    profit_hold_seconds: int | None = field(default=None, metadata=LEFT_OUT)
    adl_policy: AdlPolicy = field(default="current", metadata=LEFT_OUT)
    warn_at: tuple[Decimal, ...] = field(
        default=(Decimal("0.5"), Decimal("0.8"), Decimal("0.95")), metadata=LEFT_OUT
    )
    review_interval_days: int = field(default=90, metadata=LEFT_OUT)


DEFAULT_POLICY = FundPolicy()
DAY = 86_400
SHARES = ("share_below_minimum", "share_above_minimum", "trading_fee_share")
LIMITS = ("max_net_notional_ratio", "max_payout_per_event", "max_payout_per_day")
WARNINGS = 10
"""The most thresholds that a fund is warned at."""


def check_policy(policy: FundPolicy) -> None:
    """Raise `invalid_policy` with the field that is out of its bounds."""
    for name in SHARES:
        _within(name, getattr(policy, name), ZERO, ONE)
    for name in LIMITS:
        limit = getattr(policy, name)
        if limit is not None and limit < 0:
            raise invalid(name, f"{name} must not be negative")
    if policy.profit_hold_seconds is not None:
        _within("profit_hold_seconds", policy.profit_hold_seconds, 1, 30 * DAY)
    _within("review_interval_days", policy.review_interval_days, 1, 366)
    _check_warnings(policy.warn_at)
    if policy.drawdown_breaker is not None:
        _check_breaker(policy.drawdown_breaker)
    if policy.offload is not None:
        _check_offload(policy.offload)


def _check_warnings(levels: tuple[Decimal, ...]) -> None:
    if list(levels) != sorted(set(levels)) or len(levels) > WARNINGS:
        raise invalid("warn_at", f"warn_at has at most {WARNINGS} levels, each above the last")
    for level in levels:
        if not 0 < level <= 1:
            raise invalid("warn_at", "a level of warn_at is above 0 and at most 1")


def _check_breaker(breaker: DrawdownBreaker) -> None:
    _within("drawdown_breaker.window_hours", breaker.window_hours, 1, 7 * 24)
    if not 0 < breaker.resume <= breaker.stop <= 1:
        raise invalid("drawdown_breaker", "0 < resume <= stop <= 1")


def _check_offload(offload: OffloadPolicy) -> None:
    _within("offload.interval_seconds", offload.interval_seconds, 1, DAY)
    for name in ("fraction", "max_depth_share"):
        if not 0 < getattr(offload, name) <= 1:
            raise invalid(f"offload.{name}", f"{name} is above 0 and at most 1")
    _within("offload.max_slippage", offload.max_slippage, ZERO, ONE)
    if offload.full_size_notional < 0:
        raise invalid("offload.full_size_notional", "full_size_notional must not be negative")


def _within(name: str, value: Decimal | int, low: Decimal | int, high: Decimal | int) -> None:
    if not low <= value <= high:
        raise invalid(name, f"{name} must be between {low} and {high}")


def invalid(name: str, detail: str) -> Rejected:
    """Why a policy is none, with the field."""
    return Rejected(Code.invalid_policy, detail, field=name)


def changed(policy: FundPolicy, changes: Mapping[str, Any]) -> FundPolicy:
    """The policy with other values of some fields, by name; raises `invalid_policy`."""
    for name in changes:
        if name not in FundPolicy.__slots__:
            raise invalid(name, f"a policy has no {name}")
    new = replace(policy, **changes)
    check_policy(new)
    return new

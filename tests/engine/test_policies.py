"""What a fund's policy may say (FND-2, FND-3, FND-5, FND-9, FND-12)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.engine.policies import DrawdownBreaker, FundPolicy, OffloadPolicy, changed, check_policy
from app.engine.rejections import Rejected

BREAKER, OFFLOAD = DrawdownBreaker(), OffloadPolicy()
LESS = Decimal(-1)


def levels(*texts: str) -> tuple[Decimal, ...]:
    return tuple(map(Decimal, texts))


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("max_net_notional_ratio", {"max_net_notional_ratio": LESS}),
        ("share_below_minimum", {"share_below_minimum": Decimal("1.1")}),
        ("share_above_minimum", {"share_above_minimum": Decimal("-0.1")}),
        ("trading_fee_share", {"trading_fee_share": Decimal(2)}),
        ("max_payout_per_event", {"max_payout_per_event": LESS}),
        ("max_payout_per_day", {"max_payout_per_day": Decimal("-0.1")}),
        ("profit_hold_seconds", {"profit_hold_seconds": 0}),
        ("profit_hold_seconds", {"profit_hold_seconds": 30 * 86_400 + 1}),
        ("review_interval_days", {"review_interval_days": 0}),
        ("review_interval_days", {"review_interval_days": 367}),
        ("warn_at", {"warn_at": levels("0.5", "0.5")}),
        ("warn_at", {"warn_at": levels("0.8", "0.5")}),
        ("warn_at", {"warn_at": levels("0", "0.5")}),
        ("warn_at", {"warn_at": levels("1.1")}),
        ("warn_at", {"warn_at": tuple(Decimal(n) / 100 for n in range(1, 12))}),
        ("drawdown_breaker.window_hours", {"drawdown_breaker": replace(BREAKER, window_hours=0)}),
        ("drawdown_breaker.window_hours", {"drawdown_breaker": replace(BREAKER, window_hours=169)}),
        ("drawdown_breaker", {"drawdown_breaker": replace(BREAKER, resume=Decimal("0.4"))}),
        ("drawdown_breaker", {"drawdown_breaker": replace(BREAKER, resume=Decimal(0))}),
        ("drawdown_breaker", {"drawdown_breaker": replace(BREAKER, stop=Decimal("1.1"))}),
        ("offload.interval_seconds", {"offload": replace(OFFLOAD, interval_seconds=0)}),
        ("offload.interval_seconds", {"offload": replace(OFFLOAD, interval_seconds=86_401)}),
        ("offload.fraction", {"offload": replace(OFFLOAD, fraction=Decimal(0))}),
        ("offload.max_depth_share", {"offload": replace(OFFLOAD, max_depth_share=Decimal(2))}),
        ("offload.max_slippage", {"offload": replace(OFFLOAD, max_slippage=Decimal("1.1"))}),
        ("offload.full_size_notional", {"offload": replace(OFFLOAD, full_size_notional=LESS)}),
        ("nonsense", {"nonsense": Decimal(1)}),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_named(field: str, changes: dict[str, Any]) -> None:
    with pytest.raises(Rejected) as refused:
        changed(FundPolicy(), changes)
    assert refused.value.rejection.code == "invalid_policy"
    assert refused.value.rejection.context["field"] == field


def test_the_bounds_themselves_are_allowed() -> None:
    check_policy(FundPolicy(
        max_net_notional_ratio=Decimal(0), share_below_minimum=Decimal(0),
        share_above_minimum=Decimal(1), trading_fee_share=Decimal(1),
        drawdown_breaker=DrawdownBreaker(168, Decimal(1), Decimal(1)),
        offload=OffloadPolicy(1, Decimal(1), Decimal(0), Decimal(1), Decimal(0), Decimal(-5)),
        max_payout_per_event=Decimal(0), max_payout_per_day=Decimal(0),
        profit_hold_seconds=30 * 86_400, warn_at=(Decimal("0.001"), Decimal(1)),
        review_interval_days=366,
    ))  # fmt: skip
    check_policy(FundPolicy(warn_at=()))

"""Terms of contracts and policies of funds, as scenarios say them: `name=value`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from app.engine.contracts import Contract, IndexSource
from app.engine.policies import DrawdownBreaker, OffloadPolicy
from tests.engine import world
from tests.engine.world import START

TERMS = {"band": "price_band", "cap": "funding_rate_cap", "floor": "funding_rate_floor",
         "funding": "funding_interval_hours", "mode": "funding_mode",
         "interest": "interest_rate", "clearance": "clearance_fee_rate",
         "fee": "settlement_fee_rate",
         "fund": "insurance_fund",
         "jump": "tick_jump_limit", "lot": "lot_size", "maker": "maker_fee_rate",
         "mark": "mark_mode", "sources": "index_sources", "window": "mid_window_seconds",
         "restore": "liquidation_restore_ratio", "size": "contract_size",
         "stale": "mark_staleness_seconds", "taker": "taker_fee_rate",
         "tick": "tick_size"}  # fmt: skip
"""Short names of a contract's terms."""


def pairs(options: Any) -> dict[str, str]:
    """The options that are `name=value`."""
    return dict(option.split("=", 1) for option in options if "=" in option)


SHORT = {"ratio": "max_net_notional_ratio", "below": "share_below_minimum",
         "above": "share_above_minimum"}  # fmt: skip
WITHIN = {"drawdown_breaker": DrawdownBreaker, "offload": OffloadPolicy}


def policy(options: Any) -> dict[str, Any]:
    """Policy fields from `name=value`; those that are several from `part:value,...`, or `none`."""
    return {
        SHORT.get(short, short): _chosen(SHORT.get(short, short), text)
        for short, text in pairs(options).items()
    }


def _chosen(name: str, text: str) -> Any:
    if name in WITHIN and text != "none":
        parts = dict(part.split(":") for part in text.split(",") if part != "default")
        return WITHIN[name](**{part: _chosen(part, value) for part, value in parts.items()})
    if name == "warn_at":
        return tuple(Decimal(level) for level in text.split(",") if level != "none")
    if name.endswith(("_seconds", "_hours", "_days")) and text != "none":
        return int(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        return {"yes": True, "no": False, "none": None}.get(text, text)


def terms(options: Any) -> dict[str, Any]:
    """Contract fields from `name=value`; brackets as `floor-cap@leverage*rate,...`."""
    found: dict[str, Any] = {}
    for short, text in pairs(options).items():
        name = TERMS.get(short, short)
        if short == "asset":  # a linear contract settles in its quote asset
            found |= {"quote_asset": text, "settlement_asset": text}
        elif short == "delivery":
            found["delivery_at"] = START + timedelta(seconds=int(text))
        elif name == "brackets":
            rows = re.findall(r"([\d.]+)-([\d.]+)@(\d+)\*([\d.]+)", text)
            found[name] = world.brackets(tuple((f, c, int(n), r) for f, c, n, r in rows))
        elif name == "index_sources":
            named = [source.split("*") for source in text.split(",") if text != "none"]
            found[name] = tuple(IndexSource(source, Decimal(weight)) for source, weight in named)
        elif name in ("mark_staleness_seconds", "funding_interval_hours", "mid_window_seconds"):
            found[name] = int(text)
        else:
            try:
                found[name] = Decimal(text)
            except InvalidOperation:
                found[name] = None if text == "none" else text
    assert set(found) <= set(Contract.__dataclass_fields__), found
    return found

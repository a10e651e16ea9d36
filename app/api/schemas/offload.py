"""Offloading (FND-5)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.schemas.base import Exact, Time, View
from app.engine.commands import Side
from app.engine.events import OffloadReason


class OffloadPlanView(View):
    """What a fund holds of a contract, and how it would sell some of it now.

    At `next_at` an order of `side` and `quantity`, IOC within `limit_price`; `expected_profit` is
    what that would add to the fund beyond the inventory's value at mark. `profit` is the
    inventory's, since it came at `entry_price` (a mark; an average where it came more than once).
    """

    symbol: str
    held: Exact = Field(description="Signed: negative for a short.")
    mark_price: Exact
    entry_price: Exact | None
    profit: Exact | None
    next_at: Time | None
    side: Side | None
    quantity: Exact | None
    limit_price: Exact | None
    expected_profit: Exact | None
    reason: Literal[OffloadReason, "no_policy"] | None = Field(
        description="Why nothing would be sold; null where it would be."
    )


class OffloadStepView(View):
    """A step: an order of `side` and `quantity`, IOC within `limit_price`, and what it filled.

    `profit` is what that added to the fund beyond the inventory's value at mark, as `offload_pnl`.
    """

    time: Time
    symbol: str
    side: Side
    held: Exact = Field(description="What the fund held before, signed: negative for a short.")
    mark_price: Exact
    quantity: Exact
    limit_price: Exact | None
    filled_quantity: Exact
    average_price: Exact | None
    profit: Exact
    reason: OffloadReason | None = Field(description="Why nothing was sold; null where it was.")

"""Liquidations, clearance fees."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.schemas.base import (
    LEFT_OUT,
    Exact,
    Id,
    Time,
    View,
)
from app.engine.commands import MarginMode, PositionSide
from app.engine.events import LiquidationOutcome, StepKind

PositionDirection = Literal["long", "short"]
OwnOnly = Annotated[
    str, Field(description="Only with an admin's key or the account's own; otherwise left out.")
]


class LiquidationView(View):
    """The record of one liquidated position (LIQ-9); `side` is the position's.

    `fund_amount` is what the fund gained (negative: lost) by takeover, deficit cover and surplus,
    without the clearance fee. Those of one account and trigger share `event_id`.
    """

    liquidation_id: Id
    event_id: Id
    time: Time
    account_id: OwnOnly = LEFT_OUT
    symbol: str
    fund: str
    side: PositionDirection
    position_side: PositionSide
    margin_mode: MarginMode
    quantity: Exact
    bankruptcy_price: Exact
    mark_price: Exact
    filled_quantity: Exact
    clearance_fee: Exact
    clearance_fee_to_fund: Exact
    taken_over_quantity: Exact
    deleveraged_quantity: Exact
    netted_quantity: Exact = Field(
        description="Closed against the account's own other leg (hedge mode)."
    )
    fund_amount: Exact
    treasury_amount: Exact
    outcome: LiquidationOutcome


class StepView(View):
    """One line of a liquidation's story; `detail` holds decimals and identifiers as strings."""

    number: int
    kind: StepKind
    detail: dict[str, str]


class LiquidationDetailView(LiquidationView):
    """A liquidation with its steps, in order."""

    steps: list[StepView]


class ClearanceFeeView(View):
    """A liquidation clearance fee and its split (LIQ-5, LIQ-6); capped: less than rate x value."""

    time: Time
    liquidation_id: Id
    symbol: str
    fund: str
    asset: str
    rate: Exact
    value: Exact
    fee: Exact
    to_fund: Exact
    to_revenue: Exact
    capped: bool

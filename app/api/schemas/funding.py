"""Funding (FPY-1)."""

from __future__ import annotations

from pydantic import Field

from app.api.schemas.base import (
    AccountId,
    Body,
    Exact,
    Name,
    Number,
    Symbol,
    Time,
    View,
    example,
)
from app.engine.commands import PositionSide


class FundingRateBody(Body):
    """The rate of a contract's next funding; the last one given before its time counts."""

    symbol: Symbol
    rate: Number

    model_config = example({"symbol": "BTCUSDT", "rate": "0.0001"})


class NextFundingView(View):
    """The rate that was given, and the funding time that it is for."""

    symbol: str
    rate: Exact
    time: Time


class FundingView(View):
    """A funding of a contract that was settled: `residue` is what rounding left to revenue.

    `average_premium` is null where the rate was given.
    """

    time: Time
    symbol: str
    rate: Exact
    mark_price: Exact
    residue: Exact
    average_premium: Exact | None


class FundingPaymentView(View):
    """What a position received at a funding time: `amount` is negative where it paid."""

    time: Time
    symbol: str
    position_side: PositionSide
    quantity: Exact = Field(description="Signed: negative for a short.")
    mark_price: Exact
    rate: Exact
    amount: Exact


class FundingCorrectionBody(Body):
    """Money between the treasury and an account for a funding that was wrong; `time` is that
    funding's. Positive: the account receives it."""

    symbol: Symbol
    time: Time
    account_id: AccountId
    amount: Number
    reason: Name

    model_config = example(
        {
            "symbol": "BTCUSDT",
            "time": "2026-01-01T08:00:00Z",
            "account_id": "alice",
            "amount": "12.5",
            "reason": "the rate was ten times too high",
        }
    )

"""Delivery contracts and what they settled at (DLV-1)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.api.schemas.base import Body, Exact, Name, Number, Time, View, example
from app.engine.commands import PositionSide


class SettlementBody(Body):
    """The settlement price of a contract that is held for too few index prices, and why it."""

    price: Number
    reason: Name

    model_config = example({"price": "60123.4", "reason": "mean of three other venues"})


class SettlementPricedView(View):
    """The price that was given, and the delivery time that it is for."""

    symbol: str
    price: Exact
    time: Time


class SettlementView(View):
    """A delivery contract that was settled; `time` is its delivery time.

    The price is the mean of `samples` index prices, or an admin's with his `reason`; `residue` is
    what rounding left to revenue.
    """

    time: Time
    symbol: str
    settlement_price: Exact
    given_by: Literal["index", "admin"]
    reason: str | None
    samples: int
    index_mean: Exact | None = Field(description="Null without samples.")
    residue: Exact
    settled_at: Time = Field(description="When its last position was closed.")


class PositionSettlementView(View):
    """A position that was closed at its contract's delivery; `time` is the delivery time."""

    time: Time
    symbol: str
    position_side: PositionSide
    quantity: Exact = Field(description="Signed: negative for a short.")
    entry_price: Exact
    settlement_price: Exact
    profit: Exact = Field(description="Realized; without the fee.")
    fee: Exact


class IndexSampleView(View):
    """An index price that counts for a settlement price."""

    time: Time
    price: Exact

"""Candles (MRK-5)."""

from __future__ import annotations

from pydantic import Field

from app.api.schemas.base import Exact, Time, View


class CandleView(View):
    """What mark, index or trades of a contract did in an interval that begins at `time`."""

    time: Time
    open: Exact
    high: Exact
    low: Exact
    close: Exact
    volume: Exact = Field(
        description="The quantity traded, as orders state it: of coin-margined contracts in"
        " contracts. Of `mark` and `index` it is 0."
    )
    count: int = Field(description="How many trades or prices.")

"""Self-dealing (FND-12)."""

from __future__ import annotations

from pydantic import Field

from app.api.schemas.base import Exact, View


class SelfDealingView(View):
    """What was paid for an owner in a contract, and what its accounts won there in the same hours.

    Who is paid for and wins at once may deal with himself: `won` less `lost` is what is left of the
    one hand's loss in the other.
    """

    owner_id: str
    symbol: str
    fund: str
    asset: str
    fund_paid: Exact = Field(description="By the contract's fund, where an account was liquidated.")
    treasury_paid: Exact = Field(description="By the treasury in its place.")
    won: Exact = Field(description="The profits that the owner's accounts realised, in sum.")
    lost: Exact = Field(description="The losses that they realised, in sum.")

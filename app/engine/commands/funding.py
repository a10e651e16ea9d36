"""Funding: rates, its due times, corrections."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, FundingRateSet, Moved  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class SetFundingRate(CommandOf["FundingRateSet"]):
    """The funding rate of a contract at its next funding time (FPY-1)."""

    symbol: str
    rate: Decimal


@dataclass(frozen=True, slots=True)
class BeginFunding(CommandOf["Done"]):
    """It is `time`: a contract's funding is due (FPY-1). Nobody sends it."""

    symbol: str
    time: datetime


@dataclass(frozen=True, slots=True)
class CorrectFunding(CommandOf["Moved"]):
    """Money between the treasury and an account's cross wallet, for a funding that was wrong.

    Positive to the account. `time` is that funding's.
    """

    symbol: str
    time: datetime
    account_id: str
    amount: Decimal
    reason: str

"""Delivery: its due time, and an admin's settlement price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, SettlementPriced  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class BeginDelivery(CommandOf["Done"]):
    """It is `time`: a contract is delivered (DLV-1). Nobody sends it."""

    symbol: str
    time: datetime


@dataclass(frozen=True, slots=True)
class SettleContract(CommandOf["SettlementPriced"]):
    """An admin's settlement price, with a reason, for a contract that is held (DLV-1)."""

    symbol: str
    price: Decimal
    reason: str

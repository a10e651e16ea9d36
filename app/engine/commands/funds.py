"""Insurance funds and the treasury: how they behave, and money from outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from app.engine.commands import CommandOf, ContributionKind
from app.engine.policies import DEFAULT_POLICY, FundPolicy

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, Moved, Rebalanced  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class CreateFund(CommandOf["Done"]):
    """Open an insurance fund; its wallet `main` opens with the first asset it receives."""

    fund_id: str
    name: str
    policy: FundPolicy = DEFAULT_POLICY


@dataclass(frozen=True, slots=True)
class UpdateFund(CommandOf["Done"]):
    """Change a fund's name, some of its policy or of its required minimums; the rest stays.

    `policy` maps `FundPolicy` field names to new values (early logs name all fields), and
    `required_minimum` assets to amounts; None removes.
    """

    fund_id: str
    name: str | None = None
    policy: Annotated[dict[str, Any], FundPolicy] | None = None
    required_minimum: dict[str, Decimal | None] | None = None


@dataclass(frozen=True, slots=True)
class ContributeToFund(CommandOf["Moved"]):
    """Money into a fund: from outside (`seed_capital`, `adjustment`) or the treasury (`top_up`)."""

    fund_id: str
    wallet: str
    asset: str
    amount: Decimal
    kind: ContributionKind
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class ContributeToTreasury(CommandOf["Moved"]):
    """The exchange's own money into its treasury."""

    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Offload(CommandOf["Done"]):
    """It is `time`: a fund offloads some of a contract that it holds (FND-5). Nobody sends it."""

    fund_id: str
    symbol: str
    time: datetime


@dataclass(frozen=True, slots=True)
class MoveInFund(CommandOf["Moved"]):
    """Money between two of a fund's own wallets (FND-6); `destination` opens if need be."""

    fund_id: str
    source: str
    destination: str
    asset: str
    amount: Decimal
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Rebalance(CommandOf["Rebalanced"]):
    """Excess of funds above their minimum to those below, in one asset (FND-8)."""

    asset: str
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class DeployExcess(CommandOf["Moved"]):
    """Money out of the exchange, of what a fund has above its minimum (FND-8).

    From one of its wallets, or from all in the order in which they pay (None).
    """

    fund_id: str
    asset: str
    amount: Decimal
    wallet: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class WatchFunds(CommandOf["Done"]):
    """Look whether a fund is to be warned of (ADL-3). Nobody sends it."""

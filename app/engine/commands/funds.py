"""Insurance funds and the treasury: policies, and money from outside."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from app.engine.commands import CommandOf, ContributionKind

if TYPE_CHECKING:  # what commands result in is made of their words, so it stands above them
    from app.engine.results import Done, Moved  # noqa: F401 - ruff looks into no string


@dataclass(frozen=True, slots=True)
class FundPolicy:
    """How a fund behaves; the numbers are the rules' defaults (FND-2, LIQ-6)."""

    max_net_notional_ratio: Decimal = Decimal(1)
    share_below_minimum: Decimal = Decimal(1)
    share_above_minimum: Decimal = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class CreateFund(CommandOf["Done"]):
    """Open an insurance fund; its wallet `main` opens with the first asset it receives."""

    fund_id: str
    name: str
    policy: FundPolicy = FundPolicy()


@dataclass(frozen=True, slots=True)
class UpdateFund(CommandOf["Done"]):
    """Change a fund's name, some of its policy or of its required minimums; the rest stays.

    `policy` maps `FundPolicy` field names to new values (early logs name all fields), and
    `required_minimum` assets to amounts; None removes.
    """

    fund_id: str
    name: str | None = None
    policy: dict[str, Decimal] | None = None
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

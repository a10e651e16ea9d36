"""Insurance funds, their history, the treasury, alerts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.api.schemas.base import (
    LEFT_OUT,
    Asset,
    Body,
    Exact,
    FundId,
    Id,
    Name,
    Number,
    Reference,
    Time,
    View,
    WalletName,
    example,
)
from app.engine.commands import ContributionKind
from app.engine.events import AlertKind, HistoryKind

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class PolicyBody(Body):
    """How a fund behaves; what is left out has the default or, in a change, stays."""

    max_net_notional_ratio: Number = LEFT_OUT
    share_below_minimum: Number = LEFT_OUT
    share_above_minimum: Number = LEFT_OUT


class FundBody(Body):
    """A new insurance fund."""

    fund_id: FundId
    name: Name
    policy: PolicyBody = PolicyBody()

    model_config = example({"fund_id": "usdt-new", "name": "New contracts"})


class FundPatch(Body):
    """What to change; a required minimum of null is removed."""

    name: Name = LEFT_OUT
    policy: PolicyBody = LEFT_OUT
    required_minimum: Annotated[dict[Asset, Number | None], Field(max_length=100)] = LEFT_OUT

    model_config = example({"required_minimum": {"USDT": "100000"}})


class FundContributionBody(Body):
    """Money into a fund: from outside, or (`top_up`) from the treasury."""

    wallet: WalletName = "main"
    asset: Asset
    amount: Number
    kind: ContributionKind
    reference: Reference | None = None

    model_config = example(
        {"wallet": "main", "asset": "USDT", "amount": "100000", "kind": "seed_capital"}
    )


class TreasuryContributionBody(Body):
    """The exchange's own money into its treasury."""

    asset: Asset
    amount: Number
    reference: Reference | None = None

    model_config = example({"asset": "USDT", "amount": "100000"})


class FundWalletView(View):
    """A wallet of a fund."""

    wallet: str
    asset: str
    balance: Exact


class FundBalanceView(View):
    """A fund's total in an asset against its required minimum (FND-7).

    `coverage` = balance / required minimum and `excess` = what is above it (0 below); both null
    without a minimum.
    """

    asset: str
    balance: Exact
    required_minimum: Exact | None
    coverage: Exact | None
    excess: Exact | None


class InventoryView(View):
    """A position that a fund took over; `cost` is its mark value when it was last settled.

    Signed so that profit is value less cost: a linear long's and an inverse short's is above zero.
    """

    symbol: str
    quantity: Exact
    cost: Exact
    mark_price: Exact
    unrealized_profit: Exact


class PolicyView(View):
    """How a fund behaves (FND-2, LIQ-6)."""

    max_net_notional_ratio: Exact
    share_below_minimum: Exact
    share_above_minimum: Exact


class FundAdlView(View):
    """How near a fund is to auto-deleveraging.

    With B the balance in the settlement asset less the inventory's loss (or plus its profit) at
    mark, N the net notional and r the policy's ratio: `distance` = max(0, B - N / r) is the loss
    the fund can still take before it can accept no further bankrupt position, at unchanged
    inventory. At zero ADL is `active`; `reason` is then `no_balance` or `net_notional_cap`.
    """

    active: bool
    reason: Literal["no_balance", "net_notional_cap"] | None
    distance: Exact


class FundView(View):
    """An insurance fund (FND). `net_notional` and its maximum are in the settlement asset."""

    fund_id: str
    name: str
    contracts: list[str]
    wallets: list[FundWalletView]
    balances: list[FundBalanceView]
    net_notional: Exact
    max_net_notional: Exact
    inventory: list[InventoryView]
    policy: PolicyView
    adl: FundAdlView


class HistoryView(View):
    """One change of a fund's wallet, linked into the fund's hash chain (HIS-1)."""

    sequence: int
    time: Time
    fund: str
    wallet: str
    asset: str
    kind: HistoryKind
    amount: Exact
    balance_after: Exact
    symbol: str | None
    liquidation_id: Id | None
    previous_hash: Hash
    hash: Hash


class HistoryHeadView(View):
    """The last row of a fund's history: who notes it can tell whether a later export still has it.

    Without a row the sequence is 0, the hash 64 zeros and the time null.
    """

    sequence: int
    hash: Hash
    time: Time | None
    balances: list[FundWalletView]


class IntervalView(View):
    """A fund's total balance in an asset over an interval that begins at `time` (HIS-2).

    `outflow` is positive; `by_kind` is the net amount of each kind.
    """

    time: Time
    open: Exact
    high: Exact
    low: Exact
    close: Exact
    inflow: Exact
    outflow: Exact
    by_kind: dict[str, Exact]


class TreasuryView(View):
    """The exchange's own money in an asset; only these two may be negative."""

    asset: str
    treasury: Exact
    revenue: Exact


class AlertView(View):
    """Something the operators must know."""

    alert_id: Id
    time: Time
    kind: AlertKind
    fund: str | None
    asset: str | None
    detail: dict[str, str]

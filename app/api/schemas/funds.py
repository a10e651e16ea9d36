"""Insurance funds, the treasury, alerts."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from pydantic import Field

from app.api.schemas.base import (
    LEFT_OUT,
    ActBody,
    Asset,
    Body,
    CalibrationId,
    Exact,
    FundId,
    Id,
    Name,
    Number,
    Time,
    View,
    WalletName,
    example,
)
from app.engine.commands import ContributionKind
from app.engine.events import AlertKind
from app.engine.policies import WARNINGS, AdlPolicy, DrawdownBreaker, OffloadPolicy, SurplusTo
from app.engine.trading.funds import NoDistance


class DrawdownBreakerBody(Body):
    """When a fund stops taking over: it lost `stop` of the highest balance of the window (FND-3).

    It resumes when it is back above `resume`. Both are fractions; the window is of 1 to 168 hours.
    """

    window_hours: int = 8
    stop: Number = Decimal("0.30")
    resume: Number = Decimal("0.25")


class OffloadBody(Body):
    """How a fund's inventory is sold, step by step (FND-5).

    Each `interval_seconds` at most `fraction` of a contract's inventory, or all of what is worth at
    most `full_size_notional` (in the settlement asset); and at most `max_depth_share` of what the
    book has within `max_slippage` (a fraction) of mark. Nothing is sold while it has gained less
    than `stop_profit` since it came, if that is set.
    """

    interval_seconds: int = 60
    fraction: Number = Decimal("0.1")
    full_size_notional: Number = Decimal(1000)
    max_depth_share: Number = Decimal("0.25")
    max_slippage: Number = Decimal("0.01")
    stop_profit: Number | None = None


class PolicyBody(Body):
    """How a fund behaves; what is left out has the default or, in a change, stays.

    `drawdown_breaker` and `offload` are given as a whole; null switches them off.
    """

    max_net_notional_ratio: Number = LEFT_OUT
    share_below_minimum: Number = LEFT_OUT
    share_above_minimum: Number = LEFT_OUT
    trading_fee_share: Number = LEFT_OUT
    liquidation_surplus: SurplusTo = LEFT_OUT
    counterparty_first: bool = LEFT_OUT
    drawdown_breaker: DrawdownBreakerBody | None = LEFT_OUT
    automatic_top_up: bool = LEFT_OUT
    offload: OffloadBody | None = LEFT_OUT
    max_payout_per_event: Number | None = LEFT_OUT
    max_payout_per_day: Number | None = LEFT_OUT
    profit_hold_seconds: int | None = LEFT_OUT
    adl_policy: AdlPolicy = LEFT_OUT
    warn_at: Annotated[list[Number], Field(max_length=WARNINGS)] = LEFT_OUT
    review_interval_days: int = LEFT_OUT

    def given(self) -> dict[str, Any]:
        """What is said, as fields of `FundPolicy`."""
        said = {name: getattr(self, name) for name in self.model_fields_set}
        for name, kind in (("drawdown_breaker", DrawdownBreaker), ("offload", OffloadPolicy)):
            if said.get(name) is not None:
                said[name] = kind(**dict(said[name]))
        if "warn_at" in said:
            said["warn_at"] = tuple(said["warn_at"])
        return said


class FundBody(ActBody):
    """A new insurance fund."""

    fund_id: FundId
    name: Name
    policy: PolicyBody = PolicyBody()

    model_config = example({"fund_id": "usdt-new", "name": "New contracts"})


class FundPatch(ActBody):
    """What to change; a required minimum of null is removed."""

    name: Name = LEFT_OUT
    policy: PolicyBody = LEFT_OUT
    required_minimum: Annotated[dict[Asset, Number | None], Field(max_length=100)] = LEFT_OUT

    model_config = example(
        {"required_minimum": {"USDT": "100000"}, "reference": "calibration of May"}
    )


class FundContributionBody(ActBody):
    """Money into a fund: from outside, or (`top_up`) from the treasury."""

    wallet: WalletName = "main"
    asset: Asset
    amount: Number
    kind: ContributionKind

    model_config = example(
        {"wallet": "main", "asset": "USDT", "amount": "100000", "kind": "seed_capital"}
    )


class FundMoveBody(ActBody):
    """Money from one of a fund's wallets to another."""

    from_wallet: WalletName
    to_wallet: WalletName
    asset: Asset
    amount: Number

    model_config = example(
        {"from_wallet": "main", "to_wallet": "reserve", "asset": "USDT", "amount": "50000"}
    )


class DeploymentBody(ActBody):
    """Money out of a fund, of its excess: of one wallet, or of all in the order they pay in."""

    wallet: WalletName | None = None
    asset: Asset
    amount: Number

    model_config = example({"asset": "USDT", "amount": "25000", "reference": "bank transfer 18"})


class RebalanceBody(ActBody):
    """In which asset funds are rebalanced; `execute` does what is else only proposed."""

    asset: Asset
    execute: bool = False

    model_config = example({"asset": "USDT", "execute": False})


class TreasuryContributionBody(ActBody):
    """The exchange's own money into its treasury."""

    asset: Asset
    amount: Number

    model_config = example({"asset": "USDT", "amount": "100000", "reference": "board of 4 May"})


class FundWalletView(View):
    """A wallet of a fund."""

    wallet: str
    asset: str
    balance: Exact


class FundBalanceView(View):
    """A fund's total in an asset against its required minimum (FND-7).

    `coverage` = balance / required minimum and `excess` = what is above it (0 below); both null
    without a minimum. `calibration_id` is the calibration that the minimum is by: null where it was
    set by hand, or changed since. At `review_due_at` it is to be reviewed (CAL-12), null before the
    first calibration; `overdue` from then on, as of the last command.
    """

    asset: str
    balance: Exact
    required_minimum: Exact | None
    coverage: Exact | None
    excess: Exact | None
    calibration_id: CalibrationId | None
    review_due_at: Time | None
    overdue: bool


class InventoryView(View):
    """A position that a fund took over; `cost` is its mark value when it was last settled.

    Signed so that profit is value less cost: a linear long's and an inverse short's is above zero.
    """

    symbol: str
    quantity: Exact
    cost: Exact
    mark_price: Exact
    unrealized_profit: Exact


class DrawdownBreakerView(View):
    """When takeovers stop and resume (FND-3)."""

    window_hours: int
    stop: Exact
    resume: Exact


class OffloadPolicyView(View):
    """How inventory is sold (FND-5)."""

    interval_seconds: int
    fraction: Exact
    full_size_notional: Exact
    max_depth_share: Exact
    max_slippage: Exact
    stop_profit: Exact | None


class PolicyView(View):
    """How a fund behaves (FND, LIQ-6, LIQ-8, ADL-1, CAL-12)."""

    max_net_notional_ratio: Exact
    share_below_minimum: Exact
    share_above_minimum: Exact
    trading_fee_share: Exact
    liquidation_surplus: SurplusTo
    counterparty_first: bool
    drawdown_breaker: DrawdownBreakerView | None
    automatic_top_up: bool
    offload: OffloadPolicyView | None
    max_payout_per_event: Exact | None
    max_payout_per_day: Exact | None
    profit_hold_seconds: int | None
    adl_policy: AdlPolicy
    warn_at: list[Exact]
    review_interval_days: int


class FundAdlView(View):
    """How near a fund is to auto-deleveraging.

    With B the balance in the settlement asset less the inventory's loss (or plus its profit) at
    mark, N the net notional and r the policy's ratio: `distance` = max(0, B - N / r) is the loss
    the fund can still take before it can accept no further bankrupt position, at unchanged
    inventory; less, where payout limits or a drawdown breaker leave less. At zero ADL is `active`,
    and `reason` says why: `no_balance`; by policy `counterparty_first`; the `drawdown_breaker` has
    stopped takeovers; a `payout_limit` is used up; or the `net_notional_cap`. As of the last
    command.
    """

    active: bool
    reason: NoDistance | None
    distance: Exact


class FundView(View):
    """An insurance fund (FND). `net_notional` and its maximum are in the settlement asset.

    `max_net_notional` is the policy's ratio x the balance with the inventory's profit or loss at
    mark (FND-2), `cap_use` the part of it that is used; null where it is nothing. `drawdown` is the
    part of the highest balance of the breaker's window that it has lost, inventory at mark; null
    without a breaker. Both of the asset that is nearest. `paid_out` is what counts for the payout
    limit of 24 hours; null without one.
    """

    fund_id: str
    name: str
    contracts: list[str]
    wallets: list[FundWalletView]
    balances: list[FundBalanceView]
    net_notional: Exact
    max_net_notional: Exact
    cap_use: Exact | None
    drawdown: Exact | None
    paid_out: Exact | None
    inventory: list[InventoryView]
    policy: PolicyView
    adl: FundAdlView


class RebalanceMoveView(View):
    """A move of a rebalance."""

    from_fund: str
    to_fund: str
    amount: Exact


class RebalanceView(View):
    """What a rebalance moves, or has moved if it was `executed` (FND-8); nothing: there is nobody
    to give, or nobody in need."""

    asset: str
    executed: bool
    moves: list[RebalanceMoveView]


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

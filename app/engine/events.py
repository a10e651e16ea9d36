"""What a command leaves behind for the store: append-only records.

All identifiers are integers counted by the engine; the HTTP layer prints them as strings.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from app.engine.commands import PositionSide, Side
from app.engine.policies import AdlPolicy

FundMove = Literal[
    "seed_capital", "adjustment", "top_up", "liquidation_clearance_fee", "bankruptcy_loss",
    "takeover_gain", "inventory_settlement", "inventory_funding", "deficit_cover",
    "emergency_injection", "offload_pnl", "trading_fee_share", "liquidation_surplus",
    "excess_deployment",
]  # fmt: skip
"""What moves a fund's money, or stands in for it: a kind of its history and of the ledger alike."""

HistoryKind = Literal[
    FundMove, "rebalance_in", "rebalance_out",
]  # fmt: skip
"""As published (HIS-1); in the ledger a rebalance is one movement."""

TreasuryKind = Literal[
    "opening", "contribution", "top_up", "emergency_injection", "funding_correction",
]  # fmt: skip
"""What moves the treasury's money, a kind of the ledger alike; `opening` is what it held when its
history began."""

LedgerKind = Literal[
    "deposit", "withdrawal", "contribution", "trading_fee", "realized_profit", "margin_in",
    "margin_out", "funding", "funding_correction", "settlement_fee", "settlement_residue",
    "rebalance", FundMove,
]  # fmt: skip


class Transfer(NamedTuple):
    """One double-entry movement: `amount` (> 0) leaves `source` and reaches `destination`.

    `account_id` names the one trader it concerns (None: no trader). Balances are those after.
    """

    transfer_id: int
    time: datetime
    kind: LedgerKind
    asset: str
    amount: Decimal
    source: str
    source_balance: Decimal
    destination: str
    destination_balance: Decimal
    account_id: str | None
    symbol: str | None
    reference: str | None


GENESIS_HASH = "0" * 64
"""What the first entry of each fund's history, and of the treasury's, follows (HIS-4)."""

TREASURY = "treasury"
"""What stands in the place of the fund in the treasury's history."""


class FundEntry(NamedTuple):
    """One row of a fund's balance history, linked into the fund's hash chain (HIS-1)."""

    fund_id: str
    sequence: int
    time: datetime
    wallet: str
    asset: str
    kind: HistoryKind
    amount: Decimal
    balance_after: Decimal
    symbol: str | None
    liquidation_id: int | None
    previous_hash: str
    hash: str


class TreasuryEntry(NamedTuple):
    """One row of the treasury's balance history: as of a fund, but a chain of its own (HIS-1)."""

    fund_id: str
    sequence: int
    time: datetime
    wallet: str
    asset: str
    kind: TreasuryKind
    amount: Decimal
    balance_after: Decimal
    symbol: str | None
    liquidation_id: int | None
    previous_hash: str
    hash: str


class Trade(NamedTuple):
    """A fill in the book, and whose leg it changed on either side.

    Of a liquidation order, `taker_order_id` is None; where it is the contract's fund that offloads
    (FND-5), the taker's account as well.
    """

    trade_id: int
    time: datetime
    symbol: str
    price: Decimal
    quantity: Decimal
    value: Decimal
    taker_side: Side
    taker_account_id: str | None
    taker_order_id: int | None
    taker_fee: Decimal
    maker_account_id: str
    maker_order_id: int
    maker_fee: Decimal
    liquidation_id: int | None
    taker_position_side: PositionSide
    maker_position_side: PositionSide


StepKind = Literal[
    "trigger", "orders_canceled", "netting", "order", "fill", "clearance_fee", "takeover",
    "own_accounts", "deleveraging", "closed_at_mark", "deficit_cover", "emergency_injection",
    "liquidation_surplus", "margin_returned", "end",
]  # fmt: skip


class LiquidationStep(NamedTuple):
    """One line of a liquidation's story (LIQ-9); `detail` holds plain decimals as strings."""

    kind: StepKind
    detail: dict[str, str]


LiquidationOutcome = Literal[
    "orders_canceled", "reduced", "closed", "taken_over", "deleveraged", "mixed"
]


@dataclass(slots=True)
class Liquidation:
    """The record of one liquidated position (LIQ-9); quantities unsigned, `side` of the position.

    `fund_amount` is what the fund gained (negative: lost) by takeover, deficit cover and surplus,
    without the clearance fee. `bankruptcy_price` is the one before the first order;
    `netted_quantity` what was closed against the account's own other leg.
    """

    liquidation_id: int
    event_id: int
    time: datetime
    account_id: str
    symbol: str
    fund_id: str
    side: Literal["long", "short"]
    position_side: PositionSide
    margin_mode: Literal["cross", "isolated"]
    quantity: Decimal
    mark_price: Decimal
    bankruptcy_price: Decimal
    equity: Decimal
    maintenance_margin: Decimal
    filled_quantity: Decimal = Decimal(0)
    filled_value: Decimal = Decimal(0)
    clearance_fee: Decimal = Decimal(0)
    clearance_fee_to_fund: Decimal = Decimal(0)
    taken_over_quantity: Decimal = Decimal(0)
    deleveraged_quantity: Decimal = Decimal(0)
    netted_quantity: Decimal = Decimal(0)
    fund_amount: Decimal = Decimal(0)
    treasury_amount: Decimal = Decimal(0)
    final_wallet: Decimal = Decimal(0)
    outcome: LiquidationOutcome = "orders_canceled"
    steps: list[LiquidationStep] = field(default_factory=list)


class ClearanceFee(NamedTuple):
    """A liquidation clearance fee and its split (LIQ-5, LIQ-6). `capped`: below rate x value."""

    liquidation_id: int
    time: datetime
    symbol: str
    fund_id: str
    asset: str
    rate: Decimal
    value: Decimal
    fee: Decimal
    to_fund: Decimal
    to_revenue: Decimal
    capped: bool


CloseReason = Literal["bankruptcy_price", "mark_price", "same_owner"]


class Deleveraged(NamedTuple):
    """One counterparty's part in an ADL event, and its notification (ADL-3).

    `reason` is `bankruptcy_price` or `mark_price` (nobody could bear the bankruptcy price), or
    `same_owner`: at bankruptcy price too, as the bankrupt position's owner (FND-12).
    """

    rank: int
    account_id: str
    position_side: PositionSide
    score: Decimal
    quantity_before: Decimal
    quantity: Decimal
    price: Decimal
    realized_profit: Decimal
    reason: CloseReason


class QueueEntry(NamedTuple):
    """One place in the ADL queue as it stood before the event; plain decimals as strings.

    `profit` is the position's, at mark; `balance`, `equity` and maintenance `margin` are its
    scope's, `slack` is what that could lose before it is at risk (LIQ-1). None where nothing was
    worked out, for the scope is left alone (REC-2), and before such figures were kept.
    """

    account_id: str
    position_side: PositionSide
    score: str
    quantity: str
    profit: str | None = None
    balance: str | None = None
    equity: str | None = None
    margin: str | None = None
    slack: str | None = None


class AdlEvent(NamedTuple):
    """One auto-deleveraging (ADL-3, ADL-4); `side` is the bankrupt position's. Of a fund's own
    inventory there is no liquidation (FND-5).

    `queue` keeps the head of the ranked queue as it was (place 1 first), `queue_length` its whole
    length; `ranked_at` is of when its scores are (ADL-5). `adl_policy` chose who (ADL-1).
    """

    adl_event_id: int
    liquidation_id: int | None
    time: datetime
    symbol: str
    fund_id: str
    side: Literal["long", "short"]
    quantity: Decimal
    bankruptcy_price: Decimal
    mark_price: Decimal
    deficit: Decimal
    notional_closed: Decimal
    overshoot: Decimal
    queue_length: int
    queue: tuple[QueueEntry, ...]
    counterparties: tuple[Deleveraged, ...]
    ranked_at: datetime
    adl_policy: AdlPolicy = "current"


OffloadReason = Literal[
    "halted", "awaiting_settlement", "stale_mark", "below_stop_profit", "no_liquidity",
    "would_empty_fund", "payout_limit",
]  # fmt: skip
"""Why nothing of an inventory is sold (FND-5)."""


class OffloadStep(NamedTuple):
    """A step in which a fund offloads (FND-5), by command number `sequence`.

    `side` is the order's, `quantity` its size and `limit_price` its limit; `filled_quantity` came
    to `average_price`. `profit` is what that added to the fund, beyond the inventory's value at
    mark. Nothing was done where there is a `reason` why not.
    """

    sequence: int
    time: datetime
    fund_id: str
    symbol: str
    side: Side
    held: Decimal
    mark_price: Decimal
    quantity: Decimal
    limit_price: Decimal | None
    filled_quantity: Decimal
    average_price: Decimal | None
    profit: Decimal
    reason: OffloadReason | None


AlertKind = Literal[
    "fund_below_minimum", "fund_empty", "emergency_injection", "adl", "clock_jump", "incident",
    "index_lost", "settlement_held", "adl_warning", "takeovers_stopped", "takeovers_resumed",
    "calibration_overdue", "calibration_drift", "backtest_red",
]  # fmt: skip


class Alert(NamedTuple):
    """Something the operators must know (FND-3, FND-7, FND-11, ADL-3, REC-2, DLV-1, CAL-12,
    CAL-14)."""

    alert_id: int
    time: datetime
    kind: AlertKind
    fund_id: str | None
    asset: str | None
    detail: dict[str, str]


class IncidentRelease(NamedTuple):
    """An incident was released, by command number `sequence` (REC-2)."""

    sequence: int
    time: datetime
    incident_id: int
    reason: str


class FundingPayment(NamedTuple):
    """What a position received at a funding time (FPY-1): `amount` is negative where it paid.

    By command number `sequence`, which is not before `time`; `quantity` is signed.
    """

    sequence: int
    account_id: str
    symbol: str
    position_side: PositionSide
    time: datetime
    quantity: Decimal
    mark_price: Decimal
    rate: Decimal
    amount: Decimal


class FundingSettled(NamedTuple):
    """A funding of a contract was settled (FPY-1), by command number `sequence`. `residue` is what
    rounding left to revenue: all that was paid less all that was received. `average_premium` is
    what a derived rate follows from."""

    sequence: int
    symbol: str
    time: datetime
    rate: Decimal
    mark_price: Decimal
    residue: Decimal
    average_premium: Decimal | None = None


class IndexSample(NamedTuple):
    """An index price that counts for a settlement price (DLV-1), by command number `sequence`."""

    sequence: int
    symbol: str
    time: datetime
    price: Decimal


class PositionSettled(NamedTuple):
    """A position was closed at its contract's delivery (DLV-1), by command number `sequence`.

    `time` is the delivery time; `quantity` is signed; `profit` is without the `fee`.
    """

    sequence: int
    account_id: str
    symbol: str
    position_side: PositionSide
    time: datetime
    quantity: Decimal
    entry_price: Decimal
    settlement_price: Decimal
    profit: Decimal
    fee: Decimal


class ContractSettled(NamedTuple):
    """A delivery contract was settled (DLV-1), its last position closed by command `sequence`.

    `time` is the delivery time, `samples` how many index prices there were and `index_mean` theirs
    (None: there were none). The price is that mean, or an admin's, with his `reason`. `residue` is
    what rounding left to revenue.
    """

    sequence: int
    symbol: str
    time: datetime
    settled_at: datetime
    settlement_price: Decimal
    given_by: Literal["index", "admin"]
    reason: str | None
    samples: int
    index_mean: Decimal | None
    residue: Decimal

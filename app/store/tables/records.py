"""Records: what happened, append-only."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import CheckConstraint, Column, Index, Integer, Table, UniqueConstraint
from sqlalchemy import text as sql

from app.engine import events as e
from app.store.tables.columns import booked, columns, law, metadata, number, positive

trades = Table(
    "trades",
    metadata,
    *columns(e.Trade, key=1),
    positive("price", "quantity"),
    law("parties", "taker_account_id <> maker_account_id"),
    booked("value", "taker_fee", "maker_fee"),
    Index(None, "symbol", "trade_id"),
    Index(None, "taker_account_id", "trade_id"),
    Index(None, "maker_account_id", "trade_id"),
)

transfers = Table(
    "transfers",
    metadata,
    *columns(e.Transfer, key=1),
    positive("amount"),
    law("two_sides", "source <> destination"),
    booked("amount", "source_balance", "destination_balance"),
    Index(
        None,
        "account_id",
        "asset",
        "kind",
        "transfer_id",
        postgresql_where=sql("account_id IS NOT NULL"),
    ),
)
"""The ledger: every movement of money, double entry."""

liquidations = Table(
    "liquidations",
    metadata,
    *columns(e.Liquidation, key=1),
    positive("quantity", "mark_price"),
    law(
        "parts",
        "filled_quantity >= 0 AND taken_over_quantity >= 0 AND deleveraged_quantity >= 0"
        " AND netted_quantity >= 0 AND filled_quantity + taken_over_quantity"
        " + deleveraged_quantity + netted_quantity <= quantity",
    ),
    law("fee", "clearance_fee_to_fund >= 0 AND clearance_fee_to_fund <= clearance_fee"),
    booked("clearance_fee", "clearance_fee_to_fund", "fund_amount", "treasury_amount"),
    Index(None, "symbol", "fund_id", "outcome", "liquidation_id"),
    Index(None, "fund_id", "outcome", "liquidation_id"),
    Index(None, "outcome", "liquidation_id"),
    Index(None, "account_id", "liquidation_id"),
)
"""`steps` lists the fields of each `LiquidationStep` (LIQ-9), in order."""

clearance_fees = Table(
    "clearance_fees",
    metadata,
    *columns(e.ClearanceFee, key=1),
    law("split", "to_fund >= 0 AND to_revenue >= 0 AND to_fund + to_revenue = fee"),
    booked("value", "fee", "to_fund", "to_revenue"),
    Index(None, "symbol", "fund_id", "liquidation_id"),
    Index(None, "fund_id", "liquidation_id"),
)


def _chained() -> Iterator[CheckConstraint]:
    """What holds for each row of a balance history (HIS-1)."""
    yield law("sequence", "sequence >= 1")
    yield law("amount", "amount <> 0")
    yield booked("amount", "balance_after")
    yield law("hash", "hash ~ '^[0-9a-f]{64}$'")
    yield law("first", "(sequence = 1) = (previous_hash = repeat('0', 64))")


def _led_to() -> Iterator[Index]:
    """What leads to the rows of a balance history, in its order, by any of its filters."""
    yield Index(None, "time", "fund_id", "sequence")
    yield Index(None, "kind", "time", "fund_id", "sequence")
    yield Index(None, "asset", "kind", "time", "fund_id", "sequence")
    yield Index(None, "fund_id", "asset", "kind", "time", "sequence")
    named = sql("symbol IS NOT NULL")
    yield Index(None, "symbol", "fund_id", "kind", "time", "sequence", postgresql_where=named)


fund_history = Table(
    "fund_history",
    metadata,
    *columns(e.FundEntry, key=2),
    law("not_negative", "balance_after >= 0"),
    *_chained(),
    Index(None, "fund_id", "time", "sequence"),
    *_led_to(),
)
"""A fund's balance history (HIS-1), append-only. Across funds its order is time, fund, sequence."""

treasury_history = Table(
    "treasury_history",
    metadata,
    *columns(e.TreasuryEntry, key=2),
    law("one", f"fund_id = '{e.TREASURY}'"),
    *_chained(),
    *_led_to(),
)
"""The treasury's balance history, which may be negative: as a fund's, and read by the same queries,
but not by everyone."""

adl_events = Table(
    "adl_events",
    metadata,
    *columns(e.AdlEvent, key=1, but="counterparties", queue_length=Integer()),
    positive("quantity", "mark_price"),
    Index(None, "symbol", "fund_id", "adl_event_id"),
    Index(None, "fund_id", "adl_event_id"),
    Index("adl_events_deficits", "fund_id", "time", postgresql_include=["symbol", "deficit"]),
)
"""`queue` lists the fields of each `QueueEntry`, the first to be deleveraged first, with scores of
`ranked_at` (ADL-5)."""

adl_counterparties = Table(
    "adl_counterparties",
    metadata,
    number("adl_event_id", key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    *columns(e.Deleveraged, rank=Integer()),
    booked("realized_profit"),
    Index(None, "account_id", "adl_event_id"),
)
"""`number` is the place in the event (from 1): a rank can take part at both prices (ADL-2)."""

offload_steps = Table(
    "offload_steps",
    metadata,
    *columns(e.OffloadStep, key=1),
    positive("mark_price"),
    law("held", "held <> 0"),
    law("filled", "filled_quantity >= 0 AND filled_quantity <= quantity"),
    law("done", "(reason IS NULL) = (filled_quantity > 0)"),
    law("priced", "(average_price IS NULL) = (filled_quantity = 0)"),
    booked("profit"),
    Index(None, "fund_id", "sequence"),
    Index(None, "fund_id", "symbol", "sequence"),
)

alerts = Table(
    "alerts",
    metadata,
    *columns(e.Alert, key=1),
    Index(None, "kind", "alert_id"),
    Index(None, "fund_id", "kind", "alert_id", postgresql_where=sql("fund_id IS NOT NULL")),
)

incident_releases = Table(
    "incident_releases",
    metadata,
    *columns(e.IncidentRelease, key=1),
    UniqueConstraint("incident_id"),
)

funding_payments = Table(
    "funding_payments",
    metadata,
    *columns(e.FundingPayment, key=4),
    positive("mark_price"),
    booked("amount"),
    Index(None, "account_id", "sequence"),
)

funding_rates = Table(
    "funding_rates",
    metadata,
    *columns(e.FundingSettled, key=2),
    positive("mark_price"),
    booked("residue"),
    Index(None, "symbol", "sequence"),
)

index_samples = Table(
    "index_samples",
    metadata,
    *columns(e.IndexSample, key=2),
    positive("price"),
    Index(None, "symbol", "sequence"),
)
"""The index prices that count for a settlement price (DLV-1): one a second, for half an hour."""

position_settlements = Table(
    "position_settlements",
    metadata,
    *columns(e.PositionSettled, key=4),
    positive("settlement_price"),
    law("fee", "fee >= 0"),
    booked("profit", "fee"),
    Index(None, "account_id", "sequence"),
)

settlements = Table(
    "settlements",
    metadata,
    *columns(e.ContractSettled, key=2),
    positive("settlement_price"),
    law("reason", "(given_by = 'admin') = (reason IS NOT NULL)"),
    booked("residue"),
    Index(None, "symbol", "sequence"),
)

"""Records: what happened, append-only."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSON

from app.engine import commands as c
from app.engine import events as e
from app.store.tables.columns import (
    booked,
    decimal,
    law,
    metadata,
    moment,
    number,
    one_of,
    positive,
    text,
)

trades = Table(
    "trades",
    metadata,
    number("trade_id", key=True),
    moment("time"),
    text("symbol"),
    decimal("price"),
    decimal("quantity"),
    decimal("value"),
    text("taker_side"),
    text("taker_account_id"),
    number("taker_order_id", null=True),
    decimal("taker_fee"),
    text("maker_account_id"),
    number("maker_order_id"),
    decimal("maker_fee"),
    number("liquidation_id", null=True),
    one_of("taker_side", c.Side),
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
    number("transfer_id", key=True),
    moment("time"),
    text("kind"),
    text("asset"),
    decimal("amount"),
    text("source"),
    decimal("source_balance"),
    text("destination"),
    decimal("destination_balance"),
    text("account_id", null=True),
    text("symbol", null=True),
    text("reference", null=True),
    one_of("kind", e.LedgerKind),
    positive("amount"),
    law("two_sides", "source <> destination"),
    booked("amount", "source_balance", "destination_balance"),
    Index(None, "account_id", "transfer_id", postgresql_where=sql("account_id IS NOT NULL")),
)
"""The ledger: every movement of money, double entry."""

liquidations = Table(
    "liquidations",
    metadata,
    number("liquidation_id", key=True),
    number("event_id"),
    moment("time"),
    text("account_id"),
    text("symbol"),
    text("fund_id"),
    text("side"),
    text("position_side"),
    text("margin_mode"),
    decimal("quantity"),
    decimal("mark_price"),
    decimal("bankruptcy_price"),
    decimal("equity"),
    decimal("maintenance_margin"),
    decimal("filled_quantity"),
    decimal("filled_value"),
    decimal("clearance_fee"),
    decimal("clearance_fee_to_fund"),
    decimal("taken_over_quantity"),
    decimal("deleveraged_quantity"),
    decimal("fund_amount"),
    decimal("treasury_amount"),
    decimal("final_wallet"),
    text("outcome"),
    Column("steps", JSON, nullable=False),
    law("side", "side IN ('long', 'short')"),
    one_of("position_side", c.PositionSide),
    one_of("margin_mode", c.MarginMode),
    one_of("outcome", e.Outcome_),
    positive("quantity", "mark_price"),
    law(
        "parts",
        "filled_quantity >= 0 AND taken_over_quantity >= 0 AND deleveraged_quantity >= 0"
        " AND filled_quantity + taken_over_quantity + deleveraged_quantity <= quantity",
    ),
    law("fee", "clearance_fee_to_fund >= 0 AND clearance_fee_to_fund <= clearance_fee"),
    booked("clearance_fee", "clearance_fee_to_fund", "fund_amount", "treasury_amount"),
    Index(None, "symbol", "liquidation_id"),
    Index(None, "fund_id", "liquidation_id"),
    Index(None, "outcome", "liquidation_id"),
    Index(None, "account_id", "liquidation_id"),
)
"""`steps` lists the fields of each `LiquidationStep` (LIQ-9), in order."""

clearance_fees = Table(
    "clearance_fees",
    metadata,
    number("liquidation_id", key=True),
    moment("time"),
    text("symbol"),
    text("fund_id"),
    text("asset"),
    decimal("rate"),
    decimal("value"),
    decimal("fee"),
    decimal("to_fund"),
    decimal("to_revenue"),
    Column("capped", Boolean, nullable=False),
    law("split", "to_fund >= 0 AND to_revenue >= 0 AND to_fund + to_revenue = fee"),
    booked("value", "fee", "to_fund", "to_revenue"),
    Index(None, "symbol", "liquidation_id"),
    Index(None, "fund_id", "liquidation_id"),
)

fund_history = Table(
    "fund_history",
    metadata,
    text("fund_id", key=True),
    number("sequence", key=True),
    moment("time"),
    text("wallet"),
    text("asset"),
    text("kind"),
    decimal("amount"),
    decimal("balance_after"),
    text("symbol", null=True),
    number("liquidation_id", null=True),
    text("previous_hash"),
    text("hash"),
    one_of("kind", e.HistoryKind),
    law("sequence", "sequence >= 1"),
    law("amount", "amount <> 0"),
    law("not_negative", "balance_after >= 0"),
    booked("amount", "balance_after"),
    law("hash", "hash ~ '^[0-9a-f]{64}$'"),
    law("first", "(sequence = 1) = (previous_hash = repeat('0', 64))"),
    Index(None, "fund_id", "time", "sequence"),
    Index(None, "time", "fund_id", "sequence"),
    Index(None, "kind", "time", "fund_id", "sequence"),
    Index(
        None,
        "symbol", "time", "fund_id", "sequence",
        postgresql_where=sql("symbol IS NOT NULL"),
    ),
)  # fmt: skip
"""A fund's balance history (HIS-1), append-only. Across funds its order is time, fund, sequence."""

adl_events = Table(
    "adl_events",
    metadata,
    number("adl_event_id", key=True),
    number("liquidation_id"),
    moment("time"),
    text("symbol"),
    text("fund_id"),
    text("side"),
    decimal("quantity"),
    decimal("bankruptcy_price"),
    decimal("mark_price"),
    decimal("deficit"),
    decimal("notional_closed"),
    decimal("overshoot"),
    Column("queue_length", Integer, nullable=False),
    Column("queue", JSON, nullable=False),
    moment("ranked_at"),
    law("side", "side IN ('long', 'short')"),
    positive("quantity", "mark_price"),
)
"""`queue` lists the fields of each `QueueEntry`, the first to be deleveraged first, with scores of
`ranked_at` (ADL-5)."""

adl_counterparties = Table(
    "adl_counterparties",
    metadata,
    number("adl_event_id", key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("rank", Integer, nullable=False),
    text("account_id"),
    text("position_side"),
    decimal("score"),
    decimal("quantity_before"),
    decimal("quantity"),
    decimal("price"),
    decimal("realized_profit"),
    text("reason"),
    one_of("position_side", c.PositionSide),
    law("reason", "reason IN ('bankruptcy_price', 'mark_price')"),
    booked("realized_profit"),
    Index(None, "account_id", "adl_event_id"),
)
"""`number` is the place in the event (from 1): a rank can take part at both prices (ADL-2)."""

alerts = Table(
    "alerts",
    metadata,
    number("alert_id", key=True),
    moment("time"),
    text("kind"),
    text("fund_id", null=True),
    text("asset", null=True),
    Column("detail", JSON, nullable=False),
    one_of("kind", e.AlertKind),
)

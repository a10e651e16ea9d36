"""State: what the engine loads when it starts."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from app.engine import commands as c
from app.engine import contracts as k
from app.engine.scopes import WalletKind
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

OPEN = "status IN ('new', 'partially_filled')"
"""The orders that rest in a book."""

ALIVE = {
    "wallets": "WHERE kind <> 'isolated' OR balance <> 0", "accounts": "", "account_contracts": "",
    "positions": "", "orders": f"WHERE {OPEN}", "contracts": "", "marks": "", "funds": "",
    "inventory": "", "api_keys": "",
}  # fmt: skip
"""The state tables, each with which of its rows stand for state."""

contracts = Table(
    "contracts",
    metadata,
    text("symbol", key=True),
    text("base_asset"),
    text("quote_asset"),
    text("settlement_asset"),
    text("kind"),
    text("margining"),
    decimal("contract_size"),
    decimal("tick_size"),
    decimal("lot_size"),
    decimal("min_notional"),
    decimal("maker_fee_rate"),
    decimal("taker_fee_rate"),
    decimal("clearance_fee_rate"),
    text("insurance_fund"),
    Column("brackets", JSONB, nullable=False),
    decimal("price_band", null=True),
    text("status"),
    moment("delivery_at", null=True),
    Column("mark_staleness_seconds", Integer),
    decimal("tick_jump_limit", null=True),
    decimal("liquidation_restore_ratio"),
    one_of("kind", k.Kind),
    one_of("margining", k.Margining),
    one_of("status", k.ContractStatus),
    positive("contract_size", "tick_size", "lot_size"),
    law("min_notional", "min_notional >= 0"),
    law("rates", "taker_fee_rate >= 0 AND clearance_fee_rate >= 0"),
    law("restore_ratio", "liquidation_restore_ratio >= 1"),
    law("brackets", "jsonb_array_length(brackets) >= 1"),
)
"""`brackets` lists objects with the fields of `Bracket`, decimals as strings."""

marks = Table(
    "marks",
    metadata,
    text("symbol", key=True),
    decimal("price"),
    moment("time"),
    decimal("index_price", null=True),
    moment("source_time", null=True),
    number("sequence", null=True),
    Column("awaited", Boolean, nullable=False),
    positive("price"),
    postgresql_with={"fillfactor": "50"},
)

funds = Table(
    "funds",
    metadata,
    text("fund_id", key=True),
    text("name"),
    decimal("max_net_notional_ratio"),
    decimal("share_below_minimum"),
    decimal("share_above_minimum"),
    Column("required_minimum", JSONB, nullable=False),
    Column("wallets", JSONB, nullable=False),
    moment("created_at"),
    number("sequence"),
    text("last_hash"),
    law("max_net_notional_ratio", "max_net_notional_ratio >= 0"),
    law("share_below_minimum", "share_below_minimum BETWEEN 0 AND 1"),
    law("share_above_minimum", "share_above_minimum BETWEEN 0 AND 1"),
    law("sequence", "sequence >= 0"),
    law("last_hash", "last_hash ~ '^[0-9a-f]{64}$'"),
)
"""`required_minimum` maps asset to a decimal string; `wallets` lists the keys of its wallets
in order of creation: but for `main`, which is first, the order in which they pay losses (FND-6)."""

inventory = Table(
    "inventory",
    metadata,
    text("fund_id", key=True),
    text("symbol", key=True),
    decimal("quantity"),
    decimal("cost"),
    law("held", "quantity <> 0"),
    booked("cost"),
)
"""Without a row the fund holds nothing of the contract."""

wallets = Table(
    "wallets",
    metadata,
    text("key", key=True),
    text("kind"),
    text("owner"),
    text("asset"),
    text("name"),
    decimal("balance"),
    one_of("kind", WalletKind),
    law("fund_not_negative", "kind <> 'fund' OR balance >= 0"),
    booked("balance"),
    Index(None, "owner"),
    postgresql_with={"fillfactor": "70"},
)
"""Isolated wallets of closed positions stay, with balance 0."""

accounts = Table(
    "accounts",
    metadata,
    text("account_id", key=True),
    text("position_mode"),
    moment("created_at"),
    one_of("position_mode", c.PositionMode),
)

account_contracts = Table(
    "account_contracts",
    metadata,
    text("account_id", key=True),
    text("symbol", key=True),
    Column("leverage", Integer, nullable=False),
    text("margin_mode"),
    law("leverage", "leverage >= 1"),
    one_of("margin_mode", c.MarginMode),
)

positions = Table(
    "positions",
    metadata,
    text("account_id", key=True),
    text("symbol", key=True),
    text("side", key=True),
    decimal("quantity"),
    decimal("cost"),
    one_of("side", c.PositionSide),
    law("held", "quantity <> 0"),
    law("leg", "side = 'both' OR (side = 'long') = (quantity > 0)"),
    booked("cost"),
    Index(None, "symbol"),
    postgresql_with={"fillfactor": "70"},
)
"""Without a row the account holds nothing in that leg."""

orders = Table(
    "orders",
    metadata,
    number("order_id", key=True),
    text("account_id"),
    text("symbol"),
    text("position_side"),
    text("side"),
    text("type"),
    text("time_in_force"),
    decimal("price", null=True),
    decimal("quantity"),
    Column("reduce_only", Boolean, nullable=False),
    text("self_trade_prevention"),
    text("client_order_id", null=True),
    moment("created_at"),
    moment("updated_at"),
    text("status"),
    decimal("filled_quantity"),
    decimal("filled_value"),
    text("reason", null=True),
    one_of("position_side", c.PositionSide),
    one_of("side", c.Side),
    one_of("type", c.OrderType),
    one_of("time_in_force", c.TimeInForce),
    one_of("self_trade_prevention", c.SelfTradePrevention),
    one_of("status", c.OrderStatus),
    positive("quantity"),
    law("limit_price", "type = 'market' OR price > 0"),
    law("filled", "filled_quantity >= 0 AND filled_quantity <= quantity"),
    law("filled_status", "(status = 'filled') = (filled_quantity = quantity)"),
    booked("filled_value"),
    Index(None, "account_id", "order_id"),
    Index(None, "symbol", "order_id"),
    Index("orders_book", "symbol", "side", "price", postgresql_where=sql(OPEN)),
    Index("orders_open", "account_id", "order_id", postgresql_where=sql(OPEN)),
    postgresql_with={"fillfactor": "85"},
)

api_keys = Table(
    "api_keys",
    metadata,
    text("key_id", key=True),
    text("name"),
    text("scope"),
    text("digest"),
    text("account_id", null=True),
    moment("created_at"),
    moment("revoked_at", null=True),
    one_of("scope", c.KeyScope),
    law("digest", "digest ~ '^[0-9a-f]{64}$'"),
    law("bound", "(scope = 'trader') = (account_id IS NOT NULL)"),
    Index(None, "digest", unique=True),
)
"""Revoked keys stay."""

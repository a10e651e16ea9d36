"""State: what the engine loads when it starts."""

from __future__ import annotations

from sqlalchemy import Index, Integer, Table
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from app.engine import contracts as k
from app.engine.commands.keys import NewKey
from app.engine.events import TREASURY
from app.engine.markets import Delivery, Funding
from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.memory import FundMemory, Minute
from app.engine.state import ApiKey, Fund, Inventory, Payout, Treasury, Verdict
from app.engine.traders import (
    Account,
    ContractSettings,
    Group,
    HeldProfit,
    Order,
    Position,
    Trail,
    TriggeredOrder,
    Wallet,
)
from app.store.tables.columns import booked, columns, law, metadata, positive

OPEN = "status IN ('new', 'partially_filled')"
"""The orders that rest in a book."""

UNTRIGGERED = "status = 'untriggered'"
"""The triggered orders that wait for their price."""

ALIVE = {
    "wallets": "WHERE kind <> 'isolated' OR balance <> 0",
    "accounts": "",
    "account_contracts": "",
    "positions": "",
    "orders": f"WHERE {OPEN}",
    "triggered_orders": f"WHERE {UNTRIGGERED}",
    "held_profits": "",
    "payouts": "",
    "trails": "",
    "order_groups": "",
    "contracts": "",
    "marks": "",
    "source_prices": "",
    "mid_samples": "",
    "funding": "",
    "deliveries": "",
    "funds": "",
    "inventory": "",
    "treasury": "",
    "fund_memory": "",
    "fund_minutes": "",
    "calibration_verdicts": "",
    "api_keys": "",
}
"""The state tables, each with which of its rows stand for state."""

contracts = Table(
    "contracts",
    metadata,
    *columns(
        k.Contract,
        within="contract",
        key=1,
        brackets=JSONB(),
        index_sources=JSONB(),
        mid_window_seconds=Integer(),
        mark_staleness_seconds=Integer(),
        funding_interval_hours=Integer(),
    ),
    positive("contract_size", "tick_size", "lot_size"),
    law("min_notional", "min_notional >= 0"),
    law("rates", "taker_fee_rate >= 0 AND clearance_fee_rate >= 0"),
    law("restore_ratio", "liquidation_restore_ratio >= 1"),
    law("brackets", "jsonb_array_length(brackets) >= 1"),
)
"""`brackets` and `index_sources` list objects with the fields of `Bracket` and `IndexSource`,
decimals as strings."""

marks = Table(
    "marks",
    metadata,
    *columns(Mark, key=1),
    positive("price"),
    postgresql_with={"fillfactor": "50"},
)

source_prices = Table(
    "source_prices",
    metadata,
    *columns(SourcePrice, key=2),
    positive("price"),
    postgresql_with={"fillfactor": "50"},
)
"""What the sources of an index said last (MRK-3)."""

mid_samples = Table(
    "mid_samples",
    metadata,
    *columns(MidSample, key=2, place=Integer()),
    postgresql_with={"fillfactor": "50"},
)
"""How far a contract's book was from its index; `place` goes round (MRK-3)."""

funding = Table(
    "funding",
    metadata,
    *columns(Funding, key=1),
    booked("residue"),
    postgresql_with={"fillfactor": "50"},
)
"""When it is due next, and how far the one that is under way has come (FPY-1)."""

deliveries = Table(
    "deliveries",
    metadata,
    *columns(Delivery, key=1),
    booked("cost"),
    postgresql_with={"fillfactor": "50"},
)
"""Index samples so far, and how far a contract's settlement has come (DLV-1)."""

funds = Table(
    "funds",
    metadata,
    *columns(
        Fund,
        "fund_id",
        "name",
        "policy",
        "required_minimum",
        "wallets",
        "created_at",
        "sequence",
        "last_hash",
        key=1,
        policy=JSONB(),
        required_minimum=JSONB(),
        wallets=JSONB(),
    ),
    law("sequence", "sequence >= 0"),
    law("last_hash", "last_hash ~ '^[0-9a-f]{64}$'"),
)
"""`policy` is a document of text and numbers, in which what has its default may be left out.
`required_minimum` maps asset to a decimal string; `wallets` lists the keys of its wallets in order
of creation: but for `main`, which is first, the order in which they pay losses (FND-6)."""

inventory = Table(
    "inventory",
    metadata,
    *columns(Inventory, key=2),
    law("held", "quantity <> 0"),
    booked("cost"),
)
"""Without a row the fund holds nothing of the contract."""

treasury = Table(
    "treasury",
    metadata,
    *columns(Treasury, key=1),
    law("one", f"fund_id = '{TREASURY}'"),
    law("sequence", "sequence >= 1"),
    law("last_hash", "last_hash ~ '^[0-9a-f]{64}$'"),
)
"""Without a row its history has none (HIS-1)."""

fund_memory = Table(
    "fund_memory",
    metadata,
    *columns(
        FundMemory,
        "fund_id",
        "asset",
        "gained",
        "stopped",
        "cap_warned",
        "drawdown_warned",
        key=2,
    ),
    booked("gained"),
    postgresql_with={"fillfactor": "50"},
)
"""What a fund has lost, and what was warned of (FND-3, ADL-3)."""

fund_minutes = Table(
    "fund_minutes",
    metadata,
    *columns(Minute, key=4),
    law("changes", "changes >= 1"),
    booked("amount"),
    postgresql_with={"fillfactor": "50"},
)
"""What a fund's limits remember of a minute, while it is within what they look back at (FND-12)."""

calibration_verdicts = Table(
    "calibration_verdicts",
    metadata,
    *columns(Verdict, key=1),
    law(
        "accepted",
        "CASE WHEN accepted THEN COALESCE(min_scale(required_minimum), 9) <= 8"
        " ELSE required_minimum IS NULL END",
    ),
    law("reason", "accepted OR reason IS NOT NULL"),
    law("reminded", "accepted OR reminded_at IS NULL"),
    law("red", "accepted OR red_at IS NULL"),
    Index(None, "fund_id", "asset", "calibration_id"),
)
"""What was decided of calibrations (CAL-12); all are kept."""

wallets = Table(
    "wallets",
    metadata,
    *columns(Wallet, key=1),
    law("fund_not_negative", "kind <> 'fund' OR balance >= 0"),
    booked("balance"),
    Index(None, "owner"),
    postgresql_with={"fillfactor": "70"},
)
"""Isolated wallets of closed positions stay, with balance 0."""

accounts = Table(
    "accounts",
    metadata,
    *columns(Account, "account_id", "position_mode", "created_at", "cancel_at", "owner_id", key=1),
)

account_contracts = Table(
    "account_contracts",
    metadata,
    *columns(ContractSettings, key=2, leverage=Integer()),
    law("leverage", "leverage >= 1"),
)

positions = Table(
    "positions",
    metadata,
    *columns(Position, "account_id", "symbol", "side", "quantity", "cost", key=3),
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
    *columns(Order, key=1),
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

triggered_orders = Table(
    "triggered_orders",
    metadata,
    *columns(TriggeredOrder, key=1),
    law("trigger_price", "trigger_price IS NULL OR trigger_price > 0"),
    law("waits", "trigger_price IS NOT NULL OR callback_rate IS NOT NULL"),
    law("quantity", "quantity IS NULL OR quantity > 0"),
    law("limit_price", "price IS NULL OR price > 0"),
    law("became", "(status = 'triggered') = (became IS NOT NULL)"),
    Index(None, "account_id", "order_id"),
    Index(None, "symbol", "order_id"),
    Index(
        "triggered_orders_waiting",
        "account_id",
        "order_id",
        postgresql_where=sql(UNTRIGGERED),
    ),
)
"""Numbered with the orders, which they may become (TRG-1)."""

held_profits = Table(
    "held_profits",
    metadata,
    *columns(HeldProfit, key=3),
    law("amount", "amount <> 0"),
    booked("amount"),
    postgresql_with={"fillfactor": "70"},
)
"""What accounts have won, net, in parts of time, where a fund's policy holds profits (FND-12)."""

payouts = Table("payouts", metadata, *columns(Payout, key=1))
"""When a fund that holds profits paid for a bankruptcy last, by contract (FND-12)."""

trails = Table(
    "trails",
    metadata,
    *columns(Trail, but="waiting", key=1),
    positive("best"),
    law("orders", "orders >= 1"),
    postgresql_with={"fillfactor": "50"},
)
"""Without a row no trailing stop has that best price."""

order_groups = Table(
    "order_groups",
    metadata,
    *columns(Group, key=1),
    law("orders", "orders >= 2"),
)
"""Without a row nothing is to be decided about its orders any more (TRG-2)."""

api_keys = Table(
    "api_keys",
    metadata,
    *columns(NewKey, key=1, within="key"),
    *columns(ApiKey, "created_at", "revoked_at"),
    law("digest", "digest ~ '^[0-9a-f]{64}$'"),
    law("bound", "(scope = 'trader') = (account_id IS NOT NULL)"),
    Index(None, "digest", unique=True),
)
"""Revoked keys stay."""

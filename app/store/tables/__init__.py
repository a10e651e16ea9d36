"""The PostgreSQL tables, as SQLAlchemy Core sees them.

Money, prices, quantities and rates are NUMERIC without precision, so that PostgreSQL rounds
nothing (NUM-1); identifiers are the engine's own (BIGINT); times are timestamptz. The CHECKs
repeat the engine's laws as a second lock on the door. There are no foreign keys: the engine is
the only writer and each would cost a lookup per row. Lists are newest first, so an index ends
with the identifier that grows, and there is one only for a filter that the API offers.
"""

from app.store.tables.candles import candles
from app.store.tables.columns import metadata
from app.store.tables.log import (
    COUNTERS,
    OF_THE_TERM,
    answers,
    commands,
    incidents,
    leadership,
    snapshot_parts,
    snapshots,
)
from app.store.tables.records import (
    adl_counterparties,
    adl_events,
    alerts,
    clearance_fees,
    fund_history,
    funding_payments,
    funding_rates,
    incident_releases,
    index_samples,
    liquidations,
    position_settlements,
    settlements,
    trades,
    transfers,
)
from app.store.tables.state import (
    ALIVE,
    OPEN,
    UNTRIGGERED,
    account_contracts,
    accounts,
    api_keys,
    contracts,
    deliveries,
    funding,
    funds,
    inventory,
    marks,
    mid_samples,
    orders,
    positions,
    source_prices,
    trails,
    triggered_orders,
    wallets,
)

__all__ = [
    "ALIVE",
    "COUNTERS",
    "OF_THE_TERM",
    "OPEN",
    "UNTRIGGERED",
    "account_contracts",
    "accounts",
    "adl_counterparties",
    "adl_events",
    "alerts",
    "answers",
    "api_keys",
    "candles",
    "clearance_fees",
    "commands",
    "contracts",
    "deliveries",
    "fund_history",
    "funding",
    "funding_payments",
    "funding_rates",
    "funds",
    "incident_releases",
    "incidents",
    "index_samples",
    "inventory",
    "leadership",
    "liquidations",
    "marks",
    "metadata",
    "mid_samples",
    "orders",
    "position_settlements",
    "positions",
    "settlements",
    "snapshot_parts",
    "snapshots",
    "source_prices",
    "trades",
    "trails",
    "transfers",
    "triggered_orders",
    "wallets",
]

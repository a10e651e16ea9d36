"""Delivery: a contract's fee, its index samples, what is under way, what was settled."""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = (
    "ALTER TABLE contracts ADD COLUMN settlement_fee_rate NUMERIC",
    """
    CREATE TABLE deliveries (
        symbol TEXT NOT NULL,
        phase TEXT NOT NULL,
        samples BIGINT NOT NULL,
        total NUMERIC NOT NULL,
        sampled_at TIMESTAMP WITH TIME ZONE,
        price NUMERIC,
        reason TEXT,
        quantity NUMERIC NOT NULL,
        cost NUMERIC NOT NULL,
        CONSTRAINT deliveries_pkey PRIMARY KEY (symbol),
        CONSTRAINT deliveries_phase
            CHECK (phase IN ('ahead', 'held', 'priced', 'closing', 'settled')),
        CONSTRAINT deliveries_booked CHECK (COALESCE(min_scale(cost), 9) <= 8)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE index_samples (
        sequence BIGINT NOT NULL,
        symbol TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        price NUMERIC NOT NULL,
        CONSTRAINT index_samples_pkey PRIMARY KEY (sequence, symbol),
        CONSTRAINT index_samples_positive CHECK (price > 0 AND price < 'Infinity')
    )
    """,
    "CREATE INDEX index_samples_symbol_sequence ON index_samples (symbol, sequence)",
    """
    CREATE TABLE position_settlements (
        sequence BIGINT NOT NULL,
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        position_side TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        quantity NUMERIC NOT NULL,
        entry_price NUMERIC NOT NULL,
        settlement_price NUMERIC NOT NULL,
        profit NUMERIC NOT NULL,
        fee NUMERIC NOT NULL,
        CONSTRAINT position_settlements_pkey
            PRIMARY KEY (sequence, account_id, symbol, position_side),
        CONSTRAINT position_settlements_position_side
            CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT position_settlements_positive
            CHECK (settlement_price > 0 AND settlement_price < 'Infinity'),
        CONSTRAINT position_settlements_fee CHECK (fee >= 0),
        CONSTRAINT position_settlements_booked
            CHECK (COALESCE(min_scale(profit), 9) <= 8 AND COALESCE(min_scale(fee), 9) <= 8)
    )
    """,
    """
    CREATE INDEX position_settlements_account_id_sequence
        ON position_settlements (account_id, sequence)
    """,
    """
    CREATE TABLE settlements (
        sequence BIGINT NOT NULL,
        symbol TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        settled_at TIMESTAMP WITH TIME ZONE NOT NULL,
        settlement_price NUMERIC NOT NULL,
        given_by TEXT NOT NULL,
        reason TEXT,
        samples BIGINT NOT NULL,
        index_mean NUMERIC,
        residue NUMERIC NOT NULL,
        CONSTRAINT settlements_pkey PRIMARY KEY (sequence, symbol),
        CONSTRAINT settlements_given_by CHECK (given_by IN ('index', 'admin')),
        CONSTRAINT settlements_positive
            CHECK (settlement_price > 0 AND settlement_price < 'Infinity'),
        CONSTRAINT settlements_reason CHECK ((given_by = 'admin') = (reason IS NOT NULL)),
        CONSTRAINT settlements_booked CHECK (COALESCE(min_scale(residue), 9) <= 8)
    )
    """,
    "CREATE INDEX settlements_symbol_sequence ON settlements (symbol, sequence)",
)
MOVES = (
    "'deposit', 'withdrawal', 'contribution', 'trading_fee', 'realized_profit', 'margin_in',"
    " 'margin_out', 'funding', 'funding_correction', 'seed_capital', 'adjustment', 'top_up',"
    " 'liquidation_clearance_fee', 'bankruptcy_loss', 'takeover_gain', 'inventory_settlement',"
    " 'inventory_funding', 'deficit_cover', 'emergency_injection'"
)
ALERTS = (
    "'fund_below_minimum', 'fund_empty', 'emergency_injection', 'adl', 'clock_jump', 'incident',"
    " 'index_lost'"
)


def upgrade() -> None:
    """No contract could be delivered before."""
    for statement in STATEMENTS:
        op.execute(statement)
    _kinds(f"{MOVES}, 'settlement_fee', 'settlement_residue'", f"{ALERTS}, 'settlement_held'")


def downgrade() -> None:
    """Possible while nothing was delivered or held yet."""
    _kinds(MOVES, ALERTS)
    op.execute("DROP TABLE deliveries, index_samples, position_settlements, settlements")
    op.execute("ALTER TABLE contracts DROP COLUMN settlement_fee_rate")


def _kinds(moves: str, alerts: str) -> None:
    for table, words in (("transfers", moves), ("alerts", alerts)):
        op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_kind")
        op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_kind CHECK (kind IN ({words}))")

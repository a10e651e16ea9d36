"""Funding: a contract's terms, what is under way, what was paid."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = (
    "ALTER TABLE contracts ADD COLUMN funding_interval_hours INTEGER",
    "ALTER TABLE contracts ADD COLUMN funding_rate_cap NUMERIC",
    "ALTER TABLE contracts ADD COLUMN funding_rate_floor NUMERIC",
    """
    CREATE TABLE funding (
        symbol TEXT NOT NULL,
        next_at TIMESTAMP WITH TIME ZONE,
        rate NUMERIC,
        time TIMESTAMP WITH TIME ZONE,
        settled_rate NUMERIC NOT NULL,
        mark_price NUMERIC NOT NULL,
        paid_account TEXT NOT NULL,
        paid_side TEXT NOT NULL,
        residue NUMERIC NOT NULL,
        CONSTRAINT funding_pkey PRIMARY KEY (symbol),
        CONSTRAINT funding_booked CHECK (COALESCE(min_scale(residue), 9) <= 8)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE funding_payments (
        sequence BIGINT NOT NULL,
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        position_side TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        quantity NUMERIC NOT NULL,
        mark_price NUMERIC NOT NULL,
        rate NUMERIC NOT NULL,
        amount NUMERIC NOT NULL,
        CONSTRAINT funding_payments_pkey
            PRIMARY KEY (sequence, account_id, symbol, position_side),
        CONSTRAINT funding_payments_position_side
            CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT funding_payments_positive CHECK (mark_price > 0 AND mark_price < 'Infinity'),
        CONSTRAINT funding_payments_booked CHECK (COALESCE(min_scale(amount), 9) <= 8)
    )
    """,
    """
    CREATE INDEX funding_payments_account_id_sequence ON funding_payments (account_id, sequence)
    """,
    """
    CREATE TABLE funding_rates (
        sequence BIGINT NOT NULL,
        symbol TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        rate NUMERIC NOT NULL,
        mark_price NUMERIC NOT NULL,
        residue NUMERIC NOT NULL,
        CONSTRAINT funding_rates_pkey PRIMARY KEY (sequence, symbol),
        CONSTRAINT funding_rates_positive CHECK (mark_price > 0 AND mark_price < 'Infinity'),
        CONSTRAINT funding_rates_booked CHECK (COALESCE(min_scale(residue), 9) <= 8)
    )
    """,
    "CREATE INDEX funding_rates_symbol_sequence ON funding_rates (symbol, sequence)",
)
KINDS = (
    "'deposit', 'withdrawal', 'contribution', 'trading_fee', 'realized_profit', 'margin_in',"
    " 'margin_out', 'seed_capital', 'adjustment', 'top_up', 'liquidation_clearance_fee',"
    " 'bankruptcy_loss', 'takeover_gain', 'inventory_settlement', 'deficit_cover',"
    " 'emergency_injection'"
)


def upgrade() -> None:
    """No contract has funding until it is given an interval."""
    for statement in STATEMENTS:
        op.execute(statement)
    _transfers(f"{KINDS}, 'funding', 'funding_correction', 'inventory_funding'")


def downgrade() -> None:
    """Possible while nothing was paid yet."""
    _transfers(KINDS)
    op.execute("DROP TABLE funding, funding_payments, funding_rates")
    op.execute(
        "ALTER TABLE contracts DROP COLUMN funding_interval_hours,"
        " DROP COLUMN funding_rate_cap, DROP COLUMN funding_rate_floor"
    )


def _transfers(kinds: str) -> None:
    op.execute("ALTER TABLE transfers DROP CONSTRAINT transfers_kind")
    op.execute(f"ALTER TABLE transfers ADD CONSTRAINT transfers_kind CHECK (kind IN ({kinds}))")

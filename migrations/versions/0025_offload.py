"""Offloading: when what a fund holds is sold next, and the steps in which it was."""

from alembic import op

revision = "0025"
down_revision = "0024"

STATEMENTS = (
    """
    ALTER TABLE inventory
        ADD COLUMN offload_at TIMESTAMP WITH TIME ZONE, ADD COLUMN entry_price NUMERIC
    """,
    "ALTER TABLE trades ALTER COLUMN taker_account_id DROP NOT NULL",
    """
    CREATE TABLE offload_steps (
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        fund_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        held NUMERIC NOT NULL,
        mark_price NUMERIC NOT NULL,
        quantity NUMERIC NOT NULL,
        limit_price NUMERIC,
        filled_quantity NUMERIC NOT NULL,
        average_price NUMERIC,
        profit NUMERIC NOT NULL,
        reason TEXT,
        CONSTRAINT offload_steps_pkey PRIMARY KEY (sequence),
        CONSTRAINT offload_steps_side CHECK (side IN ('buy', 'sell')),
        CONSTRAINT offload_steps_reason CHECK (
            reason IN ('halted', 'awaiting_settlement', 'stale_mark', 'below_stop_profit',
                'no_liquidity', 'would_empty_fund')
        ),
        CONSTRAINT offload_steps_positive CHECK (mark_price > 0 AND mark_price < 'Infinity'),
        CONSTRAINT offload_steps_held CHECK (held <> 0),
        CONSTRAINT offload_steps_filled
            CHECK (filled_quantity >= 0 AND filled_quantity <= quantity),
        CONSTRAINT offload_steps_done CHECK ((reason IS NULL) = (filled_quantity > 0)),
        CONSTRAINT offload_steps_priced CHECK ((average_price IS NULL) = (filled_quantity = 0)),
        CONSTRAINT offload_steps_booked CHECK (COALESCE(min_scale(profit), 9) <= 8)
    )
    """,
    "CREATE INDEX offload_steps_fund_id_sequence ON offload_steps (fund_id, sequence)",
    """
    CREATE INDEX offload_steps_fund_id_symbol_sequence
        ON offload_steps (fund_id, symbol, sequence)
    """,
)
MOVES = (
    "'deposit', 'withdrawal', 'contribution', 'trading_fee', 'realized_profit', 'margin_in',"
    " 'margin_out', 'funding', 'funding_correction', 'settlement_fee', 'settlement_residue',"
    " 'seed_capital', 'adjustment', 'top_up', 'liquidation_clearance_fee', 'bankruptcy_loss',"
    " 'takeover_gain', 'inventory_settlement', 'inventory_funding', 'deficit_cover',"
    " 'emergency_injection'"
)


def upgrade() -> None:
    """No fund offloaded before."""
    for statement in STATEMENTS:
        op.execute(statement)
    _kinds(f"{MOVES}, 'offload_pnl'")


def downgrade() -> None:
    """Possible while nothing was offloaded yet."""
    _kinds(MOVES)
    op.execute("DROP TABLE offload_steps")
    op.execute("ALTER TABLE trades ALTER COLUMN taker_account_id SET NOT NULL")
    op.execute("ALTER TABLE inventory DROP COLUMN offload_at, DROP COLUMN entry_price")


def _kinds(moves: str) -> None:
    op.execute("ALTER TABLE transfers DROP CONSTRAINT transfers_kind")
    op.execute(f"ALTER TABLE transfers ADD CONSTRAINT transfers_kind CHECK (kind IN ({moves}))")

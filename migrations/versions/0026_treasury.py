"""The treasury's balance history; what it held before is its first rows."""

from alembic import op

revision = "0026"
down_revision = "0025"

STATEMENTS = (
    """
    CREATE TABLE treasury (
        fund_id TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        last_hash TEXT NOT NULL,
        CONSTRAINT treasury_pkey PRIMARY KEY (fund_id),
        CONSTRAINT treasury_one CHECK (fund_id = 'treasury'),
        CONSTRAINT treasury_sequence CHECK (sequence >= 1),
        CONSTRAINT treasury_last_hash CHECK (last_hash ~ '^[0-9a-f]{64}$')
    )
    """,
    """
    CREATE TABLE treasury_history (
        fund_id TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        wallet TEXT NOT NULL,
        asset TEXT NOT NULL,
        kind TEXT NOT NULL,
        amount NUMERIC NOT NULL,
        balance_after NUMERIC NOT NULL,
        symbol TEXT,
        liquidation_id BIGINT,
        previous_hash TEXT NOT NULL,
        hash TEXT NOT NULL,
        CONSTRAINT treasury_history_pkey PRIMARY KEY (fund_id, sequence),
        CONSTRAINT treasury_history_one CHECK (fund_id = 'treasury'),
        CONSTRAINT treasury_history_kind CHECK (kind IN (
            'opening', 'contribution', 'top_up', 'emergency_injection', 'funding_correction'
        )),
        CONSTRAINT treasury_history_sequence CHECK (sequence >= 1),
        CONSTRAINT treasury_history_amount CHECK (amount <> 0),
        CONSTRAINT treasury_history_booked CHECK (
            COALESCE(min_scale(amount), 9) <= 8 AND COALESCE(min_scale(balance_after), 9) <= 8
        ),
        CONSTRAINT treasury_history_hash CHECK (hash ~ '^[0-9a-f]{64}$'),
        CONSTRAINT treasury_history_first CHECK (
            (sequence = 1) = (previous_hash = repeat('0', 64))
        )
    )
    """,
    """
    CREATE INDEX treasury_history_time_fund_id_sequence
        ON treasury_history (time, fund_id, sequence)
    """,
    """
    CREATE INDEX treasury_history_kind_time_fund_id_sequence
        ON treasury_history (kind, time, fund_id, sequence)
    """,
    """
    CREATE INDEX treasury_history_symbol_time_fund_id_sequence
        ON treasury_history (symbol, time, fund_id, sequence) WHERE symbol IS NOT NULL
    """,
)


def upgrade() -> None:
    """Empty: the first leader of these rules begins it with what the treasury holds then."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """The history is lost."""
    op.execute("DROP TABLE treasury, treasury_history")

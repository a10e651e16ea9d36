"""What is held of profits while a fund's policy says so."""

from alembic import op

revision = "0033"
down_revision = "0032"

STATEMENTS = (
    """
    CREATE TABLE held_profits (
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        since TIMESTAMP WITH TIME ZONE NOT NULL,
        newest TIMESTAMP WITH TIME ZONE NOT NULL,
        amount NUMERIC NOT NULL,
        CONSTRAINT held_profits_pkey PRIMARY KEY (account_id, symbol, since),
        CONSTRAINT held_profits_amount CHECK (amount <> 0),
        CONSTRAINT held_profits_booked CHECK (COALESCE(min_scale(amount), 9) <= 8)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE payouts (
        symbol TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT payouts_pkey PRIMARY KEY (symbol)
    )
    """,
)


def upgrade() -> None:
    """Nothing was held before."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """What is held is free."""
    op.execute("DROP TABLE held_profits, payouts")

"""What owners won in a contract in an hour, and what was paid for them there."""

from alembic import op

revision = "0034"
down_revision = "0033"

STATEMENTS = (
    """
    CREATE TABLE owner_results (
        owner_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        interval TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        won NUMERIC NOT NULL,
        lost NUMERIC NOT NULL,
        fund_paid NUMERIC NOT NULL,
        treasury_paid NUMERIC NOT NULL,
        CONSTRAINT owner_results_pkey PRIMARY KEY (owner_id, symbol, interval, time),
        CONSTRAINT owner_results_interval CHECK (interval IN ('1h')),
        CONSTRAINT owner_results_amounts
            CHECK (won >= 0 AND lost >= 0 AND fund_paid >= 0 AND treasury_paid >= 0),
        CONSTRAINT owner_results_booked
            CHECK (COALESCE(min_scale(won), 9) <= 8 AND COALESCE(min_scale(lost), 9) <= 8
                AND COALESCE(min_scale(fund_paid), 9) <= 8
                AND COALESCE(min_scale(treasury_paid), 9) <= 8)
    ) WITH (fillfactor = 90)
    """,
    """
    CREATE INDEX owner_results_paid ON owner_results (time, owner_id, symbol)
        WHERE fund_paid > 0 OR treasury_paid > 0
    """,
)


def upgrade() -> None:
    """No account was anybody's before, as far as was said."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """It is forgotten."""
    op.execute("DROP TABLE owner_results")

"""What breakers, payout limits and warnings of funds remember (FND-3, FND-12, ADL-3)."""

from alembic import op

revision = "0030"
down_revision = "0029"

OLD = (
    "fund_below_minimum", "fund_empty", "emergency_injection", "adl", "clock_jump", "incident",
    "index_lost", "settlement_held",
)  # fmt: skip
NEW = ("adl_warning", "takeovers_stopped", "takeovers_resumed")
REASONS = (
    "halted", "awaiting_settlement", "stale_mark", "below_stop_profit", "no_liquidity",
    "would_empty_fund",
)  # fmt: skip
"""Why a fund offloads nothing."""

STATEMENTS = (
    """
    CREATE TABLE fund_memory (
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        gained NUMERIC NOT NULL,
        stopped BOOLEAN NOT NULL,
        cap_warned NUMERIC NOT NULL,
        drawdown_warned NUMERIC NOT NULL,
        CONSTRAINT fund_memory_pkey PRIMARY KEY (fund_id, asset),
        CONSTRAINT fund_memory_booked CHECK (COALESCE(min_scale(gained), 9) <= 8)
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE fund_minutes (
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        measure TEXT NOT NULL,
        minute TIMESTAMPTZ NOT NULL,
        amount NUMERIC NOT NULL,
        changes BIGINT NOT NULL,
        CONSTRAINT fund_minutes_pkey PRIMARY KEY (fund_id, asset, measure, minute),
        CONSTRAINT fund_minutes_measure CHECK (measure IN ('paid', 'result', 'balance')),
        CONSTRAINT fund_minutes_changes CHECK (changes >= 1),
        CONSTRAINT fund_minutes_booked CHECK (COALESCE(min_scale(amount), 9) <= 8)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    """No fund has a limit that acts yet; nothing was warned of."""
    for statement in STATEMENTS:
        op.execute(statement)
    _set_words("alerts", "kind", OLD + NEW)
    _set_words("offload_steps", "reason", (*REASONS, "payout_limit"))


def downgrade() -> None:
    """Possible until the first new alert, or reason."""
    _set_words("offload_steps", "reason", REASONS)
    _set_words("alerts", "kind", OLD)
    op.execute("DROP TABLE fund_minutes")
    op.execute("DROP TABLE fund_memory")


def _set_words(table: str, column: str, words: tuple[str, ...]) -> None:
    known = ", ".join(f"'{word}'" for word in words)
    op.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}")
    op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column} CHECK ({column} IN ({known}))")

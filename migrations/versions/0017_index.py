"""Indexes of several sources, and marks that are derived from them."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = (
    "ALTER TABLE contracts ADD COLUMN mark_mode TEXT NOT NULL DEFAULT 'given'",
    """
    ALTER TABLE contracts ADD CONSTRAINT contracts_mark_mode
        CHECK (mark_mode IN ('given', 'derived'))
    """,
    "ALTER TABLE contracts ADD COLUMN index_sources JSONB NOT NULL DEFAULT '[]'",
    "ALTER TABLE contracts ADD COLUMN mid_window_seconds INTEGER NOT NULL DEFAULT 150",
    """
    CREATE TABLE source_prices (
        symbol TEXT NOT NULL,
        source TEXT NOT NULL,
        price NUMERIC NOT NULL,
        as_of TIMESTAMP WITH TIME ZONE NOT NULL,
        source_time TIMESTAMP WITH TIME ZONE,
        CONSTRAINT source_prices_pkey PRIMARY KEY (symbol, source),
        CONSTRAINT source_prices_positive CHECK (price > 0 AND price < 'Infinity')
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE mid_samples (
        symbol TEXT NOT NULL,
        place INTEGER NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        basis NUMERIC NOT NULL,
        CONSTRAINT mid_samples_pkey PRIMARY KEY (symbol, place)
    ) WITH (fillfactor = 50)
    """,
)
KINDS = "'fund_below_minimum', 'fund_empty', 'emergency_injection', 'adl', 'clock_jump', 'incident'"


def upgrade() -> None:
    """Every mark was given, and every index price came with one."""
    for statement in STATEMENTS:
        op.execute(statement)
    _alerts(f"{KINDS}, 'index_lost'")


def downgrade() -> None:
    """Forget the sources, and their alerts."""
    op.execute("DROP TABLE source_prices, mid_samples")
    op.execute(
        "ALTER TABLE contracts DROP COLUMN mark_mode, DROP COLUMN index_sources,"
        " DROP COLUMN mid_window_seconds"
    )
    op.execute("DELETE FROM alerts WHERE kind = 'index_lost'")
    _alerts(KINDS)


def _alerts(kinds: str) -> None:
    op.execute("ALTER TABLE alerts DROP CONSTRAINT alerts_kind")
    op.execute(f"ALTER TABLE alerts ADD CONSTRAINT alerts_kind CHECK (kind IN ({kinds}))")

"""Trailing stops follow a price (TRG-1)."""

from alembic import op

revision = "0019"
down_revision = "0018"

OLD = "'stop_market', 'take_profit_market', 'stop', 'take_profit'"
STATEMENTS = (
    "ALTER TABLE triggered_orders ADD COLUMN callback_rate NUMERIC",
    "ALTER TABLE triggered_orders ADD COLUMN trail BIGINT",
    "ALTER TABLE triggered_orders ALTER COLUMN trigger_price DROP NOT NULL",
    "ALTER TABLE triggered_orders DROP CONSTRAINT triggered_orders_positive",
    """
    ALTER TABLE triggered_orders ADD CONSTRAINT triggered_orders_trigger_price
        CHECK (trigger_price IS NULL OR trigger_price > 0)
    """,
    """
    ALTER TABLE triggered_orders ADD CONSTRAINT triggered_orders_waits
        CHECK (trigger_price IS NOT NULL OR callback_rate IS NOT NULL)
    """,
    """
    CREATE TABLE trails (
        trail_id BIGINT NOT NULL,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        trigger_by TEXT NOT NULL,
        best NUMERIC NOT NULL,
        orders BIGINT NOT NULL,
        CONSTRAINT trails_pkey PRIMARY KEY (trail_id),
        CONSTRAINT trails_side CHECK (side IN ('buy', 'sell')),
        CONSTRAINT trails_trigger_by CHECK (trigger_by IN ('mark', 'last')),
        CONSTRAINT trails_positive CHECK (best > 0 AND best < 'Infinity'),
        CONSTRAINT trails_orders CHECK (orders >= 1)
    ) WITH (fillfactor = 50)
    """,
)


def upgrade() -> None:
    """None waits yet."""
    for statement in STATEMENTS:
        op.execute(statement)
    _types(f"{OLD}, 'trailing_stop'")


def downgrade() -> None:
    """Possible while there was none yet."""
    op.execute("DROP TABLE trails")
    _types(OLD)
    op.execute(
        "ALTER TABLE triggered_orders DROP CONSTRAINT triggered_orders_trigger_price,"
        " DROP CONSTRAINT triggered_orders_waits, DROP COLUMN callback_rate, DROP COLUMN trail,"
        " ALTER COLUMN trigger_price SET NOT NULL,"
        " ADD CONSTRAINT triggered_orders_positive"
        " CHECK (trigger_price > 0 AND trigger_price < 'Infinity')"
    )


def _types(types: str) -> None:
    op.execute("ALTER TABLE triggered_orders DROP CONSTRAINT triggered_orders_type")
    op.execute(
        "ALTER TABLE triggered_orders ADD CONSTRAINT triggered_orders_type"
        f" CHECK (type IN ({types}))"
    )

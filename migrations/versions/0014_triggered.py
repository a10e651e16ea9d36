"""Orders that wait for a price (TRG-1)."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = (
    """
    CREATE TABLE triggered_orders (
        order_id BIGINT NOT NULL,
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        position_side TEXT NOT NULL,
        side TEXT NOT NULL,
        type TEXT NOT NULL,
        trigger_price NUMERIC NOT NULL,
        trigger_by TEXT NOT NULL,
        quantity NUMERIC,
        price NUMERIC,
        time_in_force TEXT NOT NULL,
        reduce_only BOOLEAN NOT NULL,
        self_trade_prevention TEXT NOT NULL,
        client_order_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        status TEXT NOT NULL,
        fired BOOLEAN NOT NULL,
        became BIGINT,
        reason TEXT,
        CONSTRAINT triggered_orders_pkey PRIMARY KEY (order_id),
        CONSTRAINT triggered_orders_position_side
            CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT triggered_orders_side CHECK (side IN ('buy', 'sell')),
        CONSTRAINT triggered_orders_type
            CHECK (type IN ('stop_market', 'take_profit_market', 'stop', 'take_profit')),
        CONSTRAINT triggered_orders_trigger_by CHECK (trigger_by IN ('mark', 'last')),
        CONSTRAINT triggered_orders_time_in_force
            CHECK (time_in_force IN ('gtc', 'ioc', 'fok', 'gtx')),
        CONSTRAINT triggered_orders_self_trade_prevention
            CHECK (self_trade_prevention IN ('expire_taker', 'expire_maker', 'expire_both')),
        CONSTRAINT triggered_orders_status
            CHECK (status IN ('untriggered', 'triggered', 'canceled', 'expired')),
        CONSTRAINT triggered_orders_positive
            CHECK (trigger_price > 0 AND trigger_price < 'Infinity'),
        CONSTRAINT triggered_orders_quantity CHECK (quantity IS NULL OR quantity > 0),
        CONSTRAINT triggered_orders_limit_price CHECK (price IS NULL OR price > 0),
        CONSTRAINT triggered_orders_became
            CHECK ((status = 'triggered') = (became IS NOT NULL))
    )
    """,
    """
    CREATE INDEX triggered_orders_account_id_order_id ON triggered_orders (account_id, order_id)
    """,
    "CREATE INDEX triggered_orders_symbol_order_id ON triggered_orders (symbol, order_id)",
    """
    CREATE INDEX triggered_orders_waiting ON triggered_orders (account_id, order_id)
        WHERE status = 'untriggered'
    """,
)


def upgrade() -> None:
    """None waits yet."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """Those that wait are forgotten."""
    op.execute("DROP TABLE triggered_orders")

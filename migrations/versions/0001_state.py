"""State: what the engine loads when it starts."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    CREATE TABLE contracts (
        symbol TEXT NOT NULL,
        base_asset TEXT NOT NULL,
        quote_asset TEXT NOT NULL,
        settlement_asset TEXT NOT NULL,
        kind TEXT NOT NULL,
        margining TEXT NOT NULL,
        contract_size NUMERIC NOT NULL,
        tick_size NUMERIC NOT NULL,
        lot_size NUMERIC NOT NULL,
        min_notional NUMERIC NOT NULL,
        maker_fee_rate NUMERIC NOT NULL,
        taker_fee_rate NUMERIC NOT NULL,
        clearance_fee_rate NUMERIC NOT NULL,
        insurance_fund TEXT NOT NULL,
        brackets JSONB NOT NULL,
        price_band NUMERIC,
        status TEXT NOT NULL,
        delivery_at TIMESTAMP WITH TIME ZONE,
        mark_staleness_seconds INTEGER,
        tick_jump_limit NUMERIC,
        liquidation_restore_ratio NUMERIC NOT NULL,
        CONSTRAINT contracts_pkey PRIMARY KEY (symbol),
        CONSTRAINT contracts_kind CHECK (kind IN ('perpetual', 'delivery')),
        CONSTRAINT contracts_margining CHECK (margining IN ('linear', 'inverse')),
        CONSTRAINT contracts_status
            CHECK (status IN ('trading', 'reduce_only', 'halted', 'settled')),
        CONSTRAINT contracts_positive
            CHECK (contract_size > 0 AND contract_size < 'Infinity' AND tick_size > 0
                AND tick_size < 'Infinity' AND lot_size > 0 AND lot_size < 'Infinity'),
        CONSTRAINT contracts_min_notional CHECK (min_notional >= 0),
        CONSTRAINT contracts_rates CHECK (taker_fee_rate >= 0 AND clearance_fee_rate >= 0),
        CONSTRAINT contracts_restore_ratio CHECK (liquidation_restore_ratio >= 1),
        CONSTRAINT contracts_brackets CHECK (jsonb_array_length(brackets) >= 1)
    )
    """,
    """
    CREATE TABLE marks (
        symbol TEXT NOT NULL,
        price NUMERIC NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        index_price NUMERIC,
        source_time TIMESTAMP WITH TIME ZONE,
        sequence BIGINT,
        awaited BOOLEAN NOT NULL,
        CONSTRAINT marks_pkey PRIMARY KEY (symbol),
        CONSTRAINT marks_positive CHECK (price > 0 AND price < 'Infinity')
    ) WITH (fillfactor = 50)
    """,
    """
    CREATE TABLE funds (
        fund_id TEXT NOT NULL,
        name TEXT NOT NULL,
        max_net_notional_ratio NUMERIC NOT NULL,
        share_below_minimum NUMERIC NOT NULL,
        share_above_minimum NUMERIC NOT NULL,
        required_minimum JSONB NOT NULL,
        wallets JSONB NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        sequence BIGINT NOT NULL,
        last_hash TEXT NOT NULL,
        CONSTRAINT funds_pkey PRIMARY KEY (fund_id),
        CONSTRAINT funds_max_net_notional_ratio CHECK (max_net_notional_ratio >= 0),
        CONSTRAINT funds_share_below_minimum CHECK (share_below_minimum BETWEEN 0 AND 1),
        CONSTRAINT funds_share_above_minimum CHECK (share_above_minimum BETWEEN 0 AND 1),
        CONSTRAINT funds_sequence CHECK (sequence >= 0),
        CONSTRAINT funds_last_hash CHECK (last_hash ~ '^[0-9a-f]{64}$')
    )
    """,
    """
    CREATE TABLE inventory (
        fund_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        quantity NUMERIC NOT NULL,
        cost NUMERIC NOT NULL,
        CONSTRAINT inventory_pkey PRIMARY KEY (fund_id, symbol),
        CONSTRAINT inventory_held CHECK (quantity <> 0),
        CONSTRAINT inventory_booked CHECK (COALESCE(min_scale(cost), 9) <= 8)
    )
    """,
    """
    CREATE TABLE wallets (
        key TEXT NOT NULL,
        kind TEXT NOT NULL,
        owner TEXT NOT NULL,
        asset TEXT NOT NULL,
        name TEXT NOT NULL,
        balance NUMERIC NOT NULL,
        CONSTRAINT wallets_pkey PRIMARY KEY (key),
        CONSTRAINT wallets_kind
            CHECK (kind IN ('cross', 'isolated', 'fund', 'revenue', 'treasury', 'clearing',
                'external')),
        CONSTRAINT wallets_fund_not_negative CHECK (kind <> 'fund' OR balance >= 0),
        CONSTRAINT wallets_booked CHECK (COALESCE(min_scale(balance), 9) <= 8)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX wallets_owner ON wallets (owner)",
    """
    CREATE TABLE accounts (
        account_id TEXT NOT NULL,
        position_mode TEXT NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT accounts_pkey PRIMARY KEY (account_id),
        CONSTRAINT accounts_position_mode CHECK (position_mode IN ('one_way', 'hedge'))
    )
    """,
    """
    CREATE TABLE account_contracts (
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        leverage INTEGER NOT NULL,
        margin_mode TEXT NOT NULL,
        CONSTRAINT account_contracts_pkey PRIMARY KEY (account_id, symbol),
        CONSTRAINT account_contracts_leverage CHECK (leverage >= 1),
        CONSTRAINT account_contracts_margin_mode CHECK (margin_mode IN ('cross', 'isolated'))
    )
    """,
    """
    CREATE TABLE positions (
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        side TEXT NOT NULL,
        quantity NUMERIC NOT NULL,
        cost NUMERIC NOT NULL,
        CONSTRAINT positions_pkey PRIMARY KEY (account_id, symbol, side),
        CONSTRAINT positions_side CHECK (side IN ('both', 'long', 'short')),
        CONSTRAINT positions_held CHECK (quantity <> 0),
        CONSTRAINT positions_leg CHECK (side = 'both' OR (side = 'long') = (quantity > 0)),
        CONSTRAINT positions_booked CHECK (COALESCE(min_scale(cost), 9) <= 8)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX positions_symbol ON positions (symbol)",
    """
    CREATE TABLE orders (
        order_id BIGINT NOT NULL,
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        position_side TEXT NOT NULL,
        side TEXT NOT NULL,
        type TEXT NOT NULL,
        time_in_force TEXT NOT NULL,
        price NUMERIC,
        quantity NUMERIC NOT NULL,
        reduce_only BOOLEAN NOT NULL,
        self_trade_prevention TEXT NOT NULL,
        client_order_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        status TEXT NOT NULL,
        filled_quantity NUMERIC NOT NULL,
        filled_value NUMERIC NOT NULL,
        reason TEXT,
        CONSTRAINT orders_pkey PRIMARY KEY (order_id),
        CONSTRAINT orders_position_side CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT orders_side CHECK (side IN ('buy', 'sell')),
        CONSTRAINT orders_type CHECK (type IN ('limit', 'market')),
        CONSTRAINT orders_time_in_force CHECK (time_in_force IN ('gtc', 'ioc', 'fok', 'gtx')),
        CONSTRAINT orders_self_trade_prevention
            CHECK (self_trade_prevention IN ('expire_taker', 'expire_maker', 'expire_both')),
        CONSTRAINT orders_status
            CHECK (status IN ('new', 'partially_filled', 'filled', 'canceled', 'expired')),
        CONSTRAINT orders_positive CHECK (quantity > 0 AND quantity < 'Infinity'),
        CONSTRAINT orders_limit_price CHECK (type = 'market' OR price > 0),
        CONSTRAINT orders_filled CHECK (filled_quantity >= 0 AND filled_quantity <= quantity),
        CONSTRAINT orders_filled_status CHECK ((status = 'filled') = (filled_quantity = quantity)),
        CONSTRAINT orders_booked CHECK (COALESCE(min_scale(filled_value), 9) <= 8)
    ) WITH (fillfactor = 85)
    """,
    "CREATE INDEX orders_account_id_order_id ON orders (account_id, order_id)",
    """
    CREATE INDEX orders_book
        ON orders (symbol, side, price) WHERE status IN ('new', 'partially_filled')
    """,
    """
    CREATE INDEX orders_open
        ON orders (account_id, order_id) WHERE status IN ('new', 'partially_filled')
    """,
    "CREATE INDEX orders_symbol_order_id ON orders (symbol, order_id)",
    """
    CREATE TABLE api_keys (
        key_id TEXT NOT NULL,
        name TEXT NOT NULL,
        scope TEXT NOT NULL,
        digest TEXT NOT NULL,
        account_id TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        revoked_at TIMESTAMP WITH TIME ZONE,
        CONSTRAINT api_keys_pkey PRIMARY KEY (key_id),
        CONSTRAINT api_keys_scope CHECK (scope IN ('admin', 'feed', 'trader')),
        CONSTRAINT api_keys_digest CHECK (digest ~ '^[0-9a-f]{64}$'),
        CONSTRAINT api_keys_bound CHECK ((scope = 'trader') = (account_id IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX api_keys_digest ON api_keys (digest)",
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

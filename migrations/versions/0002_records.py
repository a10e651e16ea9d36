"""Records: what happened, append-only."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    """
    CREATE TABLE trades (
        trade_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        symbol TEXT NOT NULL,
        price NUMERIC NOT NULL,
        quantity NUMERIC NOT NULL,
        value NUMERIC NOT NULL,
        taker_side TEXT NOT NULL,
        taker_account_id TEXT NOT NULL,
        taker_order_id BIGINT,
        taker_fee NUMERIC NOT NULL,
        maker_account_id TEXT NOT NULL,
        maker_order_id BIGINT NOT NULL,
        maker_fee NUMERIC NOT NULL,
        liquidation_id BIGINT,
        CONSTRAINT trades_pkey PRIMARY KEY (trade_id),
        CONSTRAINT trades_taker_side CHECK (taker_side IN ('buy', 'sell')),
        CONSTRAINT trades_positive
            CHECK (price > 0 AND price < 'Infinity' AND quantity > 0 AND quantity < 'Infinity'),
        CONSTRAINT trades_parties CHECK (taker_account_id <> maker_account_id),
        CONSTRAINT trades_booked
            CHECK (COALESCE(min_scale(value), 9) <= 8
                AND COALESCE(min_scale(taker_fee), 9) <= 8
                AND COALESCE(min_scale(maker_fee), 9) <= 8)
    )
    """,
    "CREATE INDEX trades_maker_account_id_trade_id ON trades (maker_account_id, trade_id)",
    "CREATE INDEX trades_symbol_trade_id ON trades (symbol, trade_id)",
    "CREATE INDEX trades_taker_account_id_trade_id ON trades (taker_account_id, trade_id)",
    """
    CREATE TABLE transfers (
        transfer_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        kind TEXT NOT NULL,
        asset TEXT NOT NULL,
        amount NUMERIC NOT NULL,
        source TEXT NOT NULL,
        source_balance NUMERIC NOT NULL,
        destination TEXT NOT NULL,
        destination_balance NUMERIC NOT NULL,
        account_id TEXT,
        symbol TEXT,
        reference TEXT,
        CONSTRAINT transfers_pkey PRIMARY KEY (transfer_id),
        CONSTRAINT transfers_kind
            CHECK (kind IN ('deposit', 'withdrawal', 'contribution', 'trading_fee',
                'realized_profit', 'margin_in', 'margin_out', 'seed_capital', 'adjustment',
                'top_up', 'liquidation_clearance_fee', 'bankruptcy_loss', 'takeover_gain',
                'inventory_settlement', 'deficit_cover', 'emergency_injection')),
        CONSTRAINT transfers_positive CHECK (amount > 0 AND amount < 'Infinity'),
        CONSTRAINT transfers_two_sides CHECK (source <> destination),
        CONSTRAINT transfers_booked
            CHECK (COALESCE(min_scale(amount), 9) <= 8
                AND COALESCE(min_scale(source_balance), 9) <= 8
                AND COALESCE(min_scale(destination_balance), 9) <= 8)
    )
    """,
    """
    CREATE INDEX transfers_account_id_transfer_id
        ON transfers (account_id, transfer_id) WHERE account_id IS NOT NULL
    """,
    """
    CREATE TABLE liquidations (
        liquidation_id BIGINT NOT NULL,
        event_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        account_id TEXT NOT NULL,
        symbol TEXT NOT NULL,
        fund_id TEXT NOT NULL,
        side TEXT NOT NULL,
        position_side TEXT NOT NULL,
        margin_mode TEXT NOT NULL,
        quantity NUMERIC NOT NULL,
        mark_price NUMERIC NOT NULL,
        bankruptcy_price NUMERIC NOT NULL,
        equity NUMERIC NOT NULL,
        maintenance_margin NUMERIC NOT NULL,
        filled_quantity NUMERIC NOT NULL,
        filled_value NUMERIC NOT NULL,
        clearance_fee NUMERIC NOT NULL,
        clearance_fee_to_fund NUMERIC NOT NULL,
        taken_over_quantity NUMERIC NOT NULL,
        deleveraged_quantity NUMERIC NOT NULL,
        fund_amount NUMERIC NOT NULL,
        treasury_amount NUMERIC NOT NULL,
        final_wallet NUMERIC NOT NULL,
        outcome TEXT NOT NULL,
        CONSTRAINT liquidations_pkey PRIMARY KEY (liquidation_id),
        CONSTRAINT liquidations_side CHECK (side IN ('long', 'short')),
        CONSTRAINT liquidations_position_side CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT liquidations_margin_mode CHECK (margin_mode IN ('cross', 'isolated')),
        CONSTRAINT liquidations_outcome
            CHECK (outcome IN ('orders_canceled', 'reduced', 'closed', 'taken_over',
                'deleveraged', 'mixed')),
        CONSTRAINT liquidations_positive
            CHECK (quantity > 0 AND quantity < 'Infinity' AND mark_price > 0
                AND mark_price < 'Infinity'),
        CONSTRAINT liquidations_parts
            CHECK (filled_quantity >= 0 AND taken_over_quantity >= 0
                AND deleveraged_quantity >= 0
                AND filled_quantity + taken_over_quantity + deleveraged_quantity <= quantity),
        CONSTRAINT liquidations_fee
            CHECK (clearance_fee_to_fund >= 0 AND clearance_fee_to_fund <= clearance_fee),
        CONSTRAINT liquidations_booked
            CHECK (COALESCE(min_scale(clearance_fee), 9) <= 8
                AND COALESCE(min_scale(clearance_fee_to_fund), 9) <= 8
                AND COALESCE(min_scale(fund_amount), 9) <= 8
                AND COALESCE(min_scale(treasury_amount), 9) <= 8)
    )
    """,
    """
    CREATE INDEX liquidations_account_id_liquidation_id
        ON liquidations (account_id, liquidation_id)
    """,
    "CREATE INDEX liquidations_fund_id_liquidation_id ON liquidations (fund_id, liquidation_id)",
    "CREATE INDEX liquidations_outcome_liquidation_id ON liquidations (outcome, liquidation_id)",
    "CREATE INDEX liquidations_symbol_liquidation_id ON liquidations (symbol, liquidation_id)",
    """
    CREATE TABLE liquidation_steps (
        liquidation_id BIGINT NOT NULL,
        number INTEGER NOT NULL,
        kind TEXT NOT NULL,
        detail JSONB NOT NULL,
        CONSTRAINT liquidation_steps_pkey PRIMARY KEY (liquidation_id, number),
        CONSTRAINT liquidation_steps_kind
            CHECK (kind IN ('trigger', 'orders_canceled', 'order', 'fill', 'clearance_fee',
                'takeover', 'deleveraging', 'closed_at_mark', 'deficit_cover',
                'emergency_injection', 'margin_returned', 'end'))
    )
    """,
    """
    CREATE TABLE clearance_fees (
        liquidation_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        symbol TEXT NOT NULL,
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        rate NUMERIC NOT NULL,
        value NUMERIC NOT NULL,
        fee NUMERIC NOT NULL,
        to_fund NUMERIC NOT NULL,
        to_revenue NUMERIC NOT NULL,
        capped BOOLEAN NOT NULL,
        CONSTRAINT clearance_fees_pkey PRIMARY KEY (liquidation_id),
        CONSTRAINT clearance_fees_split
            CHECK (to_fund >= 0 AND to_revenue >= 0 AND to_fund + to_revenue = fee),
        CONSTRAINT clearance_fees_booked
            CHECK (COALESCE(min_scale(value), 9) <= 8 AND COALESCE(min_scale(fee), 9) <= 8
                AND COALESCE(min_scale(to_fund), 9) <= 8
                AND COALESCE(min_scale(to_revenue), 9) <= 8)
    )
    """,
    """
    CREATE INDEX clearance_fees_fund_id_liquidation_id
        ON clearance_fees (fund_id, liquidation_id)
    """,
    "CREATE INDEX clearance_fees_symbol_liquidation_id ON clearance_fees (symbol, liquidation_id)",
    """
    CREATE TABLE fund_history (
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
        CONSTRAINT fund_history_pkey PRIMARY KEY (fund_id, sequence),
        CONSTRAINT fund_history_kind
            CHECK (kind IN ('seed_capital', 'liquidation_clearance_fee', 'trading_fee_share',
                'liquidation_surplus', 'bankruptcy_loss', 'takeover_gain', 'deficit_cover',
                'offload_pnl', 'inventory_settlement', 'inventory_funding', 'top_up',
                'emergency_injection', 'rebalance_in', 'rebalance_out', 'excess_deployment',
                'adjustment')),
        CONSTRAINT fund_history_sequence CHECK (sequence >= 1),
        CONSTRAINT fund_history_amount CHECK (amount <> 0),
        CONSTRAINT fund_history_not_negative CHECK (balance_after >= 0),
        CONSTRAINT fund_history_booked
            CHECK (COALESCE(min_scale(amount), 9) <= 8
                AND COALESCE(min_scale(balance_after), 9) <= 8),
        CONSTRAINT fund_history_hash CHECK (hash ~ '^[0-9a-f]{64}$'),
        CONSTRAINT fund_history_first CHECK ((sequence = 1) = (previous_hash = repeat('0', 64)))
    )
    """,
    "CREATE INDEX fund_history_fund_id_time_sequence ON fund_history (fund_id, time, sequence)",
    """
    CREATE INDEX fund_history_kind_time_fund_id_sequence
        ON fund_history (kind, time, fund_id, sequence)
    """,
    """
    CREATE INDEX fund_history_symbol_time_fund_id_sequence
        ON fund_history (symbol, time, fund_id, sequence) WHERE symbol IS NOT NULL
    """,
    "CREATE INDEX fund_history_time_fund_id_sequence ON fund_history (time, fund_id, sequence)",
    """
    CREATE TABLE adl_events (
        adl_event_id BIGINT NOT NULL,
        liquidation_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        symbol TEXT NOT NULL,
        fund_id TEXT NOT NULL,
        side TEXT NOT NULL,
        quantity NUMERIC NOT NULL,
        bankruptcy_price NUMERIC NOT NULL,
        mark_price NUMERIC NOT NULL,
        deficit NUMERIC NOT NULL,
        notional_closed NUMERIC NOT NULL,
        overshoot NUMERIC NOT NULL,
        queue_length INTEGER NOT NULL,
        queue JSONB NOT NULL,
        CONSTRAINT adl_events_pkey PRIMARY KEY (adl_event_id),
        CONSTRAINT adl_events_side CHECK (side IN ('long', 'short')),
        CONSTRAINT adl_events_positive
            CHECK (quantity > 0 AND quantity < 'Infinity' AND mark_price > 0
                AND mark_price < 'Infinity')
    )
    """,
    """
    CREATE TABLE adl_counterparties (
        adl_event_id BIGINT NOT NULL,
        number INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        account_id TEXT NOT NULL,
        position_side TEXT NOT NULL,
        score NUMERIC NOT NULL,
        quantity_before NUMERIC NOT NULL,
        quantity NUMERIC NOT NULL,
        price NUMERIC NOT NULL,
        realized_profit NUMERIC NOT NULL,
        reason TEXT NOT NULL,
        CONSTRAINT adl_counterparties_pkey PRIMARY KEY (adl_event_id, number),
        CONSTRAINT adl_counterparties_position_side
            CHECK (position_side IN ('both', 'long', 'short')),
        CONSTRAINT adl_counterparties_reason CHECK (reason IN ('bankruptcy_price', 'mark_price')),
        CONSTRAINT adl_counterparties_booked CHECK (COALESCE(min_scale(realized_profit), 9) <= 8)
    )
    """,
    """
    CREATE INDEX adl_counterparties_account_id_adl_event_id
        ON adl_counterparties (account_id, adl_event_id)
    """,
    """
    CREATE TABLE alerts (
        alert_id BIGINT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        kind TEXT NOT NULL,
        fund_id TEXT,
        asset TEXT,
        detail JSONB NOT NULL,
        CONSTRAINT alerts_pkey PRIMARY KEY (alert_id),
        CONSTRAINT alerts_kind
            CHECK (kind IN ('fund_below_minimum', 'fund_empty', 'emergency_injection', 'adl'))
    )
    """,
)


def upgrade() -> None:
    """Create the tables."""
    for statement in STATEMENTS:
        op.execute(statement)

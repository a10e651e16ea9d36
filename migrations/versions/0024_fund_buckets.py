"""What a fund's history and its liquidations were by interval, and that of what came before."""

from alembic import op

revision = "0024"
down_revision = "0023"

TABLES = (
    """
    CREATE TABLE fund_intervals (
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        interval TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        open NUMERIC NOT NULL,
        high NUMERIC NOT NULL,
        low NUMERIC NOT NULL,
        close NUMERIC NOT NULL,
        CONSTRAINT fund_intervals_pkey PRIMARY KEY (fund_id, asset, interval, time),
        CONSTRAINT fund_intervals_interval CHECK (interval IN ('1m', '1h', '1d')),
        CONSTRAINT fund_intervals_range CHECK (
            0 <= low AND low <= LEAST(open, close) AND GREATEST(open, close) <= high
        ),
        CONSTRAINT fund_intervals_booked CHECK (
            COALESCE(min_scale(open), 9) <= 8 AND COALESCE(min_scale(high), 9) <= 8
            AND COALESCE(min_scale(low), 9) <= 8 AND COALESCE(min_scale(close), 9) <= 8
        )
    ) WITH (fillfactor = 90)
    """,
    """
    CREATE TABLE fund_flows (
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        interval TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        kind TEXT NOT NULL,
        inflow NUMERIC NOT NULL,
        outflow NUMERIC NOT NULL,
        largest_outflow NUMERIC NOT NULL,
        CONSTRAINT fund_flows_pkey PRIMARY KEY (fund_id, asset, interval, time, kind),
        CONSTRAINT fund_flows_interval CHECK (interval IN ('1m', '1h', '1d')),
        CONSTRAINT fund_flows_amounts CHECK (
            inflow >= 0 AND 0 <= largest_outflow AND largest_outflow <= outflow
        ),
        CONSTRAINT fund_flows_booked CHECK (
            COALESCE(min_scale(inflow), 9) <= 8 AND COALESCE(min_scale(outflow), 9) <= 8
            AND COALESCE(min_scale(largest_outflow), 9) <= 8
        )
    ) WITH (fillfactor = 90)
    """,
    """
    CREATE TABLE fund_volumes (
        fund_id TEXT NOT NULL,
        asset TEXT NOT NULL,
        interval TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        kind TEXT NOT NULL,
        side TEXT NOT NULL,
        count BIGINT NOT NULL,
        value NUMERIC NOT NULL,
        CONSTRAINT fund_volumes_pkey PRIMARY KEY (fund_id, asset, interval, time, kind, side),
        CONSTRAINT fund_volumes_interval CHECK (interval IN ('1h', '1d')),
        CONSTRAINT fund_volumes_kind CHECK (kind IN ('liquidation', 'takeover', 'adl')),
        CONSTRAINT fund_volumes_side CHECK (side IN ('long', 'short')),
        CONSTRAINT fund_volumes_amounts CHECK (count >= 1 AND value >= 0),
        CONSTRAINT fund_volumes_booked CHECK (COALESCE(min_scale(value), 9) <= 8)
    ) WITH (fillfactor = 90)
    """,
)

WIDTHS = "(VALUES ('1m', interval '1 minute'), ('1h', interval '1 hour'), ('1d', interval '1 day'))"

FILLED = (
    # The balance of all wallets is the sum of all amounts.
    f"""
    INSERT INTO fund_intervals (fund_id, asset, interval, time, open, high, low, close)
    WITH totals AS (
        SELECT fund_id, asset, date_bin('1 minute', time, '1970-01-01Z') AS minute, amount,
               sum(amount) OVER (PARTITION BY fund_id, asset ORDER BY sequence) AS total
        FROM fund_history
    ),
    minutes AS (
        SELECT fund_id, asset, minute, sum(amount) AS net, max(total) AS high, min(total) AS low
        FROM totals GROUP BY fund_id, asset, minute
    ),
    kept AS (
        SELECT fund_id, asset, interval, date_bin(width, minute, '1970-01-01Z') AS time,
               sum(net) AS net, max(high) AS high, min(low) AS low
        FROM minutes, {WIDTHS} AS kept (interval, width) GROUP BY 1, 2, 3, 4
    ),
    closed AS (
        SELECT *, sum(net) OVER (PARTITION BY fund_id, asset, interval ORDER BY time) AS close
        FROM kept
    )
    SELECT fund_id, asset, interval, time, close - net, GREATEST(high, close - net),
           LEAST(low, close - net), close
    FROM closed
    """,  # noqa: S608 - words of our own
    # One payment may be shared by several wallets.
    f"""
    INSERT INTO fund_flows (
        fund_id, asset, interval, time, kind, inflow, outflow, largest_outflow
    )
    WITH causes AS (
        SELECT fund_id, asset, time, kind,
               COALESCE(sum(amount) FILTER (WHERE amount > 0), 0) AS inflow,
               COALESCE(sum(-amount) FILTER (WHERE amount < 0), 0) AS outflow
        FROM fund_history GROUP BY fund_id, asset, time, kind, symbol, liquidation_id
    ),
    minutes AS (
        SELECT fund_id, asset, date_bin('1 minute', time, '1970-01-01Z') AS minute, kind,
               sum(inflow) AS inflow, sum(outflow) AS outflow, max(outflow) AS largest_outflow
        FROM causes GROUP BY 1, 2, 3, 4
    )
    SELECT fund_id, asset, interval, date_bin(width, minute, '1970-01-01Z'), kind,
           sum(inflow), sum(outflow), max(largest_outflow)
    FROM minutes, {WIDTHS} AS kept (interval, width) GROUP BY 1, 2, 3, 4, 5
    """,  # noqa: S608
    # Values are rounded half-even to eight decimals (NUM-2), which `round` does not do.
    f"""
    INSERT INTO fund_volumes (fund_id, asset, interval, time, kind, side, count, value)
    WITH parts AS (
        SELECT fund_id, symbol, time, 'liquidation' AS kind, side, mark_price,
               filled_quantity + netted_quantity + taken_over_quantity + deleveraged_quantity
                   AS quantity
        FROM liquidations
        UNION ALL
        SELECT fund_id, symbol, time, 'takeover', side, mark_price, taken_over_quantity
        FROM liquidations
        UNION ALL
        SELECT fund_id, symbol, time, 'adl', side, mark_price, quantity FROM adl_events
    ),
    valued AS (
        SELECT parts.*, settlement_asset AS asset,
               100000000 * quantity * contract_size
                   * CASE margining WHEN 'linear' THEN mark_price ELSE 1 END AS units,
               CASE margining WHEN 'linear' THEN 1 ELSE mark_price END AS divisor
        FROM parts JOIN contracts USING (symbol) WHERE quantity > 0
    ),
    halved AS (
        SELECT *, div(units, divisor) AS whole,
               sign(2 * (units - div(units, divisor) * divisor) - divisor) AS beyond_half
        FROM valued
    ),
    booked AS (
        SELECT *, (whole + CASE beyond_half WHEN 1 THEN 1 WHEN 0 THEN whole % 2 ELSE 0 END)
                  * 0.00000001 AS value
        FROM halved
    )
    SELECT fund_id, asset, interval, date_bin(width, time, '1970-01-01Z'), kind, side,
           count(*), sum(value)
    FROM booked, {WIDTHS} AS kept (interval, width) WHERE interval <> '1m'
    GROUP BY 1, 2, 3, 4, 5, 6
    """,  # noqa: S608
)


def upgrade() -> None:
    """Of all that is there, once."""
    for statement in (*TABLES, *FILLED):
        op.execute(statement)


def downgrade() -> None:
    """They can be made again."""
    for name in ("fund_intervals", "fund_flows", "fund_volumes"):
        op.execute(f"DROP TABLE {name}")

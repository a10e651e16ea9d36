"""Candles, and those of what came before."""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = (
    """
    CREATE TABLE candles (
        symbol TEXT NOT NULL,
        source TEXT NOT NULL,
        interval TEXT NOT NULL,
        time TIMESTAMP WITH TIME ZONE NOT NULL,
        open NUMERIC NOT NULL,
        high NUMERIC NOT NULL,
        low NUMERIC NOT NULL,
        close NUMERIC NOT NULL,
        volume NUMERIC NOT NULL,
        count BIGINT NOT NULL,
        CONSTRAINT candles_pkey PRIMARY KEY (symbol, source, interval, time),
        CONSTRAINT candles_source CHECK (source IN ('mark', 'index', 'trades')),
        CONSTRAINT candles_interval CHECK (interval IN ('1m', '1h', '1d')),
        CONSTRAINT candles_range CHECK (
            0 < low AND low <= LEAST(open, close) AND GREATEST(open, close) <= high
            AND high < 'Infinity'
        ),
        CONSTRAINT candles_amounts CHECK (volume >= 0 AND volume < 'Infinity' AND count >= 1)
    ) WITH (fillfactor = 90)
    """,
    # All prices that were accepted are in the log, all trades in their table.
    """
    INSERT INTO candles
    SELECT symbol, source, interval, date_bin(width, time, '1970-01-01Z'),
           (array_agg(price ORDER BY place))[1], max(price), min(price),
           (array_agg(price ORDER BY place DESC))[1], sum(volume), count(*)
    FROM (
        SELECT body->>'symbol' AS symbol, 'mark' AS source, time, sequence AS place,
               (body->>'mark_price')::numeric AS price, 0 AS volume
        FROM commands WHERE kind = 'Tick'
        UNION ALL
        SELECT body->>'symbol', 'index', time, sequence, (body->>'index_price')::numeric, 0
        FROM commands WHERE kind = 'Tick' AND body->>'index_price' IS NOT NULL
        UNION ALL
        SELECT symbol, 'trades', time, trade_id, price, quantity FROM trades
    ) AS came,
    (VALUES ('1m', interval '1 minute'), ('1h', interval '1 hour'), ('1d', interval '1 day'))
        AS kept (interval, width)
    GROUP BY 1, 2, 3, 4
    """,
)


def upgrade() -> None:
    """From the log of those that wrote none, once; what they write later is in no candle."""
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    """They can be made again."""
    op.execute("DROP TABLE candles")

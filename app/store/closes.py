"""The past prices of a contract: what was imported, else the closes of its own marks (CAL-7).

One reading for all who use them: a run, its coverage report, and who looks at them.
"""

from __future__ import annotations

from datetime import timedelta

from app.store.growing import WIDTHS
from app.store.tables.price_history import PriceInterval

OWN_MARKS = "marks"
"""The source of what nobody imported."""


def width_of(interval: PriceInterval) -> timedelta:
    """How long a bar lasts."""
    return WIDTHS[interval]


def closes(symbol: str, interval: str, width: str, start: str, end: str) -> str:
    """A query for a contract's closes after `start` and up to `end`: time, close, volume and the
    `import_id`, null where they are of our own marks; in no order.

    Its arguments are SQL: parameters of the query, or columns around it. A time is the end of its
    bar, so one that is still under way is not there. Of imports the newest one counts. A close of
    our own beside an imported one is left out, and with it the return between the two: it would be
    the difference of two markets as much as a move.
    """
    return f"""
        SELECT * FROM (
            SELECT DISTINCT ON (time) time, close, volume, import_id FROM price_history
            WHERE symbol = {symbol} AND interval = {interval}
                AND time > {start} AND time <= {end}
            ORDER BY time DESC, import_id DESC
        ) AS imported
        UNION ALL
        SELECT time + {width}, close, NULL::numeric, NULL::bigint FROM candles AS own
        WHERE symbol = {symbol} AND source = 'mark' AND interval = {interval}
            AND time > {start} - {width} AND time <= {end} - {width}
            AND NOT EXISTS (
                SELECT FROM price_history
                WHERE symbol = {symbol} AND interval = {interval}
                    AND time BETWEEN own.time AND own.time + 2 * {width}
                    AND time > {start} AND time <= {end}
            )
    """  # noqa: S608 - names of our own

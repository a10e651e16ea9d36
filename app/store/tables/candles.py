"""Candles (MRK-5): rows that grow while their interval lasts."""

from __future__ import annotations

from sqlalchemy import Table

from app.store.candles import CandleRow
from app.store.tables.columns import columns, law, metadata

candles = Table(
    "candles",
    metadata,
    *columns(CandleRow, key=4),
    law(
        "range",
        "0 < low AND low <= LEAST(open, close) AND GREATEST(open, close) <= high"
        " AND high < 'Infinity'",
    ),
    law("amounts", "volume >= 0 AND volume < 'Infinity' AND count >= 1"),
    postgresql_with={"fillfactor": "90"},
)

MERGED = {
    "high": "GREATEST(old.high, excluded.high)",
    "low": "LEAST(old.low, excluded.low)",
    "close": "excluded.close",
    "volume": "old.volume + excluded.volume",
    "count": "old.count + excluded.count",
}
"""How what comes to a candle changes its row; `open` stays."""

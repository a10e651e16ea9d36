"""Rows that grow while their interval lasts: candles (MRK-5), and what is kept of funds (HIS)."""

from __future__ import annotations

from sqlalchemy import Index, Table
from sqlalchemy import text as sql

from app.store.buckets import FlowRow, IntervalRow, VolumeRow
from app.store.candles import CandleRow
from app.store.owners import OwnerRow
from app.store.tables.columns import booked, columns, law, metadata

_GROWING = {"fillfactor": "90"}

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
    postgresql_with=_GROWING,
)

fund_intervals = Table(
    "fund_intervals",
    metadata,
    *columns(IntervalRow, key=4),
    law("range", "0 <= low AND low <= LEAST(open, close) AND GREATEST(open, close) <= high"),
    booked("open", "high", "low", "close"),
    postgresql_with=_GROWING,
)

fund_flows = Table(
    "fund_flows",
    metadata,
    *columns(FlowRow, key=5),
    law("amounts", "inflow >= 0 AND 0 <= largest_outflow AND largest_outflow <= outflow"),
    booked("inflow", "outflow", "largest_outflow"),
    postgresql_with=_GROWING,
)

fund_volumes = Table(
    "fund_volumes",
    metadata,
    *columns(VolumeRow, key=6),
    law("amounts", "count >= 1 AND value >= 0"),
    booked("value"),
    postgresql_with=_GROWING,
)

owner_results = Table(
    "owner_results",
    metadata,
    *columns(OwnerRow, key=4),
    law("amounts", "won >= 0 AND lost >= 0 AND fund_paid >= 0 AND treasury_paid >= 0"),
    booked("won", "lost", "fund_paid", "treasury_paid"),
    Index(
        "owner_results_paid",
        "time",
        "owner_id",
        "symbol",
        postgresql_where=sql("fund_paid > 0 OR treasury_paid > 0"),
    ),
    postgresql_with=_GROWING,
)

MERGED = {
    "candles": {
        "high": "GREATEST(old.high, excluded.high)",
        "low": "LEAST(old.low, excluded.low)",
        "close": "excluded.close",
        "volume": "old.volume + excluded.volume",
        "count": "old.count + excluded.count",
    },
    "fund_intervals": {
        "high": "GREATEST(old.high, excluded.high)",
        "low": "LEAST(old.low, excluded.low)",
        "close": "excluded.close",
    },
    "fund_flows": {
        "inflow": "old.inflow + excluded.inflow",
        "outflow": "old.outflow + excluded.outflow",
        "largest_outflow": "GREATEST(old.largest_outflow, excluded.largest_outflow)",
    },
    "owner_results": {
        name: f"old.{name} + excluded.{name}"
        for name in ("won", "lost", "fund_paid", "treasury_paid")
    },
    "fund_volumes": {
        "count": "old.count + excluded.count",
        "value": "old.value + excluded.value",
    },
}
"""How what comes to a row changes it, by table, as its `then` does; `open` stays."""

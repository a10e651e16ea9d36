"""Past prices that were imported (CAL-7): what candles of our own marks begin too late for.

Not the engine's: nothing that is commanded hangs on them, and no replay makes them.
"""

from __future__ import annotations

from typing import Literal

from sqlalchemy import BigInteger, Column, Identity, Numeric, PrimaryKeyConstraint, Table

from app.store.tables.columns import law, metadata, moment, number, one_of, positive, text

PriceInterval = Literal["1h", "1d"]

price_imports = Table(
    "price_imports",
    metadata,
    Column("import_id", BigInteger, Identity(), primary_key=True),
    text("interval"),
    text("source"),
    text("sha256"),
    number("rows"),
    moment("first"),
    moment("last"),
    text("created_by"),
    moment("created_at"),
    one_of("interval", PriceInterval),
    law("rows", "rows >= 1 AND first <= last"),
)
"""Files that were imported; `sha256` is of what was sent."""

price_history = Table(
    "price_history",
    metadata,
    text("symbol"),
    text("interval"),
    moment("time"),
    number("import_id"),
    Column("close", Numeric, nullable=False),
    Column("volume", Numeric, nullable=True),
    PrimaryKeyConstraint("symbol", "interval", "time", "import_id"),
    one_of("interval", PriceInterval),
    positive("close"),
    law("volume", "volume >= 0 AND volume < 'Infinity'"),
)
"""Closes at the end of an interval, `time`; `volume` is what was traded in it, in the quote asset.

The newest import of a time is the one that counts; none is ever changed or deleted.
"""

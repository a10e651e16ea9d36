"""The stress library's edits (CAL-9): what comes with a release is in the catalogue."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Table

from app.store.tables.columns import law, metadata, moment, number, text

stress_scenarios = Table(
    "stress_scenarios",
    metadata,
    text("scenario_id", key=True),
    number("version", key=True),
    Column("enabled", Boolean, nullable=False),
    text("reason", null=True),
    Column("body", JSON, nullable=False),
    text("by"),
    moment("at"),
    law("version", "version >= 1"),
    law("reason", "enabled OR reason IS NOT NULL"),
)
"""Each version of a scenario, whole: the last one holds, none is changed or deleted.

`by` is the key of the admin who gave it; 0 is the version of the catalogue."""

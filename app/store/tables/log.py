"""The command log, answers, and leadership."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, Table
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSON

from app.store.tables.columns import (
    law,
    metadata,
    moment,
    number,
    text,
)

commands = Table(
    "commands",
    metadata,
    number("sequence", key=True),
    moment("time"),
    number("epoch"),
    text("kind"),
    Column("body", JSON, nullable=False),
    Column("rules_version", Integer, nullable=False, server_default=sql("0")),
    law("sequence", "sequence >= 1"),
)
"""The command log: every accepted command, in order; `kind` and `body` are the codec's.

`rules_version` is the engine's (REC-1); 0 is of releases before there were versions."""

snapshots = Table(
    "snapshots",
    metadata,
    number("sequence", key=True),
    Column("rules_version", Integer, primary_key=True, autoincrement=False),
    moment("time"),
    text("state_hash"),
)
"""The state after a command, stored by the first leader with newer rules before it led (REC-1).

`rules_version` is that leader's, `time` the command's, `state_hash` the engine's."""

snapshot_parts = Table(
    "snapshot_parts",
    metadata,
    number("sequence", key=True),
    Column("rules_version", Integer, primary_key=True, autoincrement=False),
    text("name", key=True),
    number("part", key=True),
    Column("content", JSON, nullable=False),
)
"""A snapshot's rows: of each state table, `name`, lists of many; TOAST compresses them."""

answers = Table(
    "answers",
    metadata,
    text("scope", key=True),
    text("key", key=True),
    text("digest"),
    Column("results", JSON, nullable=False),
    moment("time"),
    Column("format", Integer, nullable=False, server_default=sql("1")),
    Index("answers_request_time", "time", postgresql_where=sql("scope LIKE 'request/%'")),
)
"""First answers by idempotency key. Those of requests are dropped after 7 days.

`format` is the codec's."""

COUNTERS = (
    "order", "trade", "transfer", "liquidation", "liquidation_event", "adl_event", "alert",
)  # fmt: skip
"""The fields of `state.Counters` but `command`, which is `sequence`."""

leadership = Table(
    "leadership",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=sql("true")),
    number("epoch"),
    number("sequence"),
    moment("time", null=True),
    *(number(f"last_{name}") for name in COUNTERS),
    law("one", "one"),
    law("epoch", "epoch >= 0"),
)
"""One row: who may write (`epoch`), the last committed command and its time, and the counters."""

"""The command log, answers, and leadership."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import JSON, Boolean, Column, Index, Integer, Table
from sqlalchemy import text as sql

from app.engine.commands.leaders import Incident
from app.engine.state import Counters
from app.store import codec
from app.store.tables.columns import columns, law, metadata, moment, number, text


class CommandRow(NamedTuple):
    """An accepted command; `kind` and `body` are the codec's, `rules_version` the engine's (REC-1).

    0 is of releases before there were versions.
    """

    sequence: int
    time: datetime
    epoch: int
    kind: str
    body: str
    rules_version: int


class AdminAct(NamedTuple):
    """That an accepted command, number `sequence`, was an admin's: whose key it was, and why.

    `kind` and `time` are the command's, so that lists need look at no other command.
    """

    sequence: int
    time: datetime
    key_id: str
    kind: str
    reference: str | None


OF_THE_TERM = "kind IN ('Recover', 'ReleaseIncident', 'ReportClock')"
"""Commands that say what a term has beyond the state: limits, incidents, the leader's clock."""

commands = Table(
    "commands",
    metadata,
    *columns(CommandRow, key=1, body=JSON(), rules_version=Integer()),
    law("sequence", "sequence >= 1"),
    Index("commands_terms", "sequence", postgresql_where=sql(OF_THE_TERM)),
)
"""The command log: every accepted command, in order."""

admin_acts = Table(
    "admin_acts",
    metadata,
    *columns(AdminAct, key=1),
    Index(None, "time", "sequence"),
    Index(None, "kind", "sequence"),
    Index(None, "key_id", "sequence"),
    Index(None, "key_id", "kind", "sequence"),
)
"""Who did it, of the commands that an admin gave: written with them, and in no log before this."""

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

incidents = Table(
    "incidents",
    metadata,
    *columns(Incident, but="announced", key=1),
    moment("time"),
    number("epoch"),
    number("sequence"),
    text("error"),
    law("blamed", "(digest IS NULL) <> (asset IS NULL)"),
    law("scope", "account_id IS NULL OR asset IS NOT NULL"),
    law("leg", "(symbol IS NULL) = (position_side IS NULL)"),
    law("times", "times >= 1"),
)
"""What leaders have recorded of exceptions in the engine, before they gave up (REC-2).

`epoch` was the leader's, `sequence` that of the command it was applying."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer to a request or order, kept under its idempotency key.

    A request whose effects take several commits is stored with the first of them, None for what
    is not applied yet; what is stored later `replaces` that. `format` is the codec's.
    """

    scope: str
    key: str
    digest: str
    results: Sequence[object]
    time: datetime
    replaces: bool = False
    format: int = codec.RESULTS_FORMAT


answers = Table(
    "answers",
    metadata,
    *columns(StoredAnswer, key=2, but="replaces", format=Integer()),
    Index("answers_request_time", "time", postgresql_where=sql("scope LIKE 'request/%'")),
)
"""Those of requests are dropped after 7 days."""

COUNTERS = tuple(field.name for field in fields(Counters) if field.name != "command")
"""What is counted besides the command log, whose counter is `sequence`."""

leadership = Table(
    "leadership",
    metadata,
    Column("one", Boolean, primary_key=True),
    number("epoch"),
    number("sequence"),
    moment("time", null=True),
    *(number(f"last_{name}") for name in COUNTERS),
    law("one", "one"),
    law("epoch", "epoch >= 0"),
)
"""One row: who may write (`epoch`), the last committed command and its time, and the counters."""

"""Snapshots: the state as it was when a leader with newer rules took over (REC-1).

PostgreSQL copies the rows of its state tables, and gives them back as such: a snapshot takes no
memory of ours, however large the state, and is loaded by what loads a state at a start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from app.store.tables import ALIVE
from app.store.writer import StaleLeader

PART = 10_000
"""Rows of one part."""

TABLES = {"leadership": "", **ALIVE}
"""What is copied: the state tables, and the counters and the time of the last command."""

LOG_VERSION = "SELECT rules_version FROM commands ORDER BY sequence DESC LIMIT 1"
"""The version that the newest command was applied under; null for an empty log."""

COLUMNS = "sequence, rules_version, state_hash"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after command `sequence`, stored by a leader of `rules_version`."""

    sequence: int
    rules_version: int
    state_hash: str


async def store(connection: asyncpg.Connection, epoch: int, snapshot: Snapshot) -> None:
    """Keep the state tables as they are, whole or not at all; raises `StaleLeader`.

    Only for the leader of this epoch, before its first commit: nothing changes meanwhile. Does
    nothing where a leader before it did the same and was lost. Of a version the newest is kept.
    """
    key = snapshot.sequence, snapshot.rules_version
    async with connection.transaction():
        if await find(connection, *key):
            return
        # Rows are sorted by their part, on disk if need be: a hash of all parts would be in memory.
        await connection.execute("SET LOCAL enable_hashagg = off")
        for name, alive in TABLES.items():
            await connection.execute(_copy(name, alive), *key)
        if not await connection.fetchval(_FINISH, epoch, *key, snapshot.state_hash):
            raise StaleLeader(f"epoch {epoch} no longer leads")
        # Those of leaders of this version that were lost before they committed anything: an older
        # release went on behind them, so no part of the log begins or ends there.
        for name in ("snapshots", "snapshot_parts"):
            query = f"DELETE FROM {name} WHERE sequence < $1 AND rules_version = $2"  # noqa: S608 - names of our own
            await connection.execute(query, *key)


def _copy(name: str, alive: str) -> str:
    return f"""
        INSERT INTO snapshot_parts (sequence, rules_version, name, part, content)
        SELECT $1, $2, '{name}', part, json_agg(kept) FROM (
            SELECT (row_number() OVER () - 1) / {PART} AS part, kept
            FROM (SELECT * FROM {name} {alive}) AS kept
        ) AS numbered GROUP BY part
    """  # noqa: S608 - names of our own


_FINISH = """
    WITH lease AS (SELECT time FROM leadership WHERE epoch = $1 FOR UPDATE)
    INSERT INTO snapshots (sequence, rules_version, time, state_hash)
    SELECT $2, $3, time, $4 FROM lease RETURNING true
"""


async def find(
    connection: asyncpg.Connection, sequence: int, rules_version: int
) -> Snapshot | None:
    """The snapshot after a command by a leader of a version."""
    query = f"SELECT {COLUMNS} FROM snapshots WHERE sequence = $1 AND rules_version = $2"  # noqa: S608 - names of our own
    return _snapshot(await connection.fetchrow(query, sequence, rules_version))


async def newest(connection: asyncpg.Connection, rules_version: int) -> Snapshot | None:
    """The newest snapshot by a leader of a version."""
    query = f"""
        SELECT {COLUMNS} FROM snapshots WHERE rules_version = $1 ORDER BY sequence DESC LIMIT 1
    """  # noqa: S608 - names of our own
    return _snapshot(await connection.fetchrow(query, rules_version))


def _snapshot(row: Any) -> Snapshot | None:
    return row and Snapshot(*row)


def rows_of(name: str, snapshot: Snapshot | None) -> str:
    """What to select a state table's rows from: itself, or a snapshot's rows under its name."""
    if snapshot is None:
        return name
    return f"""(
        SELECT kept.* FROM snapshot_parts AS part,
            json_populate_recordset(NULL::{name}, part.content) AS kept
        WHERE part.sequence = {snapshot.sequence} AND part.name = '{name}'
            AND part.rules_version = {snapshot.rules_version}
    ) AS {name}"""  # noqa: S608 - names and numbers of our own

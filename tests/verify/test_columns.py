"""The order that PostgreSQL has the columns in means nothing, nor do columns it has besides."""

from __future__ import annotations

import asyncpg

from app.engine.commands.leaders import Recover
from app.engine.engine import Engine
from app.engine.invariants import state_hash
from app.engine.outcome import Failure
from app.engine.scopes import cross_scope
from app.store import incidents, snapshots
from app.store.loader import load_state
from app.store.snapshots import Snapshot
from app.store.tables import BESIDE, metadata
from tests.verify.conftest import verified
from tests.verify.market import live


async def turn_around(connection: asyncpg.Connection) -> None:
    """Give every table one more column, as a later release's migration would, and then put all of
    them in the opposite order."""
    for name, table in metadata.tables.items():
        await connection.execute(f"ALTER TABLE {name} ADD COLUMN extra TEXT NOT NULL DEFAULT 'x'")
        columns = ", ".join(["extra", *reversed(table.columns.keys())])
        keys = ", ".join(column.name for column in table.primary_key)
        await connection.execute(f"CREATE TABLE turned AS SELECT {columns} FROM {name}")
        await connection.execute(f"DROP TABLE {name}")
        await connection.execute(f"ALTER TABLE turned RENAME TO {name}")
        await connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({keys})")
        await connection.execute(f"ALTER TABLE {name} ALTER COLUMN extra SET DEFAULT 'x'")


async def test_columns_have_names(address: str, connection: asyncpg.Connection) -> None:
    """Everything is written, loaded, kept in a snapshot and verified."""
    await turn_around(connection)
    await live(address, seed=5)
    findings = await verified(address)
    assert findings.difference is None
    for name in metadata.tables:
        if not name.startswith(("snapshot", "incident")) and name not in BESIDE:
            assert await connection.fetchval(f"SELECT count(*) FROM {name} WHERE extra = 'x'"), name
    state = await load_state(connection)
    assert state.time is not None
    assert state_hash(state) == findings.state_hash
    epoch = await connection.fetchval("SELECT epoch FROM leadership")
    failure = Failure(state.counters.command, state.time, Recover(), cross_scope("a", "USDT"))
    number = await incidents.record(connection, epoch, failure, "d" * 64, "an error")
    (found,) = await incidents.load(connection)
    assert (found.incident_id, found.account_id, found.asset) == (number, "a", "USDT")
    kept = Snapshot(state.counters.command, Engine.rules_version, findings.state_hash)
    await snapshots.store(connection, epoch, kept)
    assert state_hash(await load_state(connection, kept)) == findings.state_hash

"""Incidents: what exceptions in the engine were blamed on, beside the log (REC-2).

The memory of a leader is of no use after such an exception, so what it was doing is recorded past
the engine, on a connection of its own and under its epoch. The release is a command like any other.
"""

from __future__ import annotations

import asyncpg

from app.engine.commands.leaders import Incident
from app.engine.outcome import Failure
from app.engine.scopes import Scope
from app.store.writer import StaleLeader

OPEN = "NOT EXISTS (SELECT FROM incident_releases AS r WHERE r.incident_id = i.incident_id)"
BLAMED = "digest, asset, account_id, symbol, position_side"

_LEASE = "SELECT true FROM leadership WHERE epoch = $1 FOR UPDATE"
_AGAIN = f"""
    UPDATE incidents AS i SET times = times + 1, error = $6
    WHERE ROW({BLAMED}) IS NOT DISTINCT FROM ROW($1::text, $2::text, $3::text, $4::text, $5::text)
        AND {OPEN}
    RETURNING incident_id
"""  # noqa: S608 - names of our own
_RECORD = f"""
    INSERT INTO incidents (incident_id, {BLAMED}, error, time, epoch, sequence, command, times)
    SELECT COALESCE(max(incident_id), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 1
    FROM incidents
    RETURNING incident_id
"""  # noqa: S608 - names of our own


async def record(
    connection: asyncpg.Connection, epoch: int, failure: Failure, digest: str, error: str
) -> int:
    """Remember a failure; what it is blamed on has one open incident, however often it fails.

    `digest` is the command's. Returns the incident's number; raises `StaleLeader` where somebody
    else leads by now.
    """
    async with connection.transaction():
        if not await connection.fetchval(_LEASE, epoch):
            raise StaleLeader(f"epoch {epoch} no longer leads")
        blamed = *_blamed(failure.blamed, digest), error
        known: int | None = await connection.fetchval(_AGAIN, *blamed)
        if known is not None:
            return known
        what = failure.time, epoch, failure.sequence, type(failure.command).__name__
        number: int = await connection.fetchval(_RECORD, *blamed, *what)
        return number


def _blamed(blamed: Scope | str | None, digest: str) -> tuple[str | None, ...]:
    if blamed is None:
        return digest, None, None, None, None
    if isinstance(blamed, str):
        return None, blamed, None, None, None
    symbol, side = blamed.leg if blamed.isolated else (None, None)
    return None, blamed.asset, blamed.account_id, symbol, side


async def load(connection: asyncpg.Connection) -> tuple[Incident, ...]:
    """The open incidents, for a new leader's `Recover`.

    One is announced by the first leader after it: so it is, where the log has a later one's.
    """
    rows = await connection.fetch(f"""
        SELECT incident_id, command, {BLAMED}, times,
            epoch < COALESCE((SELECT epoch FROM commands ORDER BY sequence DESC LIMIT 1), 0)
                AS announced
        FROM incidents AS i WHERE {OPEN} ORDER BY incident_id
    """)  # noqa: S608 - names of our own
    return tuple(Incident(**row) for row in rows)

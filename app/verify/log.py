"""The command log: which part of it this release's rules were applied to, command after command,
and what must hold of the log itself.

A log replays only with the rules of its time (REC-1). Where they change there is a new leader, and
a snapshot of the state that it began with: there one release's part ends and the next one's begins.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.engine.commands import Command
from app.store import codec, snapshots
from app.store.snapshots import Snapshot
from app.verify.difference import Difference, Differs, Layout

FETCHED = 1_000
"""Rows fetched at a time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One command of the log; `epoch` counts leaders."""

    sequence: int
    time: datetime
    epoch: int
    kind: str
    body: str
    rules_version: int

    def command(self) -> Command:
        """The command itself; raises whatever its text makes of it."""
        return codec.decode_command(self.kind, self.body)

    def differs(self, what: str) -> Differs:
        """What is wrong with this entry, to be raised."""
        return Differs(Difference(self.sequence, "commands", f"{self.sequence}, {self.kind}", what))


class OtherRules(Exception):
    """Nothing of the log, or not its end, can be replayed by this release; the message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """The commands after `begin` up to `end`, all of one version of the rules.

    `snapshot` is the state after `begin`, None at the log's beginning; `next_version` is that of
    the newer rules that the log goes on with after `end`, None where it ends there.
    """

    begin: int
    end: int
    snapshot: Snapshot | None
    next_version: int | None


async def find_part(connection: asyncpg.Connection, rules_version: int, committed: int) -> Part:
    """What was applied under a version, since its newest snapshot or from the beginning.

    Raises `OtherRules`.
    """
    snapshot = await snapshots.newest(connection, rules_version)
    begin = snapshot.sequence if snapshot else 0
    other = await connection.fetchrow(
        """SELECT sequence, rules_version FROM commands
           WHERE sequence > $1 AND rules_version <> $2 ORDER BY sequence LIMIT 1""",
        begin,
        rules_version,
    )
    if other is None:
        return Part(begin, committed, snapshot, None)
    sequence, version = other
    if sequence == begin + 1 or version < rules_version:
        raise OtherRules(
            f"command {sequence} was applied under rules version {version}, and this release has"
            f" {rules_version}: verify it with that release"
        )
    return Part(begin, sequence - 1, snapshot, version)


Other = tuple[int, int, int]
"""A version of the rules, and the first and the last command applied under it."""


async def other_parts(connection: asyncpg.Connection, part: Part) -> list[Other]:
    """What is to be verified with other releases."""
    if part.snapshot is None and part.next_version is None:
        return []
    rows = await connection.fetch(
        """SELECT rules_version, min(sequence), max(sequence) FROM commands
           WHERE sequence <= $1 OR sequence > $2 GROUP BY rules_version, sequence > $2
           ORDER BY 2""",
        part.begin,
        part.end,
    )
    return [(version, first, last) for version, first, last in rows]


async def read(connection: asyncpg.Connection, part: Part) -> AsyncIterator[Entry]:
    """The commands of a part.

    Raises `Differs` where a command is missing, time or the leaders' count runs backwards, a new
    leader's first command is not `Recover`, or the rules change without a new leader.
    """
    query = """
        SELECT sequence, time, epoch, kind, body::text, rules_version FROM commands
        WHERE sequence > $1 ORDER BY sequence
    """
    sequence, last = part.begin, None
    async for record in connection.cursor(query, part.begin, prefetch=FETCHED):
        entry = Entry(*record)
        if entry.sequence != sequence + 1:
            raise _missing(sequence + 1, f"{entry.sequence} follows")
        _check_follows(last, entry)
        if entry.sequence > part.end and part.next_version is not None:
            return
        yield entry
        sequence, last = entry.sequence, entry
    if sequence != part.end:
        raise _missing(sequence + 1, f"{part.end} commands were committed")


async def check_acts(connection: asyncpg.Connection) -> int:
    """Each admin act is a command of the log, of that kind and time; returns how many there are.

    Whose it was, and why, no replay can tell. Raises `Differs`.
    """
    layout = Layout("admin_acts")
    other = """
        WHERE NOT EXISTS (
            SELECT FROM commands AS c
            WHERE c.sequence = admin_acts.sequence
                AND (c.kind, c.time) = (admin_acts.kind, admin_acts.time)
        )
    """
    if record := await connection.fetchrow(layout.in_order(other) + " LIMIT 1"):
        raise Differs(layout.unknown(layout.found(record)))
    count: int = await connection.fetchval("SELECT count(*) FROM admin_acts")
    return count


def _check_follows(last: Entry | None, entry: Entry) -> None:
    if last and entry.time < last.time:
        raise entry.differs(f"is earlier than the command before it ({entry.time} < {last.time})")
    if last and entry.epoch < last.epoch:
        raise entry.differs(f"was written by a leader of the past ({entry.epoch} < {last.epoch})")
    if last and entry.epoch == last.epoch and entry.rules_version != last.rules_version:
        what = f"has rules version {entry.rules_version}, its leader {last.rules_version}"
        raise entry.differs(what)
    if (last is None or entry.epoch > last.epoch) and entry.kind != "Recover":
        raise entry.differs("is a new leader's first command, but not Recover")


def _missing(sequence: int, but: str) -> Differs:
    what = f"is missing in the log ({but})"
    return Differs(Difference(sequence, "commands", str(sequence), what))

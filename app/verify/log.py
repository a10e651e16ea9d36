"""Reading the command log, one command after the other, and what must hold of the log itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from app.engine.commands import Command
from app.store import codec
from app.verify.difference import Difference, Differs

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

    def command(self) -> Command:
        """The command itself; raises whatever its text makes of it."""
        return codec.decode_command(self.kind, self.body)

    def differs(self, what: str) -> Differs:
        """What is wrong with this entry, to be raised."""
        return Differs(Difference(self.sequence, "commands", f"{self.sequence}, {self.kind}", what))


async def read(connection: asyncpg.Connection, committed: int) -> AsyncIterator[Entry]:
    """The log from its beginning, up to the last of the `committed` commands.

    Raises `Differs` where a command is missing, time or the leaders' count runs backwards, or a
    new leader's first command is not `Recover`.
    """
    query = "SELECT sequence, time, epoch, kind, body::text FROM commands ORDER BY sequence"
    last: Entry | None = None
    async for record in connection.cursor(query, prefetch=FETCHED):
        entry = Entry(*record)
        _check_follows(last, entry)
        yield entry
        last = entry
    sequence = last.sequence if last else 0
    if sequence != committed:
        raise _missing(sequence + 1, f"{committed} commands were committed")


def _check_follows(last: Entry | None, entry: Entry) -> None:
    expected = last.sequence + 1 if last else 1
    if entry.sequence != expected:
        raise _missing(expected, f"{entry.sequence} follows")
    if last and entry.time < last.time:
        raise entry.differs(f"is earlier than the command before it ({entry.time} < {last.time})")
    if last and entry.epoch < last.epoch:
        raise entry.differs(f"was written by a leader of the past ({entry.epoch} < {last.epoch})")
    if (last is None or entry.epoch > last.epoch) and entry.kind != "Recover":
        raise entry.differs("is a new leader's first command, but not Recover")


def _missing(sequence: int, but: str) -> Differs:
    what = f"is missing in the log ({but})"
    return Differs(Difference(sequence, "commands", str(sequence), what))

"""The whole comparison: log, records, state tables, state hash, laws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from app.engine.engine import Engine
from app.engine.invariants import LawBroken, check_all, state_hash
from app.engine.outcome import Outcome
from app.engine.rejections import Rejection
from app.engine.state import State
from app.store.loader import load_state
from app.verify.difference import Difference, Differs
from app.verify.log import Entry, read
from app.verify.records import Records
from app.verify.rows import Writers, check_state

COMPARED_COMMANDS = 1_000
COMPARED_RECORDS = 5_000
"""Records are compared after this many commands or records, whichever comes first."""

SETTINGS = {
    # Rows are wanted in the order of their key from the first one on, not after a sort of all.
    "enable_sort": "off",
    "jit": "off",
    "idle_in_transaction_session_timeout": "0",
    "statement_timeout": "0",
}

Show = Callable[[int, int], None]
"""Is told how many commands are done, of how many."""


@dataclass(slots=True)
class Findings:
    """What a verification has compared, and where, if anywhere, it found a difference."""

    committed: int = 0
    commands: int = 0
    leaders: int = 0
    first: datetime | None = None
    last: datetime | None = None
    rows: Counter[str] = field(default_factory=Counter)
    state_hash: str = ""
    difference: Difference | None = None


async def verify(connection: asyncpg.Connection, show: Show) -> Findings:
    """Replay the log of a database and compare all of it, as of one moment; changes nothing.

    May run while a service writes: it sees one snapshot. Ends at the first difference. Raises
    asyncpg's errors and OSError.
    """
    findings = Findings()
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for name, value in SETTINGS.items():
            await connection.execute(f"SET LOCAL {name} = {value}")
        try:
            await _Replay(connection, findings, show).run()
        except Differs as differs:
            findings.difference = differs.difference
    return findings


class _Replay:
    def __init__(self, connection: asyncpg.Connection, findings: Findings, show: Show) -> None:
        self._connection = connection
        self._findings = findings
        self._show = show
        self._engine = Engine(State())
        self._records = Records(connection)
        self._writers = Writers()
        self._outcomes: list[Outcome] = []
        """What is not compared yet."""
        self._epoch = -1

    async def run(self) -> None:
        """Everything in turn; raises `Differs`."""
        connection, findings = self._connection, self._findings
        findings.committed = await connection.fetchval("SELECT sequence FROM leadership")
        findings.rows = self._records.compared
        await self._replay_log()
        state = self._engine.state
        await self._records.finish(state.counters)
        if findings.commands:
            findings.rows += await check_state(connection, state, self._writers)
        await self._check_hash(state)
        _check_laws(state)

    async def _replay_log(self) -> None:
        waiting = 0
        try:
            async for entry in read(self._connection, self._findings.committed):
                waiting += self._apply(entry)
                if len(self._outcomes) >= COMPARED_COMMANDS or waiting >= COMPARED_RECORDS:
                    await self._compare()
                    waiting = 0
        except Differs:
            await self._compare()  # what went wrong before it comes first
            raise
        await self._compare()

    def _apply(self, entry: Entry) -> int:
        """Apply one command; returns about how many records it left."""
        try:
            outcome = self._engine.apply(entry.command(), entry.time)
        except Exception as error:
            raise entry.differs(f"cannot be replayed: {error!r}") from error
        if isinstance(outcome.result, Rejection):
            refusal = outcome.result
            raise entry.differs(f"is refused in the replay: {refusal.code}, {refusal.detail}")
        self._outcomes.append(outcome)
        self._writers.note(outcome, self._engine.state)
        self._count(entry)
        return 1 + len(outcome.records)

    def _count(self, entry: Entry) -> None:
        findings = self._findings
        findings.commands += 1
        findings.first = findings.first or entry.time
        findings.last = entry.time
        if entry.epoch != self._epoch:
            self._epoch = entry.epoch
            findings.leaders += 1

    async def _compare(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        if outcomes:
            await self._records.check(outcomes, self._engine.state.counters)
        self._show(self._findings.commands, self._findings.committed)

    async def _check_hash(self, state: State) -> None:
        """The hash of the state that a start would load: the tables agree, so does it."""
        replayed = state_hash(state)
        loaded = state_hash(await load_state(self._connection))
        if loaded != replayed:
            values = (("state_hash", replayed, loaded),)
            raise Differs(
                Difference(None, "the loaded state", "all of it", "differs from the replay", values)
            )
        self._findings.state_hash = replayed


def _check_laws(state: State) -> None:
    try:
        check_all(state)
    except LawBroken as broken:
        what = f"breaks a law: {broken}"
        raise Differs(Difference(None, "the replayed state", "all of it", what)) from broken

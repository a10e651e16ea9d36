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
from app.store import snapshots
from app.store.loader import load_state
from app.store.snapshots import Snapshot
from app.verify.difference import Difference, Differs
from app.verify.log import Entry, Other, Part, check_acts, find_part, other_parts, read
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

    rules_version: int = 0
    begin: int = 0
    """The last command that is not replayed: a snapshot's, or 0."""
    end: int = 0
    """The last command that is."""
    others: list[Other] = field(default_factory=list)
    commands: int = 0
    leaders: int = 0
    first: datetime | None = None
    last: datetime | None = None
    rows: Counter[str] = field(default_factory=Counter)
    state_hash: str = ""
    difference: Difference | None = None


async def verify(connection: asyncpg.Connection, show: Show) -> Findings:
    """Replay the log of a database and compare all of it, as of one moment; changes nothing.

    That is: all since this release's rules hold, up to where newer ones do (REC-1). May run while a
    service writes: it sees one moment. Ends at the first difference. Raises `OtherRules`, asyncpg's
    errors and OSError.
    """
    findings = Findings(Engine.rules_version)
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
        self._writers = Writers()
        self._outcomes: list[Outcome] = []
        """What is not compared yet."""
        self._epoch = -1

    async def run(self) -> None:
        """Everything in turn; raises `Differs`."""
        connection, findings = self._connection, self._findings
        committed = await connection.fetchval("SELECT sequence FROM leadership")
        part = await find_part(connection, findings.rules_version, committed)
        findings.begin, findings.end = part.begin, part.end
        findings.others = await other_parts(connection, part)
        state = await _load_checked(connection, part.snapshot) if part.snapshot else State()
        self._engine = Engine(state)
        self._records = Records(connection, state)
        findings.rows = self._records.compared
        await self._replay_log(part)
        if part.next_version is not None:
            await self._check_next(part.end, part.next_version)
        else:
            await self._records.finish(state.counters)
            findings.rows["admin_acts"] = await check_acts(connection)
            if state.counters.command:
                findings.rows += await check_state(connection, state, self._writers)
            self._check_hash("the loaded state", "all of it", await load_state(connection))
        _check_laws(state)

    async def _replay_log(self, part: Part) -> None:
        waiting = 0
        try:
            async for entry in read(self._connection, part):
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
        self._show(self._findings.commands, self._findings.end - self._findings.begin)

    async def _check_next(self, sequence: int, rules_version: int) -> None:
        """The state that the next release's part begins with is the one that ours ends with.

        The hash in that snapshot is of that release, and may look at more.
        """
        key = f"{sequence}, {rules_version}"
        snapshot = await snapshots.find(self._connection, sequence, rules_version)
        if snapshot is None:
            raise Differs(Difference(sequence + 1, "snapshots", key, "is missing in the table"))
        self._check_hash("snapshots", key, await _load(self._connection, snapshot))

    def _check_hash(self, name: str, key: str, loaded: State) -> None:
        """The hash of what a start would load: the tables agree, so does it."""
        replayed, found = state_hash(self._engine.state), state_hash(loaded)
        if found != replayed:
            values = (("state_hash", replayed, found),)
            raise Differs(Difference(None, name, key, "differs from the replay", values))
        self._findings.state_hash = replayed


async def _load_checked(connection: asyncpg.Connection, snapshot: Snapshot) -> State:
    """The state of a snapshot; raises `Differs` unless it has the hash that was stored with it."""
    state = await _load(connection, snapshot)
    found = state_hash(state)
    if (state.counters.command, found) != (snapshot.sequence, snapshot.state_hash):
        key = f"{snapshot.sequence}, {snapshot.rules_version}"
        values = (("state_hash", found, snapshot.state_hash),)
        raise Differs(Difference(None, "snapshots", key, "does not have its hash", values))
    return state


async def _load(connection: asyncpg.Connection, snapshot: Snapshot) -> State:
    try:
        return await load_state(connection, snapshot)
    except asyncpg.SyntaxOrAccessError:  # the tables are of another release, nothing is wrong
        raise
    except Exception as error:
        key = f"{snapshot.sequence}, {snapshot.rules_version}"
        what = f"cannot be loaded: {error!r}"
        raise Differs(Difference(None, "snapshots", key, what)) from error


def _check_laws(state: State) -> None:
    try:
        check_all(state)
    except LawBroken as broken:
        what = f"breaks a law: {broken}"
        raise Differs(Difference(None, "the replayed state", "all of it", what)) from broken

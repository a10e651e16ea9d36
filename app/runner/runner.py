"""The runner: leads when it can, and serves the commands of this process while it leads.

    standby --lock--> raise epoch, load, check the laws, Recover --> serving --any fault--> standby

While another instance leads, a `Follower` replays its log: then the rest of that is applied instead
of a load (REC-3).

Where the log's last command is of older rules, a snapshot is kept before `Recover`; of newer ones:
no leadership.

A fault throws the term's whole memory away; the next term starts from what is in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Self

import asyncpg

from app.engine.commands import Command
from app.engine.commands.leaders import Limits
from app.engine.engine import Engine
from app.engine.invariants import check_money, state_hash
from app.runner import lease
from app.runner.answers import Answer, AnswerConflict, AnswerExpired, AnswerKey
from app.runner.clock import Clock
from app.runner.follower import Follower, FollowerDiffers
from app.runner.incidents import remember
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.submission import Busy, By, NotLeader
from app.runner.term import Term
from app.store import incidents, snapshots
from app.store.answers import forget_old_requests
from app.store.database import UNREACHABLE, UnfitServer
from app.store.loader import load_state
from app.store.snapshots import Snapshot
from app.store.store import PostgresStore
from app.store.writer import Writer

__all__ = [
    "Answer", "AnswerConflict", "AnswerExpired", "AnswerKey", "Busy", "By", "Metrics", "NotLeader",
    "Runner",
]  # fmt: skip

log = logging.getLogger("backstop.runner")

COLLECT_AFTER = (2_000, 200, 100)
"""Young objects are looked at often, so that no answer waits long for it; those that outlive that
seldom, for they are most of the work."""
SHORTEST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
"""Every failure to lead is tried again, first soon, then at this pace: no fault is for ever."""
CLEANING_INTERVAL_SECONDS = 3600.0
FAREWELL_SECONDS = 5.0

CANNOT_LEAD = (
    *UNREACHABLE,
    lease.LeaseLost,
    UnfitServer,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TooManyConnectionsError,
)
"""What ends leadership, or keeps from it, without a fault of ours."""


class Runner:
    """One engine and its one writer. Use: `async with Runner(address) as runner`."""

    def __init__(
        self,
        address: str,
        *,
        limits: Limits | None = None,
        pace: Pace | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.metrics = Metrics()
        self.limits = limits or Limits()
        self._address = address
        self._pace = pace or Pace()
        self._clock = clock or Clock()
        self._term: Term | None = None
        self._refusal: str | None = None
        self._follower = Follower(address, Engine, self.metrics.standby)
        self._first_attempt = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def leading(self) -> bool:
        """Whether this process takes commands."""
        return self._term is not None and self._term.serving

    @property
    def refusal(self) -> str | None:
        """Why this process must not lead, for the operator; None where it may (REC-1, REC-3)."""
        standby = self.metrics.standby
        return standby.why if standby.state == "differs" else self._refusal

    @property
    def engine(self) -> Engine:
        """The leader's engine: read only, never across an await. Raises `NotLeader`."""
        if self._term is None or not self._term.serving:
            raise NotLeader
        return self._term.engine

    def now(self) -> datetime:
        """The time that a command would have now (MRK-6)."""
        return self._clock.now()

    async def submit(
        self, commands: Sequence[Command], key: AnswerKey | None = None, by: By | None = None
    ) -> Answer:
        """Apply in order, each atomic by itself; returns after all are durable.

        `by` an admin, what is accepted of them is recorded as his acts. A tick's result waits for
        its cascade. Under a `key` that was used before, the first answer. Raises `AnswerConflict`
        (same key, other digest), `Busy` (queue full; nothing was applied), `AnswerExpired` (done
        before, but the answer can no longer be read) and `NotLeader` (nothing was applied, or it is
        not known whether it is durable: send it again with its key).
        """
        if self._term is None:
            raise NotLeader(self.refusal or "")
        return await self._term.submit(commands, key, by)

    async def start(self) -> None:
        """Begin to lead or to stand by; returns when it is known which, or the attempt failed."""
        self._task = asyncio.create_task(self._lead_for_ever())
        await self._first_attempt.wait()

    async def stop(self) -> None:
        """Take no more commands, make durable what was taken, free the lock."""
        if self._task is None:
            return
        if self._term:
            self._term.end()
            await asyncio.wait({self._task}, timeout=FAREWELL_SECONDS)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._follower.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # Leadership

    async def _lead_for_ever(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            epoch = self.metrics.epoch
            try:
                await self._stand_by()
            except (lease.OldRules, FollowerDiffers) as error:
                if self._refusal is None:
                    log.error("not leading: %s", error)  # noqa: TRY400 - no fault of ours
                self._refusal = str(error)
            except CANNOT_LEAD as error:
                log.warning("not leading, PostgreSQL is out of reach or unfit: %r", error)
            except Exception:
                log.exception("leadership ended by a fault; nothing unanswered was acknowledged")
            else:
                return
            if self.metrics.epoch > epoch:
                self.metrics.terms_failed += 1
                pause = SHORTEST_PAUSE_SECONDS
            self._first_attempt.set()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _stand_by(self) -> None:
        """Wait for the lock and lead; returns after `stop`, raises what ended the leadership."""
        async with lease.claim(self._address) as claim:
            while (epoch := await self._take(claim)) is None:
                self._refusal = None
                self._follower.start()
                self._first_attempt.set()
                await asyncio.sleep(lease.POLL_SECONDS)
            self._refusal = None
            tasks = {
                asyncio.create_task(self._lead(claim, epoch)),
                asyncio.create_task(claim.watch()),
            }
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                claim.end()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _take(self, claim: lease.Lease) -> int | None:
        self._follower.check()
        silence = lease.WARM_SILENCE if self._follower.warm else lease.SILENCE
        return await claim.take(Engine.rules_version, silence)

    async def _lead(self, claim: lease.Lease, epoch: int) -> None:
        """Load and serve; returns after `stop`, raises what ended the term."""
        async with claim.connect() as reader, claim.connect() as connection:
            last_version = await reader.fetchval(snapshots.LOG_VERSION)
            replayed = await self._follower.hand_over(reader)
            engine = replayed or await _load(reader)
            if last_version is not None and last_version < engine.rules_version:
                await _keep_snapshot(connection, epoch, engine)
            term = Term(
                engine=engine,
                store=PostgresStore(Writer(connection, epoch, engine.rules_version), reader),
                clock=self._clock,
                metrics=self.metrics,
                pace=self._pace,
            )
            try:
                if replayed is None:
                    # It looks at everything: aside, so that the lease is watched meanwhile.
                    await self._pace.aside(check_money, engine.state)
                await term.recover(self.limits, await incidents.load(reader))
                self.metrics.epoch = epoch
                log.info("leading with epoch %d", epoch)
                with long_lived():
                    await self._serve(term, claim)
            except Exception as error:
                await remember(claim, epoch, engine, error)
                raise

    async def _serve(self, term: Term, claim: lease.Lease) -> None:
        cleaning = asyncio.create_task(self._clean_answers(claim))
        self._term = term
        self.metrics.leading = True
        self._first_attempt.set()
        try:
            await term.run()
        finally:
            self._term = None
            self.metrics.leading = False
            cleaning.cancel()
            await asyncio.gather(cleaning, return_exceptions=True)

    async def _clean_answers(self, claim: lease.Lease) -> None:
        """Delete old answers now and then; a failure is only reported, for it costs only space."""
        while True:
            try:
                async with claim.connect() as connection:
                    await forget_old_requests(connection, self.now())
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("old answers were not deleted: %r", error)
            await asyncio.sleep(CLEANING_INTERVAL_SECONDS)


async def _load(reader: asyncpg.Connection) -> Engine:
    """An engine with what is committed; its laws of money are to be checked from scratch.

    Those of a replay were: with its own load, and after every command since.
    """
    log.info("loading the state")
    return Engine(await load_state(reader))


async def _keep_snapshot(connection: asyncpg.Connection, epoch: int, engine: Engine) -> None:
    """The rules change here: keep the state that the newer ones begin with (REC-1)."""
    # In a thread, for it looks at everything: so the lease is watched meanwhile.
    digest = await asyncio.to_thread(state_hash, engine.state)
    snapshot = Snapshot(engine.state.counters.command, engine.rules_version, digest)
    await snapshots.store(connection, epoch, snapshot)
    log.info("kept %s, where the rules change", snapshot)


@contextmanager
def long_lived() -> Iterator[None]:
    """Spare the garbage collector the state: millions of objects that stay, and no cycles.

    What was loaded is frozen; what comes later is looked at more rarely than by default.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()

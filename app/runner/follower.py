"""A warm standby: a replay of the log as another instance commits it (REC-3).

    load ─► join the leader's term ─► apply what was committed since, compare ─► ... ─► hand over

Every tenth of a second the log is read on. All that is committed by then is applied, and every row
that it should have changed is compared with the tables, counters and time too: from equal states
on, that compares all there is, after every batch. The leader does nothing for it and knows nothing
of it.

A difference is a defect or a tampered database: this instance must not lead, and says why, until it
is started anew. But a replay that began in the middle of a term may part from it where a cascade
has several parts (see `joining`): then, as after any fault of its own, it loads again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from time import perf_counter

import asyncpg

from app.engine.commands.leaders import ContinueCascade, Recover
from app.engine.engine import Engine
from app.engine.invariants import check_money
from app.engine.joining import Joining, Unsettled, admit
from app.engine.outcome import Kept
from app.engine.rejections import Rejection
from app.runner.metrics import Standby
from app.store import database, following
from app.store.following import Followed
from app.store.loader import load_state
from app.store.snapshots import LOG_VERSION

log = logging.getLogger("backstop.standby")

NAME = "backstop standby"
ROUND_SECONDS = 0.1
SLICE_SECONDS = 0.005
"""The rest of the event loop, which serves reads, is given its turn at least this often."""
SHORTEST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
"""Between two attempts to follow: each may load everything."""
GOODBYE_SECONDS = 0.5
"""A server that does not end a transaction within this is taken for dead, and not waited for."""
MOST_BEHIND = 20_000
"""Commands that a takeover waits for; with more to apply, to load is quicker."""
MOST_AT_ONCE = 500_000
"""Commands applied before they are compared: what they change is kept until then. More than arrive
during a load, which is what happens with more."""


class Parted(Exception):
    """The replay ends: why, as anyone may read it, and the `detail` for the operator's log."""

    def __init__(self, why: str, detail: str = "") -> None:
        super().__init__(why)
        self.detail = detail


class FollowerDiffers(Parted):
    """The replay is not what the leader made durable."""


class Adrift(Parted):
    """The replay cannot go on, and nothing is wrong: what is committed must be loaded."""


class FollowerReplay:
    """An engine that follows the log, with what it touched since it was compared."""

    def __init__(self, engine: Engine, last: Followed) -> None:
        self.engine = engine
        self._last = last
        self._touched: dict[Kept, None] = {}
        self._recovered = False
        """Whether a leader began since: from then on all is known that it knows."""
        self._exact = False
        """Whether that was before the last comparison."""
        self._parted = False
        """Whether a cascade of several parts came before that."""
        self._yielded = perf_counter()

    async def catch_up(self, connection: asyncpg.Connection, standby: Standby, most: int) -> None:
        """Apply what is committed by now and compare; cancelled, it can go on later.

        Raises `FollowerDiffers`, and `Adrift` (also with more than `most` commands to apply).
        """
        async with following.one_moment(connection) as (time, counters):
            standby.lag_commands = counters.command - self._last.sequence
            if standby.lag_commands > most:
                raise Adrift(f"it is {standby.lag_commands} commands behind")
            await self._apply_new(connection)
            state = self.engine.state
            if (state.counters, state.time) != (counters, time):
                raise self._unlike(f"{counters} at {time} are {state.counters} at {state.time}")
            await self._compare(connection)
        standby.lag_commands = 0
        standby.level_at = perf_counter()

    async def _apply_new(self, connection: asyncpg.Connection) -> None:
        entries = following.entries(connection, self._last.sequence - 1)
        async with aclosing(entries):
            if await anext(entries, None) != self._last:
                raise Adrift(f"command {self._last.sequence} is another one in the log by now")
            async for entry in entries:
                self._apply(entry)
                await self._give_way()

    def _apply(self, entry: Followed) -> None:
        engine = self.engine
        if entry.rules_version != engine.rules_version:
            raise Adrift(other_rules(entry.rules_version, engine.rules_version))
        try:
            command = entry.command()
            if not self._recovered:
                admit(engine.state, command)
            outcome = engine.apply(command, entry.time)
        except Exception as error:
            what = f"command {entry.sequence}, {entry.kind}, cannot be replayed: {error!r}"
            raise self._unlike(what) from error
        if isinstance(outcome.result, Rejection) or outcome.sequence != entry.sequence:
            raise self._unlike(f"command {entry.sequence}, {entry.kind}: {outcome.result}")
        self._recovered |= isinstance(command, Recover)
        self._parted |= isinstance(command, ContinueCascade) or bool(outcome.pending)
        self._touched.update(outcome.touched)
        self._last = entry

    async def _compare(self, connection: asyncpg.Connection) -> None:
        async with aclosing(following.unlike(connection, self._touched)) as found:
            async for difference in found:
                if difference is not None:
                    raise self._unlike(difference)
                await self._give_way()
        self._touched.clear()
        if self._recovered:
            self._exact, self._parted = True, False

    def _unlike(self, what: str) -> Exception:
        """What a difference means."""
        after = f"up to command {self._last.sequence}"
        if self._exact or not self._parted:
            why = f"its replay differs from what was committed {after}; its log says where"
            return FollowerDiffers(why, what)
        return Adrift(f"it began within a term, and parted from it in a cascade {after}", what)

    async def _give_way(self) -> None:
        self._yielded = await give_way(self._yielded)


class Follower:
    """Keeps a replay while another instance leads, and hands its engine over."""

    def __init__(self, address: str, engine: type[Engine], standby: Standby) -> None:
        self._address = address
        self._engine = engine
        self._standby = standby
        self._replay: FollowerReplay | None = None
        self._connection: asyncpg.Connection | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def warm(self) -> bool:
        """Whether a takeover would need no load."""
        return self._standby.state == "warm"

    def check(self) -> None:
        """Raise `FollowerDiffers` when a difference was found: this instance must not lead."""
        if self._standby.state == "differs":
            raise FollowerDiffers(self._standby.why or "")

    def start(self) -> None:
        """Follow from now on; does nothing when it does already."""
        if self._task is None:
            self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Follow no more; what there is stays as it is."""
        while self._task:
            self._task.cancel()
            ended, _ = await asyncio.wait({self._task}, timeout=GOODBYE_SECONDS)
            if ended:
                self._task = None
            elif self._connection:
                self._connection.terminate()
        if self._replay is None and self._standby.state == "loading":  # nobody finishes it now
            self._set_cold(Adrift("its load was cut short"))

    async def hand_over(self, connection: asyncpg.Connection) -> Engine | None:
        """The engine, level with the log, when nobody else can commit; None: it must be loaded.

        Raises `FollowerDiffers`.
        """
        await self.stop()
        replay = self._replay
        if replay is None:
            return None
        try:
            await replay.catch_up(connection, self._standby, MOST_BEHIND)
        except FollowerDiffers as difference:
            self._alert(difference)
            raise
        except Adrift as reason:
            self._set_cold(reason)
            return None
        except Exception:  # whatever it was, the next attempt does not depend on it
            self._set_cold(Adrift("its takeover failed; its log says how"))
            raise
        self._replay = None
        self._standby.state = "cold"
        gc.freeze()
        return replay.engine

    async def _follow(self) -> None:
        pause = SHORTEST_PAUSE_SECONDS
        while True:
            try:
                async with self._connected() as connection:
                    if self._replay is None:
                        self._replay = await self._load(connection)
                    while True:
                        await self._replay.catch_up(connection, self._standby, MOST_AT_ONCE)
                        self._standby.state, self._standby.why = "warm", None
                        pause = SHORTEST_PAUSE_SECONDS
                        await asyncio.sleep(ROUND_SECONDS)
            except FollowerDiffers as difference:
                self._alert(difference)
                return
            except Adrift as reason:
                self._set_cold(reason)
            except Unsettled as reason:
                self._set_cold(Adrift("a cascade is under way", str(reason)))
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                # What there is can go on from where it is.
                log.warning("the log cannot be followed for now: %r", error)
            except Exception:
                log.exception("following the log failed")
                self._set_cold(Adrift("following failed; its log says how"))
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[asyncpg.Connection]:
        self._connection = await database.connect(self._address, application_name=NAME)
        try:
            yield self._connection
        finally:
            # Not close(): it waits for the server's goodbye, and a dead server gives none.
            self._connection.terminate()

    def _alert(self, difference: FollowerDiffers) -> None:
        log.critical(
            "this instance will not lead: %s. Here: %s. Verify the database, then start it anew",
            *(difference, difference.detail),
        )
        self._replay = None
        self._standby.state, self._standby.why = "differs", str(difference)

    def _set_cold(self, reason: Adrift) -> None:
        log.info("standing by cold: %s %s", reason, reason.detail)
        self._replay = None
        self._standby.state, self._standby.why = "cold", str(reason)

    async def _load(self, connection: asyncpg.Connection) -> FollowerReplay:
        """A replay that begins with what is committed now. Raises `Adrift` and `Unsettled`."""
        standby = self._standby
        version = await connection.fetchval(LOG_VERSION)
        if version != self._engine.rules_version:
            raise Adrift(other_rules(version, self._engine.rules_version))
        standby.state, standby.why = "loading", None
        standby.loads += 1
        engine = self._engine(await load_state(connection))
        state = engine.state
        term = await following.term_until(connection, state.counters.command)
        last = await following.entry(connection, state.counters.command)
        if last is None or not term:
            raise Adrift("no leader of these rules is in the log")
        await asyncio.to_thread(check_money, state)
        joining, yielded = Joining(state, [entry.command() for entry in term]), perf_counter()
        while joining.go_on():
            yielded = await give_way(yielded)
        gc.freeze()
        log.info("following from command %d on", last.sequence)
        return FollowerReplay(engine, last)


def other_rules(version: int | None, own: int) -> str:
    """Why a log is not followed (REC-1)."""
    return f"the log is of rules version {version}, and this release has {own}"


async def give_way(since: float) -> float:
    """Let others run when that was long ago; returns when it was last."""
    if perf_counter() - since <= SLICE_SECONDS:
        return since
    await asyncio.sleep(0)
    return perf_counter()

"""The only clock (MRK-6): UTC, never earlier than the time of the command before.

Durations (staleness, holds) are differences of engine time, so it follows a clock that nobody sets,
and the system's own only slowly: one second takes between 0.999 and 1.001. Whoever sets the
system's clock, by however much, changes no duration; the difference is told and fades away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from app.engine.commands import ClockCause
from app.engine.commands.prices import ReportClock
from app.engine.numbers import EPOCH

log = logging.getLogger("backstop.clock")

SECOND = 1_000_000_000
"""Times here are in nanoseconds."""
DRAW = 1000
"""The system's clock draws by at most one part in so many of the time that has passed."""
JUMP = 60 * SECOND
"""A difference that is an alert. The engine, which is given times of others, is told of less."""

TimeSource = Callable[[], int]
"""Nanoseconds: since 1970 (`wall`), or since any moment and never set (`steady`)."""


def steady_time() -> int:
    """The time since this machine was started, where it can be had with the time it slept."""
    if boot := getattr(time, "CLOCK_BOOTTIME", None):
        return time.clock_gettime_ns(boot)
    return time.monotonic_ns()


class Clock:
    """Times for the commands of this process, whether it leads once or again and again."""

    def __init__(self, wall: TimeSource = time.time_ns, steady: TimeSource = steady_time) -> None:
        self._wall = wall
        self._steady = steady
        self._looked = steady()
        self._time: int | None = None
        """What was given out last; None before the first leadership."""
        self._compared = 0
        """By how much the system's clock was ahead of the steady one, when a jump was told last."""
        self._told = 0
        """By how much our time was ahead of the system's clock, when the engine was told last."""
        self._starts = False

    def begin(self, last: datetime | None) -> None:
        """A leadership begins, and `last` is the newest time that the log has.

        Only at the first there is nothing but the system's clock to say how much time has passed
        since then; later our own time has gone on.
        """
        newest = 0 if last is None else (last - EPOCH) // timedelta(microseconds=1) * 1000
        self._time = max(self._advanced(), newest)
        self._compared = self._wall() - self._steady()
        self._told = 0
        self._starts = abs(self._ahead()) > JUMP

    def now(self) -> datetime:
        """The time now: the last, and what the steady clock says has passed since.

        Before this process has led, the system's clock.
        """
        return EPOCH + timedelta(microseconds=self._advanced() // 1000)

    def report(self) -> ReportClock | None:
        """What the engine must be told of the system's clock, when there is something new."""
        compared, ahead = self._wall() - self._steady(), self._ahead()
        cause: ClockCause
        if self._starts:
            cause = "start"
        elif abs(compared - self._compared) > JUMP:
            cause = "jump"
        elif abs(ahead - self._told) > SECOND:
            cause = "drift"
        else:
            return None
        self._starts = False
        self._told = ahead
        if cause != "drift":
            self._compared = compared
            seconds = ahead / SECOND
            log.warning("the log is %.3f s ahead of the system's clock (%s)", seconds, cause)
        return ReportClock(cause, Decimal(ahead // (SECOND // 1000)) / 1000)

    def _advanced(self) -> int:
        wall, looked = self._wall(), self._steady()
        passed, self._looked = max(0, looked - self._looked), looked
        if self._time is None:
            return wall
        most = passed // DRAW
        self._time += passed + min(max(wall - self._time - passed, -most), most)
        return self._time

    def _ahead(self) -> int:
        return self._advanced() - self._wall()

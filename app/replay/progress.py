"""One line of progress: rewritten in place on a terminal, a new line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from app.replay.tally import Tally

ON_TERMINAL, ELSEWHERE = 0.5, 10.0
"""Seconds between two lines."""


class ReplayProgress:
    """Progress from `start` to `end` (ms, simulated)."""

    def __init__(
        self,
        start: int,
        end: int,
        tally: Tally,
        stream: TextIO,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start, self._end = start, end
        self._tally = tally
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._gap = ON_TERMINAL if self._terminal else ELSEWHERE
        self._began: tuple[float, int, int] | None = None
        self._last = float("-inf")

    def say(self, what: str) -> None:
        """A stage, on a line of its own."""
        if self._terminal and self._began is not None:
            self._stream.write("\n")
        self._stream.write(f"{what}\n")
        self._stream.flush()

    def show(self, simulated: int, *, last: bool = False) -> None:
        """Where the run is, unless that was said just now; the last is always said."""
        now = self._clock()
        if self._began is None:
            self._began = now, self._tally.ticks, self._tally.orders
        if now - self._last < self._gap and not last:
            return
        self._last = now
        began, ticks, orders = self._began
        seconds = max(now - began, 0.001)
        share = (simulated - self._start) / max(self._end - self._start, 1)
        line = (
            f"{min(max(share, 0), 1):6.1%}  "
            f"{datetime.fromtimestamp(simulated / 1000, UTC):%Y-%m-%d %H:%M:%S}  "
            f"{(self._tally.ticks - ticks) / seconds:7,.0f} ticks/s  "
            f"{(self._tally.orders - orders) / seconds:7,.0f} orders/s  "
            f"{self._tally.at_risk:7,} accounts at risk"
        )
        self._stream.write(f"\r{line}" if self._terminal else f"{line}\n")
        self._stream.flush()

"""One line of progress: rewritten in place on a terminal, a new line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

ON_TERMINAL, ELSEWHERE = 0.2, 10.0
"""Seconds between two lines."""


class VerifyProgress:
    """How far the replay is, how fast, and how long it will still take."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._gap = ON_TERMINAL if self._terminal else ELSEWHERE
        self._began = self._last = clock()
        self._shown = False

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return self._clock() - self._began

    def show(self, done: int, total: int) -> None:
        """Say how far the replay is, unless that was said just now; always at its end."""
        now = self._clock()
        if now - self._last < self._gap and done < total:
            return
        self._last = now
        rate = done / max(now - self._began, 0.001)
        left = timedelta(seconds=round((total - done) / rate)) if done else "?"
        line = (
            f"{done / max(total, 1):6.1%}  {done:,} of {total:,} commands  "
            f"{rate:,.0f}/s  {left} left"
        )
        self._stream.write(f"\r{line:<78}" if self._terminal else f"{line}\n")
        self._stream.flush()
        self._shown = True

    def close(self) -> None:
        """End the line."""
        if self._terminal and self._shown:
            self._stream.write("\n")
            self._stream.flush()

"""A job that is done on the command line: how far it is, on standard error."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from time import monotonic
from typing import NoReturn

import asyncpg

from app.jobs.board import Job
from app.jobs.working import Task

EXIT_CANCELED = 1


class Shown(Task):
    """It tells people too: in place on a terminal, elsewhere a line for each stage."""

    def __init__(self, job: Job, connection: asyncpg.Connection) -> None:
        super().__init__(job, connection)
        self._terminal = sys.stderr.isatty()
        self._began = monotonic()

    def tell(self, stage: str, progress: float) -> None:
        """See `Task`."""
        before, _ = self.told
        super().tell(stage, progress)
        if self._terminal or stage != before:
            seconds = timedelta(seconds=round(monotonic() - self._began))
            line = f"{progress:6.1%}  {stage:<10} {seconds}"
            sys.stderr.write(f"\r{line:<40}" if self._terminal else f"{line}\n")
            sys.stderr.flush()

    def close(self) -> None:
        """End the line."""
        if self._terminal:
            sys.stderr.write("\n")

    def gone(self) -> NoReturn:
        """See `Task`."""
        sys.stderr.write("\nbackstop: the job was canceled; nothing is stored\n")
        os._exit(EXIT_CANCELED)

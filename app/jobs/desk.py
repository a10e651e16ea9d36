"""Asks the process that answers what-ifs while one waits (`app.calibration.whatif.desk`).

It is started with the first question, answers one after the other and ends when nobody has asked
for a while, or with the service. One that dies or does not answer is forgotten: the next question
starts another.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Any

from app.jobs.stress import InvalidStressTest, StressTest, stored_test

log = logging.getLogger("backstop.jobs")

MODULE = "app.calibration.whatif.desk"
IDLE_SECONDS = 300.0
ANSWER_SECONDS = 30.0
"""A book of a million positions is read in 8."""
MOST_WAITING = 8
LONGEST_ANSWER = 2**24


class DeskDown(Exception):
    """It gave no answer; it is begun anew with the next question."""


class DeskBusy(Exception):
    """Too many are waiting already."""


class Desk:
    """One instance's."""

    def __init__(self, address: str, module: str = MODULE) -> None:
        self._address, self._module = address, module
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._process: Process | None = None
        self._idle: asyncio.TimerHandle | None = None

    async def ask(self, test: StressTest) -> dict[str, Any]:
        """The answer; raises `InvalidStressTest`, `DeskDown` or `DeskBusy`.

        Who goes away meanwhile is answered to nobody: the process, and who waits, go on.
        """
        if self._waiting >= MOST_WAITING:
            raise DeskBusy
        asking = asyncio.create_task(self._ask(json.dumps(stored_test(test)).encode() + b"\n"))
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        said = await asyncio.shield(asking)
        if "refused" in said:
            code, detail, context = said["refused"]
            raise InvalidStressTest(code, detail, **context)
        answer: dict[str, Any] = said["answer"]
        return answer

    async def _ask(self, question: bytes) -> dict[str, Any]:
        self._waiting += 1
        try:
            async with self._turn:
                return await self._exchange(question)
        finally:
            self._waiting -= 1

    async def stop(self) -> None:
        """End the process, if there is one."""
        if self._idle is not None:
            self._idle.cancel()
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _exchange(self, question: bytes) -> dict[str, Any]:
        """Nobody else asks meanwhile; a process that gave no answer is ended, for that would be the
        next one's."""
        if self._idle is not None:
            self._idle.cancel()
        answered = False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                process = self._process = self._process or await self._start()
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(question)
                await process.stdin.drain()
                said: dict[str, Any] = json.loads(await process.stdout.readline())
            answered = True
        except (TimeoutError, OSError, ValueError) as error:
            log.warning("a what-if got no answer: %r", error)
            raise DeskDown from error
        finally:
            if not answered:
                await self.stop()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(IDLE_SECONDS, self._end_idle)
        return said

    def _end_idle(self) -> None:
        if self._process is not None and not self._turn.locked():
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process = None

    async def _start(self) -> Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self._module),
            stdin=PIPE,
            stdout=PIPE,
            limit=LONGEST_ANSWER,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps({"address": self._address}).encode() + b"\n")
        return process

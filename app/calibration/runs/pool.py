"""Processes that share a run's work: the same figures, sooner (CAL-11).

    with Pool(processes) as pool:
        calibrate(run, each=pool)

The object that tasks are asked of goes to the processes once, and its arrays are not copied: they
lie in memory that all of them see. The processes are as nice as their parent, and end with it
however it ends: each waits for that.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from multiprocessing import get_context, parent_process, reduction
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Thread
from types import MethodType, TracebackType
from typing import Any, Self

ALIGNED = 64
"""Where arrays begin: at a multiple of so many bytes."""


class ProcessEnded(Exception):
    """One of the processes has ended before its work was done."""


class Pool:
    """A `Map` over methods of one object after the other. As many processes as cores by default."""

    def __init__(self, processes: int | None = None) -> None:
        self.count = processes or cores()
        self._subject: object = None
        self._processes: dict[Connection, SpawnProcess] = {}

    def __call__(self, task: Callable[..., Any], tasks: Iterable[Any]) -> list[Any]:
        """Results in the order of the tasks; raises `ProcessEnded`, and what a task raises."""
        assert isinstance(task, MethodType)
        try:
            if self._subject is not task.__self__:
                self.close()
                self._start(task.__self__)
            return self._worked_out(task.__name__, list(tasks))
        except BaseException:
            self.close()
            raise

    def _start(self, subject: object) -> None:
        self._subject, shared = subject, Shared(subject)
        context = get_context("spawn")
        for _ in range(self.count):
            ours, theirs = context.Pipe()
            self._processes[ours] = context.Process(target=_serve, args=(theirs, shared))
            self._processes[ours].start()
            theirs.close()  # so that it is seen when the process ends
        shared.close()

    def _worked_out(self, name: str, tasks: Sequence[Any]) -> list[Any]:
        found: list[Any] = [None] * len(tasks)
        left, busy = iter(enumerate(tasks)), dict[Connection, int]()
        ready = [*self._processes]
        try:
            while True:
                for one, (number, task) in zip(ready, left, strict=False):
                    one.send((name, task))
                    busy[one] = number
                if not busy:
                    return found
                told = wait([*busy])
                ready = [one for one in busy if one in told]
                for one in ready:
                    done, result = one.recv()
                    if not done:
                        raise result
                    found[busy.pop(one)] = result
        except (EOFError, OSError) as error:
            raise ProcessEnded from error

    def close(self) -> None:
        """End the processes: none of them holds anything."""
        for one, process in self._processes.items():
            process.kill()
            process.join()
            one.close()
        self._subject, self._processes = None, {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class Shared:
    """An object on its way to processes that are started with it; there it is the object itself.

    Its arrays lie in a file without a name, which all of them map, read only.
    """

    def __init__(self, value: object) -> None:
        arrays: list[pickle.PickleBuffer] = []
        self._rest = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
        self._sizes = [one.raw().nbytes for one in arrays]
        self._file = _unnamed()
        os.truncate(self._file, _places(self._sizes)[-1] + 1)
        for place, one in zip(_places(self._sizes), arrays, strict=False):
            _write(self._file, one.raw(), place)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return _seen, (reduction.DupFd(self._file), self._sizes, self._rest)

    def close(self) -> None:
        """No more processes are started with it."""
        os.close(self._file)


def _unnamed() -> int:
    """In memory where the system can do that: a container's /tmp may be small."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("backstop-run")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _write(file: int, data: memoryview, place: int) -> None:
    while data:
        written = os.pwrite(file, data, place)
        data, place = data[written:], place + written


def _places(sizes: Sequence[int]) -> list[int]:
    """Where each begins, and in the end where the last one ends."""
    return [0, *accumulate(-(-size // ALIGNED) * ALIGNED for size in sizes)]


def _seen(file: Any, sizes: Sequence[int], rest: bytes) -> object:
    number = file.detach()
    whole = memoryview(mmap.mmap(number, 0, access=mmap.ACCESS_READ))
    os.close(number)
    arrays = [
        whole[place : place + size] for place, size in zip(_places(sizes), sizes, strict=False)
    ]
    return pickle.loads(rest, buffers=arrays)  # noqa: S301 - our parent's


def _serve(asked: Connection, subject: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    Thread(target=_end_with_parent, daemon=True).start()
    while True:
        name, task = asked.recv()
        try:
            answer = True, getattr(subject, name)(task)
        except Exception as error:
            answer = False, error
        asked.send(answer)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import accumulate
from multiprocessing import connection, get_context, parent_process, reduction
from threading import Thread
from types import MethodType, TracebackType
from typing import Any, ClassVar, Self

ALIGNED = 64
"""Where arrays begin: at a multiple of so many bytes."""


class Pool:
    """A `Map` over methods of one object after the other. As many processes as cores by default."""

    def __init__(self, processes: int | None = None) -> None:
        self.processes = processes or cores()
        self._subject: object = None
        self._shared: Shared | None = None
        self._executor: ProcessPoolExecutor | None = None

    def __call__(self, task: Callable[..., Any], tasks: Iterable[Any]) -> Iterator[Any]:
        """Results in the order of the tasks; raises `BrokenProcessPool` where a process died."""
        assert isinstance(task, MethodType)
        if self._executor is None or self._subject is not task.__self__:
            self.close()
            self._subject, self._shared = task.__self__, Shared(task.__self__)
            self._executor = ProcessPoolExecutor(
                self.processes,
                mp_context=get_context("spawn"),
                initializer=_begin,
                initargs=(self._shared,),
            )
        return self._executor.map(_worked_out, [(task.__name__, one) for one in tasks])

    def close(self) -> None:
        """End the processes."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        if self._shared is not None:
            self._shared.close()
        self._subject = self._shared = self._executor = None

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


class _Own:
    """What this process works with."""

    subject: ClassVar[object] = None


def _begin(subject: object) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    Thread(target=_end_with_parent, daemon=True).start()
    _Own.subject = subject


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _worked_out(task: tuple[str, Any]) -> Any:
    name, one = task
    return getattr(_Own.subject, name)(one)

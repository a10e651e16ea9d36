"""The machines of a Dask cluster share a run's work: the same figures (CAL-11).

    with Cluster("tcp://scheduler:8786") as cluster:
        calibrate(run, each=cluster)

For books that one machine takes too long for. Its workers have this release of Backstop, with the
extra `dask`; they get the object that tasks are asked of once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import MethodType, TracebackType
from typing import Any, Self

from distributed import Client

CONNECT_SECONDS = 10


class Cluster:
    """A `Map` over methods of one object after the other, on a cluster that runs already."""

    def __init__(self, scheduler: str) -> None:
        """Raises OSError where there is no scheduler."""
        self._client: Any = Client(  # type: ignore[no-untyped-call]
            scheduler, timeout=CONNECT_SECONDS, set_as_default=False
        )
        self._subject: object = None
        self._there: Any = None

    def __call__(self, task: Callable[..., Any], tasks: Iterable[Any]) -> list[Any]:
        """Results in the order of the tasks; raises what a task raises."""
        assert isinstance(task, MethodType)
        if self._subject is not task.__self__:
            self._subject = task.__self__
            self._there = self._client.scatter(self._subject, broadcast=True, hash=False)
        asked = [
            self._client.submit(_worked_out, self._there, task.__name__, one, pure=False)
            for one in tasks
        ]
        found: list[Any] = self._client.gather(asked)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()


def _worked_out(subject: object, name: str, task: Any) -> Any:
    return getattr(subject, name)(task)

"""What waits in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from app.engine.commands import Command
from app.runner.answers import Answer, AnswerKey, NamedOrder, order_name
from app.store.answers import AnswerName


class Busy(Exception):
    """The queue is full (503)."""

    retry_after = 1


class NotLeader(Exception):
    """This process does not lead, or ceased to before the answer was durable (503)."""

    retry_after = 1


class By(NamedTuple):
    """An admin who gives commands: his key's identifier, and why, as he says."""

    key_id: str
    reference: str | None


@dataclass(slots=True, eq=False)
class Submission:
    """Commands that were sent together and are answered together; `by` an admin, each is an act."""

    commands: Sequence[Command]
    key: AnswerKey | None
    by: By | None
    results: list[object] = field(init=False)
    missing: int = field(init=False)
    """Results not given yet."""
    stored: bool = False
    """Whether a part of the answer is stored already."""
    waiters: list[asyncio.Future[Answer]] = field(default_factory=list)
    """A future for each caller: one that goes away takes neither its commands back nor the answer
    from others that wait for the same one."""

    def __post_init__(self) -> None:
        self.results = [None] * len(self.commands)
        self.missing = len(self.commands)

    def names(self) -> Iterator[AnswerName]:
        """The keys under which it may have been answered before."""
        if self.key:
            yield self.key.name
        for command in self.commands:
            if isinstance(command, NamedOrder) and (name := order_name(command)):
                yield name

    async def wait(self) -> Answer:
        """The answer, when there is one; raises why there is none."""
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.waiters.append(waiter)
        return await waiter

    def answer(self, answer: Answer) -> None:
        """Tell all who still wait."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(answer)

    def refuse(self, reason: Exception) -> None:
        """Tell all who still wait that there is no answer."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_exception(reason)


Submitted = tuple[Submission, int]
"""One command of a submission."""

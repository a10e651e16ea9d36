"""Answers already given, remembered: lately in memory, for ever in the store (ORD-1).

An answer leaves memory only after it is durable, so that at every moment at least one has it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from app.runner.submission import Submission
from app.store.answers import AnswerName, Known
from app.store.store import Store


class Memory:
    """Answers applied lately, oldest first, each with the batch that makes it durable."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[AnswerName, tuple[Known, int]] = OrderedDict()
        self._results = 0
        self._stored: Mapping[AnswerName, Known] = {}
        """This turn's answers from the store."""

    async def look_up(self, taken: Sequence[Submission], store: Store) -> None:
        """Fetch the stored answers that these submissions may repeat: one query, or none."""
        names = dict.fromkeys(name for submission in taken for name in submission.names())
        unknown = [name for name in names if name not in self._known]
        self._stored = await store.look_up(unknown) if unknown else {}

    def get(self, name: AnswerName) -> Known | None:
        """The answer of this name, if it was given lately."""
        entry = self._known.get(name)
        return entry[0] if entry else None

    def stored(self, name: AnswerName) -> Known | None:
        """The answer of this name, if it was given earlier; of those looked up last."""
        return self._stored.get(name)

    def put(self, name: AnswerName, known: Known, batch: int) -> None:
        """Remember an answer that batch number `batch` stores."""
        self._known[name] = known, batch
        self._results += len(known.results)

    def trim(self, durable: int) -> None:
        """Forget the oldest beyond the limit, but none that is not durable yet."""
        while self._results > self._most:
            name, (known, batch) = next(iter(self._known.items()))
            if batch > durable:
                return
            del self._known[name]
            self._results -= len(known.results)

"""The callers' side: what was submitted and is not answered yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from app.engine.commands import Command
from app.runner.answers import Answer, AnswerConflict, AnswerKey
from app.runner.memory import Memory
from app.runner.metrics import Metrics
from app.runner.pace import Pace
from app.runner.submission import Busy, By, NotLeader, Submission
from app.store.answers import AnswerName


class Intake:
    """A bounded queue, and every submission until it is answered; `wake` is called with each."""

    def __init__(
        self, memory: Memory, *, metrics: Metrics, pace: Pace, wake: Callable[[], None]
    ) -> None:
        self._memory = memory
        self._metrics = metrics
        self._pace = pace
        self._wake = wake
        self._queue: deque[Submission] = deque()
        self._under_way: dict[AnswerName, tuple[str, Submission]] = {}
        """Digest and submission of each key that is not answered yet."""
        self._open: dict[Submission, None] = {}
        """All submissions that are not answered yet."""
        self.missing = 0
        """Results not given yet: the queue is bounded by these."""
        self.closed = False
        """Whether nothing is taken any more."""

    async def submit(
        self, commands: Sequence[Command], key: AnswerKey | None, by: By | None
    ) -> Answer:
        """See `Runner.submit`."""
        if self.closed:
            raise NotLeader
        if key and (first := self._under_way.get(key.name)):
            digest, first_submission = first
            self.check_same(key, digest)
            answer = await first_submission.wait()
            return Answer(answer.results, replayed=True)
        if key and (known := self._memory.get(key.name)):
            self.check_same(key, known.digest)
            return Answer(known.results, replayed=True)
        if self.missing >= self._pace.queue_commands:
            self._metrics.busy += 1
            raise Busy
        submission = Submission(commands, key, by)
        if key:
            self._under_way[key.name] = key.digest, submission
        self._open[submission] = None
        self._queue.append(submission)
        self.missing += len(commands)
        self._wake()
        return await submission.wait()

    def check_same(self, key: AnswerKey, digest: str) -> None:
        """Raise `AnswerConflict` where a key was used for something else; count a repetition."""
        if digest != key.digest:
            raise AnswerConflict
        self._metrics.replayed += 1

    @property
    def queued(self) -> bool:
        """Whether a submission waits to be taken."""
        return bool(self._queue)

    def take(self) -> list[Submission]:
        """The next submissions, for one turn."""
        taken: list[Submission] = []
        commands = 0
        while self._queue and commands < self._pace.turn_commands:
            submission = self._queue.popleft()
            commands += len(submission.commands)
            taken.append(submission)
        return taken

    def answer(self, submission: Submission, answer: Answer) -> None:
        """Answer a submission: what it says is durable."""
        self._close(submission)
        submission.answer(answer)

    def refuse(self, submission: Submission, reason: Exception) -> None:
        """Tell why a submission gets no answer."""
        self._close(submission)
        submission.refuse(reason)

    def refuse_all(self) -> None:
        """Nothing is answered any more: whoever still waits gets `NotLeader`."""
        self.closed = True
        for submission in self._open:
            submission.refuse(NotLeader())

    def _close(self, submission: Submission) -> None:
        if submission.key:
            del self._under_way[submission.key.name]
        del self._open[submission]

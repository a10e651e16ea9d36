"""Something due at regular times, as often as one likes: a key, so long after the last such."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from app.engine.commands import Command, Due
from app.engine.commands.keys import CreateKey, NewKey
from app.engine.commands.leaders import Recover
from app.engine.engine import Engine, Source
from app.engine.outcome import Outcome
from app.engine.state import State

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def key_every(interval: timedelta, name: str = "due") -> Source:
    """The first key at `BEGIN`; they are numbered."""

    def source(state: State) -> Due:
        made = [kept.created_at for kept in state.key_ids.values() if kept.key.name == name]
        key = NewKey(f"{name}-{len(made)}", name, "admin", f"{name}-{len(made)}")
        return Due(max(made) + interval if made else BEGIN, CreateKey(key))

    return source


def replayed(engine: Engine, log: list[tuple[Command, datetime]]) -> Iterator[Outcome]:
    """Apply a log that was accepted; the outcomes. Nothing is applied when another is due by then.

    But for `Recover`: without it a new leader does not have a whole state yet.
    """
    for command, now in log:
        due = engine.due()
        in_time = due is None or due.time > now or due.command == command
        assert in_time or isinstance(command, Recover), f"{due} comes after {command}, {now}"
        outcome = engine.apply(command, now)
        assert outcome.accepted, f"{command} was accepted first, then {outcome.result}"
        yield outcome

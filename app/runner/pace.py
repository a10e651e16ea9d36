"""How much a term does at a time, and how much it keeps in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Bounds of a term's work. They decide about speed alone: no log depends on them."""

    queue_commands: int = 10_000
    """Commands that wait; beyond it there is `Busy`."""
    turn_commands: int = 256
    """Commands taken from the queue per turn (or one larger submission)."""
    turn_seconds: float = 0.002
    """Applying gives way to the rest of the event loop at least this often."""
    loop_turns: int = 4
    """Turns of the event loop after a step of a cascade: to read, commit, answer takes one each."""
    batch_records: int = 300
    """A batch this large waits for the flush before it: whoever comes next waits for both."""
    remembered_results: int = 100_000
    """Results kept in memory, for who asks again."""
    seconds: Callable[[], float] = perf_counter
    """What tells how long something took."""
    aside: Callable[..., Awaitable[object]] = asyncio.to_thread
    """Calls what takes long without stopping the event loop."""

"""What the runner counted since the process started; `api` prints it for Prometheus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

StandbyState = Literal["cold", "loading", "warm", "differs"]


@dataclass(slots=True)
class Standby:
    """How this process follows another one's log (REC-3); `why` is why it does not."""

    state: StandbyState = "cold"
    why: str | None = None
    loads: int = 0
    """How often everything was loaded to follow from there."""
    lag_commands: int = 0
    """Commands that were committed and not applied here when last looked."""
    level_at: float | None = None
    """When it was last level with the log, by `perf_counter`."""

    @property
    def lag_seconds(self) -> float:
        """How long ago it was level with the log; 0 where it does not follow."""
        if self.state != "warm" or self.level_at is None:
            return 0.0
        return perf_counter() - self.level_at


@dataclass(slots=True)
class Metrics:
    """Plain counters, times in seconds; the last five are the state of this moment."""

    commands: Counter[str] = field(default_factory=Counter)
    """Commands applied, by kind; refused ones among them."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Commands refused, by code."""
    replayed: int = 0
    """Answers given again to the same request or order."""
    busy: int = 0
    """Submissions refused because the queue was full."""
    batches: int = 0
    batch_commands: int = 0
    """Commands in all batches; by `batches` gives their mean size."""
    apply_seconds: float = 0.0
    flush_seconds: float = 0.0
    terms_failed: int = 0
    """How often leadership ended by a fault."""
    leading: bool = False
    epoch: int = 0
    queue_length: int = 0
    """Commands taken but not applied, ticks behind a cascade among them."""
    cascades_pending: int = 0
    standby: Standby = field(default_factory=Standby)

"""What the runner counted since the process started; `api` prints it for Prometheus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Metrics:
    """Plain counters, times in seconds; the last four are the state of this moment."""

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

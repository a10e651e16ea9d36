"""The only clock: UTC, in microseconds, never earlier than the time of the command before."""

from __future__ import annotations

from datetime import UTC, datetime


class Clock:
    """Times for commands; `not_before` is the newest time that the log already has."""

    def __init__(self, not_before: datetime | None) -> None:
        self._last = not_before or datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        """The time now, or the last one given where the system's clock was set back."""
        self._last = max(self._last, datetime.now(UTC))
        return self._last

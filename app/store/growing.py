"""Rows that grow while their interval lasts: candles, and what is kept of each fund's history.

What a batch adds to a row is merged into the one that is there, in the transaction that brings the
data, so that no leader needs to know the row under way: one that takes over goes on with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, Self, TypeVar, cast

from app.engine.numbers import begin_of

KeptInterval = Literal["1m", "1h", "1d"]

WIDTHS: dict[KeptInterval, timedelta] = {
    "1m": timedelta(minutes=1),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}


class Growing(Protocol):
    """A row of such a table, a named tuple: whose it is, of which interval, and from when, lead as
    its key."""

    @property
    def key(self) -> tuple[Any, ...]:
        """The primary key of the row."""

    @property
    def interval(self) -> KeptInterval:
        """How long it grows."""

    @property
    def time(self) -> datetime:
        """From when on."""

    def then(self, later: Self) -> Self:
        """The row with what came to it later."""


Row = TypeVar("Row", bound=Growing)
Grown = dict[tuple[Any, ...], Row]
"""Rows by their key."""


def end_of(row: Growing) -> datetime:
    """From then on nothing comes to a row."""
    return row.time + WIDTHS[row.interval]


def join(whole: Grown[Row], parts: Iterable[Row]) -> None:
    """Add parts, in order of time, to their rows."""
    for part in parts:
        earlier = whole.get(part.key)
        whole[part.key] = earlier.then(part) if earlier else part


def rolled_up(finest: Mapping[Any, Row], *intervals: KeptInterval) -> list[Row]:
    """Rows, in order of time, and those of longer intervals that they belong to."""
    whole: Grown[Row] = dict(finest)
    for interval in intervals:
        join(whole, (_within(row, interval) for row in finest.values()))
    return list(whole.values())


def _within(row: Row, interval: KeptInterval) -> Row:
    begin = begin_of(row.time, WIDTHS[interval])
    longer: Row = cast("Any", row)._replace(interval=interval, time=begin)
    return longer

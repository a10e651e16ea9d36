"""What a leader asks of a store: to make a batch durable, and what was answered before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import asyncpg

from app.store import answers
from app.store.answers import AnswerName, Known
from app.store.rows import Writes
from app.store.writer import Writer


class Store(Protocol):
    """A leader's store, under its epoch. `tests/store/contract.py` says what each must do."""

    async def commit(self, batch: Writes) -> None:
        """Make a batch durable, whole or not at all; raises `StaleLeader` if the epoch has moved.

        After any other exception the outcome is unknown (the commit may have happened).
        """

    async def look_up(self, names: Collection[AnswerName]) -> Mapping[AnswerName, Known]:
        """The answers stored under these names, of which there is at least one."""


class PostgresStore:
    """PostgreSQL: a connection to commit over, and one to look things up meanwhile."""

    def __init__(self, writer: Writer, reader: asyncpg.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def commit(self, batch: Writes) -> None:
        """See `Store`."""
        await self._writer.commit(batch)

    async def look_up(self, names: Collection[AnswerName]) -> Mapping[AnswerName, Known]:
        """See `Store`."""
        return await answers.look_up(self._reader, names)

"""The simulated store does what PostgreSQL does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from app.store.growing import Growing, Grown
from app.store.rows import Writes
from app.store.store import Store
from tests.simulation.store import Disk, Network, SimulatedStore
from tests.store.contract import Contents, StoreContract


class Fated(Network):
    """Faults befall commits when they are told to."""

    next_fault: str | None = None

    def fault(self) -> str | None:
        fault, self.next_fault = self.next_fault, None
        return fault


class Simulated:
    """A disk of the test's own."""

    def __init__(self) -> None:
        self._network = Fated(seed=0, fault_rate=0)
        self._disk = Disk()

    async def lead(self) -> Store:
        return SimulatedStore(self._network, self._disk, self._disk.raise_epoch())

    async def contents(self) -> Contents:
        found = {name: {repr(key) for key in rows} for name, rows in self._disk.rows.items()}
        found["commands"] = {repr((number,)) for number in range(1, len(self._disk.log) + 1)}
        return {name: keys for name, keys in found.items() if keys}

    async def grown(self, name: str) -> Grown[Growing]:
        return dict(self._disk.grown[name])

    async def spoil(self, scope: str, key: str) -> None:
        row = self._disk.rows["answers"][scope, key]
        self._disk.rows["answers"][scope, key] = {**row, "format": 0}

    async def lose(self, store: Store, batch: Writes, *, written: bool) -> None:
        self._network.next_fault = "after" if written else "during"
        await store.commit(batch)

    @asynccontextmanager
    async def late(self, store: Store, batch: Writes) -> AsyncIterator[None]:
        self._network.next_fault = "late"
        with suppress(ConnectionError):
            await store.commit(batch)
        yield
        await self._network.settle()


class TestSimulated(StoreContract):
    @pytest.fixture
    def house(self) -> Simulated:
        return Simulated()

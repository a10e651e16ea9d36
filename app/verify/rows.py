"""The state tables at the end of the log: every row, against the state that the replay built."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from app.engine.commands import Recover
from app.engine.state import State
from app.engine.step import Outcome, Touched
from app.store.rows import Row, collect
from app.store.tables import COUNTERS, OPEN
from app.verify.difference import Difference, Differs, Key, Layout

CHUNK = 10_000
"""Rows fetched at a time."""

TABLES = {
    "wallets": "wallets", "accounts": "accounts", "account_contracts": "settings",
    "positions": "positions", "orders": "orders", "contracts": "contracts", "marks": "marks",
    "funds": "funds", "inventory": "inventory", "api_keys": "keys",
}  # fmt: skip
"""The state tables, with what `Touched` calls their rows."""

ALIVE = {"wallets": "WHERE kind <> 'isolated' OR balance <> 0", "orders": f"WHERE {OPEN}"}
"""The rows that stand for state, where a table keeps others as well."""


class Writers:
    """The command that touched each state row last: as many entries as the state has rows."""

    def __init__(self) -> None:
        self._last: dict[str, dict[Any, int]] = {name: {} for name in Touched.__slots__}

    def note(self, outcome: Outcome, state: State) -> None:
        """Remember what a command touched; closed orders are compared at once and forgotten."""
        for name, last in self._last.items():
            for key in getattr(outcome.touched, name):
                last[key] = outcome.sequence
        for order_id in outcome.touched.orders:
            if order_id not in state.orders:
                del self._last["orders"][order_id]

    def of(self, table: str, key: Key) -> int | None:
        """The command that touched the row with this primary key last.

        None for API keys: they are touched under their digest, which is not the table's key.
        """
        return self._last[TABLES[table]].get(key[0] if len(key) == 1 else key)


async def check_state(
    connection: asyncpg.Connection, state: State, writers: Writers
) -> Counter[str]:
    """Compare every row of the state tables; returns how many, or raises `Differs`."""
    compared: Counter[str] = Counter()
    upserts = collect([_whole(state)], (), state.counters).upserts
    for name in TABLES:
        rows = upserts.get(name, [])
        await _Table(connection, name, writers).check(rows)
        compared[name] = len(rows)
    await _check_leadership(connection, state)
    return compared


def _whole(state: State) -> Outcome:
    """The state as the outcome of a command that touched all of it."""
    everything = Touched(
        wallets={k: w for k, w in state.wallets.items() if w.kind != "isolated" or w.balance},
        accounts=state.accounts,
        settings={
            (account.account_id, symbol): settings
            for account in state.accounts.values()
            for symbol, settings in account.settings.items()
        },
        positions={
            (position.account_id, symbol, position.side): position
            for symbol, market in state.markets.items()
            for position in market.positions.values()
        },
        orders=state.orders,
        contracts=state.markets,
        marks={symbol: market for symbol, market in state.markets.items() if market.mark},
        funds=state.funds,
        inventory={
            (fund.fund_id, symbol): inventory
            for fund in state.funds.values()
            for symbol, inventory in fund.inventory.items()
        },
        keys=state.keys,
    )
    assert state.time is not None
    return Outcome(state.counters.command, state.time, Recover(), touched=everything)


class _Table:
    def __init__(self, connection: asyncpg.Connection, name: str, writers: Writers) -> None:
        self._connection = connection
        self._layout = Layout(name)
        self._writers = writers

    async def check(self, rows: list[Row]) -> None:
        """All rows that stand for state against these; raises `Differs`."""
        layout = self._layout
        expected = {layout.key(row): row for row in rows}
        async for found in self._rows():
            row = expected.pop(layout.key(found), None)
            if row is None:
                raise Differs(layout.unknown(found))
            wanted = layout.expected(row)
            if found != wanted:
                raise Differs(layout.differs(wanted, found, self._writer(wanted)))
        if expected:
            raise Differs(await self._lost(layout.expected(expected[min(expected)])))

    async def _rows(self) -> AsyncIterator[Row]:
        query = self._layout.in_order(ALIVE.get(self._layout.table, ""))
        cursor = await self._connection.cursor(query)
        while chunk := await cursor.fetch(CHUNK):
            for record in chunk:
                yield self._layout.found(record)

    async def _lost(self, wanted: Row) -> Difference:
        """A row that is not among those alive: elsewhere in the table, or not there at all."""
        layout = self._layout
        key = layout.key(wanted)
        same = " AND ".join(f"{name} = ${n}" for n, name in enumerate(layout.keys, start=1))
        record = await self._connection.fetchrow(layout.select(f"WHERE {same}"), *key)
        if record is None:
            return layout.missing(wanted, self._writer(wanted))
        return layout.differs(wanted, layout.found(record), self._writer(wanted))

    def _writer(self, row: Row) -> int | None:
        return self._writers.of(self._layout.table, self._layout.key(row))


async def _check_leadership(connection: asyncpg.Connection, state: State) -> None:
    """The counters and the time of the last command."""
    layout = Layout("leadership")
    record = await connection.fetchrow(layout.select())
    assert record is not None, "the migrations put it there"
    found = layout.found(record)
    last = [getattr(state.counters, name) for name in COUNTERS]
    wanted = (*found[:2], state.counters.command, state.time, *last)
    if found != wanted:
        raise Differs(layout.differs(wanted, found, state.counters.command))

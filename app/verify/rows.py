"""The state tables at the end of the log: every row, against the state that the replay built."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from itertools import chain

import asyncpg

from app.engine.commands.leaders import Recover
from app.engine.outcome import Kept, Outcome
from app.engine.state import State
from app.engine.traders import Order, TriggeredOrder
from app.store.rows import TableRow, collect, state_rows
from app.store.tables import ALIVE, COUNTERS
from app.verify.difference import Difference, Differs, Key, Layout

CHUNK = 10_000
"""Rows fetched at a time."""

TABLES = tuple(ALIVE)
"""The state tables."""


class Writers:
    """The command that touched each state row last: as many entries as the state has rows."""

    def __init__(self) -> None:
        self._last: dict[str, dict[TableRow, int]] = {name: {} for name in TABLES}

    def note(self, outcome: Outcome, state: State) -> None:
        """Remember what a command touched; closed orders are compared at once and forgotten."""
        for table, rows in state_rows(outcome.touched).items():
            self._last[table] |= dict.fromkeys(rows, outcome.sequence)
        orders, waiting = self._last["orders"], self._last["triggered_orders"]
        for order in outcome.touched:
            if isinstance(order, Order) and order.order_id not in state.orders:
                del orders[order.order_id,]
            if isinstance(order, TriggeredOrder) and order.order_id not in state.untriggered:
                del waiting[order.order_id,]

    def of(self, table: str, key: Key) -> int | None:
        """The command that touched the row with this primary key last."""
        return self._last[table].get(key)


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
    everything: list[Iterable[Kept]] = [
        (w for w in state.wallets.values() if w.kind != "isolated" or w.balance),
        state.accounts.values(),
        *(account.settings.values() for account in state.accounts.values()),
        *(market.positions.values() for market in state.markets.values()),
        state.orders.values(),
        state.untriggered.values(),
        *(parts for own in state.profits.values() for parts in own.values()),
        state.payouts.values(),
        state.trails.values(),
        state.groups.values(),
        state.markets.values(),
        (market.mark for market in state.markets.values() if market.mark),
        *(market.sources.values() for market in state.markets.values()),
        *(market.mids.values() for market in state.markets.values()),
        (market.funding for market in state.markets.values() if market.funding),
        (market.delivery for market in state.markets.values() if market.delivery),
        state.funds.values(),
        *(fund.inventory.values() for fund in state.funds.values()),
        [state.treasury] if state.treasury.sequence else [],
        *(fund.memory.values() for fund in state.funds.values()),
        *(
            minutes
            for fund in state.funds.values()
            for memory in fund.memory.values()
            for minutes in memory.minutes.values()
        ),
        state.verdicts.values(),
        state.keys.values(),
    ]
    assert state.time is not None
    touched = dict.fromkeys(chain.from_iterable(everything))
    return Outcome(state.counters.command, state.time, Recover(), touched=touched)


class _Table:
    def __init__(self, connection: asyncpg.Connection, name: str, writers: Writers) -> None:
        self._connection = connection
        self._layout = Layout(name)
        self._writers = writers

    async def check(self, rows: list[TableRow]) -> None:
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

    async def _rows(self) -> AsyncIterator[TableRow]:
        query = self._layout.in_order(ALIVE[self._layout.table])
        cursor = await self._connection.cursor(query)
        while chunk := await cursor.fetch(CHUNK):
            for record in chunk:
                yield self._layout.found(record)

    async def _lost(self, wanted: TableRow) -> Difference:
        """A row that is not among those alive: elsewhere in the table, or not there at all."""
        layout = self._layout
        key = layout.key(wanted)
        same = " AND ".join(f"{name} = ${n}" for n, name in enumerate(layout.keys, start=1))
        record = await self._connection.fetchrow(layout.select(f"WHERE {same}"), *key)
        if record is None:
            return layout.missing(wanted, self._writer(wanted))
        return layout.differs(wanted, layout.found(record), self._writer(wanted))

    def _writer(self, row: TableRow) -> int | None:
        return self._writers.of(self._layout.table, self._layout.key(row))


async def _check_leadership(connection: asyncpg.Connection, state: State) -> None:
    """The counters and the time of the last command."""
    layout = Layout("leadership")
    record = await connection.fetchrow(layout.select())
    assert record is not None, "the migrations put it there"
    found = layout.found(record)
    counted = {f"last_{name}": getattr(state.counters, name) for name in COUNTERS}
    values = {**record, "sequence": state.counters.command, "time": state.time, **counted}
    wanted = tuple(values[name] for name in layout.names)
    if found != wanted:
        raise Differs(layout.differs(wanted, found, state.counters.command))

"""Append-only tables, row by row: what the replay produced against what was written.

One cursor per table (per fund for its history) follows the replay in the order of the key, so
that neither memory nor the place of the first difference depends on the length of the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any, get_args

import asyncpg

from app.engine.commands import OrderStatus, TriggeredStatus
from app.engine.events import TREASURY
from app.engine.outcome import Outcome
from app.engine.state import Counters, State
from app.store.growing import Growing
from app.store.rows import TableRow, TableRows, Writes, collect
from app.verify.difference import Difference, Differs, Key, Layout
from app.verify.growing import GROWING, GrowingTable

RECORDS = (
    "transfers", "fund_history", "treasury_history", "trades", "liquidations", "clearance_fees",
    "adl_events", "adl_counterparties", "alerts", "incident_releases", "funding_payments",
    "funding_rates", "index_samples", "position_settlements", "settlements", "offload_steps",
)  # fmt: skip
COUNTED = {
    "transfers": "transfer", "trades": "trade", "liquidations": "liquidation",
    "clearance_fees": "liquidation", "adl_events": "adl_event", "adl_counterparties": "adl_event",
    "alerts": "alert", "incident_releases": "command", "funding_payments": "command",
    "funding_rates": "command", "index_samples": "command", "position_settlements": "command",
    "settlements": "command", "offload_steps": "command",
}  # fmt: skip
"""The counter of the first column of each table's key; a history has its fund's, or the treasury's,
own."""
CHAINS = ("fund_history", "treasury_history")
LOWEST = -(2**63)
"""Where nothing was counted, no row is left out, whatever its number."""
CLOSED = {
    "orders": frozenset(get_args(OrderStatus)) - {"new", "partially_filled"},
    "triggered_orders": frozenset(get_args(TriggeredStatus)) - {"untriggered"},
}
"""With which status orders are final, by table."""
LAYOUTS = {name: Layout(name) for name in (*RECORDS, *CLOSED)}
_STATUS = {name: LAYOUTS[name].names.index("status") for name in CLOSED}


class Stream:
    """Rows of a table in the order of the key, read as far as the replay has come."""

    def __init__(self, layout: Layout, cursor: Any) -> None:
        self._layout = layout
        self._cursor = cursor

    async def compare(self, rows: Sequence[TableRow]) -> Difference | None:
        """The next rows of the table against these, which are in order; the first difference."""
        layout = self._layout
        found = [layout.found(record) for record in await self._cursor.fetch(len(rows))]
        for number, row in enumerate(rows):
            wanted = layout.expected(row)
            if number == len(found) or layout.key(found[number]) > layout.key(wanted):
                return layout.missing(wanted)
            if layout.key(found[number]) < layout.key(wanted):
                return layout.unknown(found[number])
            if found[number] != wanted:
                return layout.differs(wanted, found[number])
        return None

    async def rest(self) -> Difference | None:
        """The first row that is left, if any."""
        for record in await self._cursor.fetch(1):
            return self._layout.unknown(self._layout.found(record))
        return None


class Records:
    """The append-only tables and, as they are final, closed orders and rows that grow."""

    def __init__(self, connection: asyncpg.Connection, begin: State) -> None:
        """`begin` is the state before the first command: what it has counted is not compared."""
        self._connection = connection
        counted: dict[Key, int] = {
            (name,): getattr(begin.counters, counter) for name, counter in COUNTED.items()
        }
        for fund in begin.funds.values():
            counted["fund_history", fund.fund_id] = fund.sequence
        counted["treasury_history", TREASURY] = begin.treasury.sequence
        self._first = {key: count + 1 if count else LOWEST for key, count in counted.items()}
        self._streams: dict[Key, Stream] = {}
        self._growing = {name: GrowingTable(connection, name, begin.time) for name in GROWING}
        self.compared: Counter[str] = Counter()
        """Rows compared, by table."""

    async def check(self, outcomes: Sequence[Outcome], counters: Counters) -> None:
        """Compare what some commands left behind; raises `Differs`, with the earliest of them."""
        batch = collect(outcomes, (), counters)
        differences = [found async for found in self._compare(batch)]
        if differences:
            raise Differs(_earliest(differences, outcomes, counters))

    async def finish(self, counters: Counters) -> None:
        """After the last command nothing must be left in the tables; raises `Differs`."""
        if differences := await self._check_growing({}, None):
            raise Differs(differences[0])
        for table in self._growing.values():
            await table.finish()
        for key in self._first:
            if key not in self._streams:
                await self._stream(key)
        for stream in self._streams.values():
            if difference := await stream.rest():
                raise Differs(difference)
        funds = [key[1] for key in self._streams if key[0] == "fund_history"]
        await self._nothing("fund_history", "fund_id <> ALL($1::text[])", funds)
        for name in CLOSED:
            await self._nothing(name, "order_id NOT BETWEEN 1 AND $1", counters.order)

    async def _compare(self, batch: Writes) -> AsyncIterator[Difference]:
        for key, rows in _by_stream(batch.appends):
            self.compared[key[0]] += len(rows)
            stream = self._streams.get(key) or await self._stream(key)
            if difference := await stream.compare(rows):
                yield difference
        for name, statuses in CLOSED.items():
            rows = batch.upserts.get(name, [])
            closed = [row for row in rows if row[_STATUS[name]] in statuses]
            self.compared[name] += len(closed)
            if closed and (difference := await self._compare_orders(name, closed)):
                yield difference
        for difference in await self._check_growing(batch.merges, batch.time):
            yield difference

    async def _check_growing(
        self, merges: Mapping[str, Sequence[Growing]], now: datetime | None
    ) -> list[Difference]:
        found: list[Difference] = []
        for name, table in self._growing.items():
            compared, differences = await table.check(merges.get(name, ()), now)
            self.compared[name] += compared
            found += differences
        return found

    async def _compare_orders(self, name: str, rows: list[TableRow]) -> Difference | None:
        layout = LAYOUTS[name]
        rows.sort(key=layout.key)
        query = layout.select("WHERE order_id = ANY($1::bigint[])")
        records = await self._connection.fetch(query, [row[0] for row in rows])
        found = {record[0]: layout.found(record) for record in records}
        for row in rows:
            if row[0] not in found:
                return layout.missing(row)
            if found[row[0]] != row:
                return layout.differs(row, found[row[0]])
        return None

    async def _stream(self, key: Key) -> Stream:
        """Open a table, or a fund's history, where the replay began."""
        layout = LAYOUTS[key[0]]
        *owner, number = layout.keys[: len(key)]
        where = f"WHERE {number} >= $1" + "".join(f" AND {name} = $2" for name in owner)
        first = self._first.get(key, LOWEST)
        cursor = await self._connection.cursor(layout.in_order(where), first, *key[1:])
        self._streams[key] = Stream(layout, cursor)
        return self._streams[key]

    async def _nothing(self, name: str, condition: str, value: object) -> None:
        layout = LAYOUTS[name]
        query = layout.in_order(f"WHERE {condition}") + " LIMIT 1"
        if record := await self._connection.fetchrow(query, value):
            raise Differs(layout.unknown(layout.found(record)))


def _by_stream(appends: TableRows) -> Iterator[tuple[Key, list[TableRow]]]:
    """The rows of each stream in order of their key."""
    for name, rows in appends.items():
        rows.sort(key=LAYOUTS[name].key)
        if name in CHAINS:
            for fund_id, part in groupby(rows, lambda row: row[0]):
                yield (name, fund_id), list(part)
        else:
            yield (name,), rows


def _earliest(
    differences: Iterable[Difference], outcomes: Iterable[Outcome], counters: Counters
) -> Difference:
    """The difference whose row was written first in the replay, with the command that wrote it.

    Many write a row that grows: it comes last.
    """
    writers: dict[tuple[str, str], int] = {}
    for outcome in outcomes:
        batch = collect([outcome], (), counters)
        orders = {name: batch.upserts.get(name, []) for name in CLOSED}
        for name, rows in (*batch.appends.items(), *orders.items()):
            for row in rows:
                writers[name, LAYOUTS[name].shown(row)] = outcome.sequence
    named = [replace(d, command=writers.get((d.table, d.key))) for d in differences]
    return min(named, key=lambda d: (d.table in GROWING, d.command or 0))

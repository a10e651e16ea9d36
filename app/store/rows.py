"""What a batch of commands makes durable: the rows of its outcomes, as plain tuples.

Outcomes hold references to the engine's live objects, so `collect` must run before the engine
applies anything else. State rows are the latest of each key; records keep their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import JSON, Table

from app.engine.contracts import Bracket, IndexSource
from app.engine.events import (
    AdlEvent,
    Alert,
    ClearanceFee,
    ContractSettled,
    FundEntry,
    FundingPayment,
    FundingSettled,
    IncidentRelease,
    IndexSample,
    Liquidation,
    OffloadStep,
    PositionSettled,
    QueueEntry,
    Trade,
    Transfer,
    TreasuryEntry,
)
from app.engine.markets import Delivery, Funding, Market
from app.engine.marks import Mark, MidSample, SourcePrice
from app.engine.memory import FundMemory, Minute
from app.engine.numbers import plain
from app.engine.outcome import IndexPrice, Kept, Outcome, Record
from app.engine.policies import FundPolicy
from app.engine.state import ApiKey, Counters, Fund, Inventory, Payout, Treasury, Verdict
from app.engine.traders import (
    Account,
    ContractSettings,
    Group,
    HeldProfit,
    Order,
    Position,
    Trail,
    TriggeredOrder,
    Wallet,
)
from app.store import codec, tables
from app.store.buckets import fund_rows
from app.store.candles import candles
from app.store.growing import Growing
from app.store.owners import owner_rows
from app.store.tables.log import AdminAct, StoredAnswer

TableRow = tuple[Any, ...]
TableRows = dict[str, list[TableRow]]
"""Rows by table name, their values in the order of the table's columns."""


@dataclass(slots=True)
class Writes:
    """All that one commit writes. `upserts` and `deletes` never name the same key.

    `deletes` holds primary keys, `merges` what is added to rows that grow. `commands` are sequence,
    time, kind and body: the epoch and the rules' version are the writer's.
    """

    sequence: int
    time: datetime | None
    counters: TableRow
    upserts: TableRows = field(default_factory=lambda: defaultdict(list))
    deletes: TableRows = field(default_factory=lambda: defaultdict(list))
    appends: TableRows = field(default_factory=lambda: defaultdict(list))
    merges: dict[str, Sequence[Growing]] = field(default_factory=dict)
    commands: list[tuple[int, datetime, str, str]] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit: every command was refused, and no answer is kept."""
        return not (self.commands or self.appends or self.upserts)


def collect(
    outcomes: Sequence[Outcome],
    answers: Iterable[StoredAnswer],
    counters: Counters,
    acts: Sequence[AdminAct] = (),
) -> Writes:
    """The rows of outcomes that were applied in this order; `counters` are the engine's now.

    `acts` are those of them that were an admin's.

    Refused commands leave no row. A position or inventory without quantity is a
    delete, a held profit without an amount, a trail or group without orders, a minute without
    changes.
    """
    batch = Writes(counters.command, None, _COUNTERS(counters))
    touched: dict[Kept, None] = {}
    marks: list[Mark] = []
    index_prices: list[IndexPrice] = []
    for outcome in outcomes:
        if not outcome.accepted:
            continue
        kind, body = codec.encode_command(outcome.command)
        batch.commands.append((outcome.sequence, outcome.time, kind, body))
        batch.time = outcome.time
        touched.update(outcome.touched)
        for record in outcome.records:
            _add_record(batch.appends, record)
        marks += outcome.marks
        index_prices += outcome.index_prices
    for table, rows in state_rows(touched).items():
        _add_state(batch, table, rows)
    trades = cast("list[Trade]", batch.appends.get("trades", []))
    grown = fund_rows(outcomes)
    grown["owner_results"] = owner_rows(outcomes)
    grown["candles"] = candles(marks, index_prices, trades)
    batch.merges = {name: rows for name, rows in grown.items() if rows}
    if acts:
        batch.appends["admin_acts"].extend(acts)
    for answer in answers:
        into = batch.upserts if answer.replaces else batch.appends
        into["answers"].append(_ANSWER(answer))
    return batch


def state_rows(touched: Iterable[Kept]) -> dict[str, dict[TableRow, TableRow]]:
    """The rows of the state as it is now, by table and primary key: of several, the last."""
    found: defaultdict[str, dict[TableRow, TableRow]] = defaultdict(dict)
    for kept in touched:
        table, row_of, key_length = _STATE[type(kept)]
        row = row_of(kept)
        found[table][row[:key_length]] = row
    return found


def _add_state(batch: Writes, table: str, rows: dict[TableRow, TableRow]) -> None:
    place = QUANTITY.get(table)
    if place is None:
        batch.upserts[table].extend(rows.values())
        return
    for key, row in rows.items():
        if row[place]:
            batch.upserts[table].append(row)
        else:
            batch.deletes[table].append(key)


def _add_record(appends: TableRows, record: Record) -> None:
    table, row_of = _RECORDS[type(record)]
    appends[table].append(row_of(record) if row_of else cast("TableRow", record))
    if isinstance(record, AdlEvent):
        appends["adl_counterparties"].extend(
            (record.adl_event_id, number, *part)
            for number, part in enumerate(record.counterparties, start=1)
        )


RowOf = Callable[[Any], TableRow]


def _row_of(table: Table, **written: Callable[[Any], str]) -> RowOf:
    """What makes the row of an object: its attributes by the names of the columns.

    Those of JSON are `written` so; what is not named there, as strings, numbers, lists and dicts.
    """
    attributes: RowOf = attrgetter(*(column.info["attribute"] for column in table.columns))
    writes = [(place, written.get(name, codec.to_text)) for place, name in _json(table)]
    if not writes:
        return attributes

    def row_of(kept: Any) -> TableRow:
        row = list(attributes(kept))
        for place, write in writes:
            row[place] = write(row[place])
        return tuple(row)

    return row_of


def _json(table: Table) -> list[tuple[int, str]]:
    """Which columns are JSON, and where in a row."""
    return [
        (place, column.name)
        for place, column in enumerate(table.columns)
        if isinstance(column.type, JSON)
    ]


def _brackets(brackets: tuple[Bracket, ...]) -> str:
    return codec.to_text(codec.to_json(tuple[Bracket, ...], brackets))


def _policy(policy: FundPolicy) -> str:
    return codec.to_text(codec.to_json(FundPolicy, policy))


def _sources(sources: tuple[IndexSource, ...]) -> str:
    return codec.to_text(codec.to_json(tuple[IndexSource, ...], sources))


def _minimum(required_minimum: dict[str, Decimal]) -> str:
    return codec.to_text({asset: plain(amount) for asset, amount in required_minimum.items()})


def _keys(wallets: list[Wallet]) -> str:
    return codec.to_text([wallet.key for wallet in wallets])


def _queue(queue: tuple[QueueEntry, ...]) -> str:
    return f"[{','.join(map(_queue_entry, queue))}]"


# In a cascade the same places are kept by one event after the other.
_queue_entry = lru_cache(maxsize=1024)(codec.to_text)


def _state(table: Table, **written: Callable[[Any], str]) -> tuple[str, RowOf, int]:
    return table.name, _row_of(table, **written), len(table.primary_key)


_STATE: dict[type, tuple[str, RowOf, int]] = {
    Wallet: _state(tables.wallets),
    Account: _state(tables.accounts),
    ContractSettings: _state(tables.account_contracts),
    Position: _state(tables.positions),
    Inventory: _state(tables.inventory),
    Order: _state(tables.orders),
    TriggeredOrder: _state(tables.triggered_orders),
    HeldProfit: _state(tables.held_profits),
    Payout: _state(tables.payouts),
    Trail: _state(tables.trails),
    Group: _state(tables.order_groups),
    Market: _state(tables.contracts, brackets=_brackets, index_sources=_sources),
    Mark: _state(tables.marks),
    SourcePrice: _state(tables.source_prices),
    MidSample: _state(tables.mid_samples),
    Funding: _state(tables.funding),
    Delivery: _state(tables.deliveries),
    Fund: _state(tables.funds, policy=_policy, required_minimum=_minimum, wallets=_keys),
    Treasury: _state(tables.treasury),
    FundMemory: _state(tables.fund_memory),
    Minute: _state(tables.fund_minutes),
    Verdict: _state(tables.calibration_verdicts),
    ApiKey: _state(tables.api_keys),
}
"""Of what is kept: its table, what makes its row, how many columns lead as its key."""
QUANTITY = {
    table.name: table.columns.keys().index(name)
    for table, name in (
        (tables.positions, "quantity"),
        (tables.inventory, "quantity"),
        (tables.held_profits, "amount"),
        (tables.trails, "orders"),
        (tables.order_groups, "orders"),
        (tables.fund_minutes, "changes"),
    )
}
"""Where the quantity, or number, is in rows that are a delete without one."""


def _record(table: Table, kind: type, **written: Callable[[Any], str]) -> tuple[str, RowOf | None]:
    """Most records are rows already: tuples whose fields are the table's columns."""
    is_row = getattr(kind, "_fields", ()) == tuple(table.columns.keys()) and not _json(table)
    return table.name, None if is_row else _row_of(table, **written)


_RECORDS: dict[type, tuple[str, RowOf | None]] = {
    Transfer: _record(tables.transfers, Transfer),
    FundEntry: _record(tables.fund_history, FundEntry),
    TreasuryEntry: _record(tables.treasury_history, TreasuryEntry),
    Trade: _record(tables.trades, Trade),
    Liquidation: _record(tables.liquidations, Liquidation),
    ClearanceFee: _record(tables.clearance_fees, ClearanceFee),
    AdlEvent: _record(tables.adl_events, AdlEvent, queue=_queue),
    Alert: _record(tables.alerts, Alert),
    IncidentRelease: _record(tables.incident_releases, IncidentRelease),
    FundingPayment: _record(tables.funding_payments, FundingPayment),
    FundingSettled: _record(tables.funding_rates, FundingSettled),
    IndexSample: _record(tables.index_samples, IndexSample),
    PositionSettled: _record(tables.position_settlements, PositionSettled),
    ContractSettled: _record(tables.settlements, ContractSettled),
    OffloadStep: _record(tables.offload_steps, OffloadStep),
}
_COUNTERS = attrgetter(*tables.COUNTERS)
_ANSWER = _row_of(tables.answers, results=codec.encode_results)

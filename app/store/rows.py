"""What a batch of commands makes durable: the rows of its outcomes, as plain tuples.

Outcomes hold references to the engine's live objects, so `collect` must run before the engine
applies anything else. State rows are the latest of each key; records keep their order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, cast

from sqlalchemy import Table

from app.engine.contracts import Bracket, Contract
from app.engine.events import (
    AdlEvent,
    Alert,
    ClearanceFee,
    FundEntry,
    Liquidation,
    Trade,
    Transfer,
)
from app.engine.numbers import plain
from app.engine.outcome import Kept, Outcome, Record
from app.engine.state import (
    Account,
    ApiKey,
    Counters,
    Fund,
    Inventory,
    Mark,
    Order,
    Position,
    Settings,
    Wallet,
)
from app.store import codec, tables

Row = tuple[Any, ...]
Rows = dict[str, list[Row]]
"""Rows by table name, their values in the order of the table's columns."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer to a request or order, kept under its idempotency key.

    A request whose effects take several commits is stored with the first of them, None for what
    is not applied yet; what is stored later `replaces` that.
    """

    scope: str
    key: str
    digest: str
    results: Sequence[object]
    time: datetime
    replaces: bool = False


@dataclass(slots=True)
class Batch:
    """All that one commit writes. `upserts` and `deletes` never name the same key.

    `deletes` holds primary keys. `commands` rows lack the epoch and the rules' version: the writer
    knows them.
    """

    sequence: int
    time: datetime | None
    counters: Row
    upserts: Rows = field(default_factory=lambda: defaultdict(list))
    deletes: Rows = field(default_factory=lambda: defaultdict(list))
    appends: Rows = field(default_factory=lambda: defaultdict(list))
    commands: list[Row] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to commit: every command was refused, and no answer is kept."""
        return not (self.commands or self.appends or self.upserts)


def collect(
    outcomes: Iterable[Outcome], answers: Iterable[StoredAnswer], counters: Counters
) -> Batch:
    """The rows of outcomes that were applied in this order; `counters` are the engine's now.

    Refused commands leave no row. A position or inventory without quantity is a delete.
    """
    batch = Batch(counters.command, None, _counters(counters))
    touched: dict[Kept, None] = {}
    for outcome in outcomes:
        if not outcome.accepted:
            continue
        kind, body = codec.encode_command(outcome.command)
        batch.commands.append((outcome.sequence, outcome.time, kind, body))
        batch.time = outcome.time
        touched.update(outcome.touched)
        for record in outcome.records:
            _add_record(batch.appends, record)
    for table, rows in state_rows(touched).items():
        _add_state(batch, table, rows)
    for answer in answers:
        into = batch.upserts if answer.replaces else batch.appends
        into["answers"].append(_answer_row(answer))
    return batch


def state_rows(touched: Iterable[Kept]) -> dict[str, dict[Row, Row]]:
    """The rows of the state as it is now, by table and primary key: of several, the last."""
    found: dict[str, dict[Row, Row]] = {}
    for kept in touched:
        table, row_of, key_length = _STATE[type(kept)]
        row = row_of(kept)
        found.setdefault(table, {})[row[:key_length]] = row
    return found


def _getter(table: Table) -> Callable[[Any], Row]:
    """The row of an object whose attributes are named like the table's columns."""
    return attrgetter(*table.columns.keys())


_counters = attrgetter(*tables.COUNTERS)
_liquidation = attrgetter(*tables.liquidations.columns.keys()[:-1])
_contract = _getter(tables.contracts)
_BRACKETS = tables.contracts.columns.keys().index("brackets")


def _contract_row(contract: Contract) -> Row:
    row = list(_contract(contract))
    row[_BRACKETS] = codec.to_text(codec.to_json(tuple[Bracket, ...], contract.brackets))
    return tuple(row)


def _fund_row(fund: Fund) -> Row:
    minimum = {asset: plain(amount) for asset, amount in fund.required_minimum.items()}
    policy = fund.policy
    return (
        fund.fund_id, fund.name,
        policy.max_net_notional_ratio, policy.share_below_minimum, policy.share_above_minimum,
        codec.to_text(minimum), codec.to_text([wallet.key for wallet in fund.wallets]),
        fund.created_at, fund.sequence, fund.last_hash,
    )  # fmt: skip


def _key_row(key: ApiKey) -> Row:
    new = key.key
    return (
        new.key_id, new.name, new.scope, new.digest, new.account_id, key.created_at, key.revoked_at
    )  # fmt: skip


def _state(table: Table, row_of: Callable[[Any], Row] | None = None) -> _State:
    return table.name, row_of or _getter(table), len(table.primary_key)


_State = tuple[str, Callable[[Any], Row], int]
"""A state table: its name, the row of an object, how many columns lead as its key."""
_STATE: dict[type, _State] = {
    Wallet: _state(tables.wallets),
    Account: _state(tables.accounts),
    Settings: _state(tables.account_contracts),
    Position: _state(tables.positions),
    Inventory: _state(tables.inventory),
    Order: _state(tables.orders),
    Contract: _state(tables.contracts, _contract_row),
    Mark: _state(tables.marks),
    Fund: _state(tables.funds, _fund_row),
    ApiKey: _state(tables.api_keys, _key_row),
}
_HELD = ("positions", "inventory")
"""Tables of which a row without quantity, the column after the key, is a delete."""
_RECORDS: dict[type, str] = {
    Transfer: "transfers", Trade: "trades", FundEntry: "fund_history",
    ClearanceFee: "clearance_fees",
}  # fmt: skip
"""Records that are rows already: tuples whose fields are the table's columns."""


def _add_state(batch: Batch, table: str, rows: dict[Row, Row]) -> None:
    if table not in _HELD:
        batch.upserts[table].extend(rows.values())
        return
    for key, row in rows.items():
        if row[len(key)]:
            batch.upserts[table].append(row)
        else:
            batch.deletes[table].append(key)


def _add_record(appends: Rows, record: Record) -> None:
    table = _RECORDS.get(type(record))
    if table is not None:
        appends[table].append(cast("Row", record))
    elif isinstance(record, Liquidation):
        appends["liquidations"].append((*_liquidation(record), codec.to_text(record.steps)))
    elif isinstance(record, AdlEvent):
        *row, queue, counterparties, ranked_at = record
        places = f"[{','.join(map(_queue_entry, queue))}]"
        appends["adl_events"].append((*row, places, ranked_at))
        appends["adl_counterparties"].extend(
            (record.adl_event_id, number, *part)
            for number, part in enumerate(counterparties, start=1)
        )
    elif isinstance(record, Alert):
        *row, detail = record
        appends["alerts"].append((*row, codec.to_text(detail)))


# In a cascade the same places are kept by one event after the other.
_queue_entry = lru_cache(maxsize=1024)(codec.to_text)


def _answer_row(answer: StoredAnswer) -> Row:
    results = codec.encode_results(answer.results)
    return (
        answer.scope, answer.key, answer.digest, results, answer.time, codec.RESULTS_FORMAT,
    )  # fmt: skip

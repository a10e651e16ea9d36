"""What a batch of commands makes durable: the rows of its outcomes, as plain tuples.

Outcomes hold references to the engine's live objects, so `collect` must run before the engine
applies anything else. State rows are the latest of each key; records keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import Table

from app.engine.events import AdlEvent, Liquidation
from app.engine.numbers import plain
from app.engine.state import ApiKey, Counters, Fund, Market, Settings
from app.engine.step import Outcome, Touched
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

    `deletes` holds primary keys. `commands` rows lack the epoch: the writer knows it.
    """

    sequence: int
    time: datetime | None
    counters: Row
    upserts: Rows = field(default_factory=dict)
    deletes: Rows = field(default_factory=dict)
    appends: Rows = field(default_factory=dict)
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
    touched = Touched()
    for outcome in outcomes:
        if not outcome.accepted:
            continue
        kind, body = codec.encode_command(outcome.command)
        batch.commands.append((outcome.sequence, outcome.time, kind, body))
        batch.time = outcome.time
        for merged, of_outcome in zip(_dicts(touched), _dicts(outcome.touched), strict=True):
            merged.update(of_outcome)
        _add_records(batch.appends, outcome)
    _add_state(batch, touched)
    for answer in answers:
        rows = batch.upserts if answer.replaces else batch.appends
        _add(rows, "answers", [_answer_row(answer)])
    return batch


def _getter(table: Table) -> Callable[[Any], Row]:
    """The row of an object whose attributes are named like the table's columns."""
    return attrgetter(*table.columns.keys())


_dicts = attrgetter(*Touched.__slots__)
_counters = attrgetter(*tables.COUNTERS)
_wallet = _getter(tables.wallets)
_account = _getter(tables.accounts)
_position = _getter(tables.positions)
_inventory = _getter(tables.inventory)
_order = _getter(tables.orders)
_mark = attrgetter(*tables.marks.columns.keys()[1:])
_transfer = _getter(tables.transfers)
_fund_entry = _getter(tables.fund_history)
_trade = _getter(tables.trades)
_liquidation = _getter(tables.liquidations)
_clearance_fee = _getter(tables.clearance_fees)
_adl_event = attrgetter(*tables.adl_events.columns.keys()[:-1])
_counterparty = attrgetter(*tables.adl_counterparties.columns.keys()[2:])
_contract = _getter(tables.contracts)
_BRACKETS = tables.contracts.columns.keys().index("brackets")


def _add(rows: Rows, table: str, more: list[Row]) -> None:
    if more:
        rows.setdefault(table, []).extend(more)


def _add_held(batch: Batch, table: str, rows: Iterable[Row], *, key_length: int) -> None:
    """Rows of (key ..., quantity, cost): those without quantity are deletes."""
    held: list[Row] = []
    gone: list[Row] = []
    for row in rows:
        if row[key_length]:
            held.append(row)
        else:
            gone.append(row[:key_length])
    _add(batch.upserts, table, held)
    _add(batch.deletes, table, gone)


def _add_state(batch: Batch, touched: Touched) -> None:
    """Snapshots of the touched state."""
    upserts = batch.upserts
    _add(upserts, "wallets", [_wallet(wallet) for wallet in touched.wallets.values()])
    _add(upserts, "accounts", [_account(account) for account in touched.accounts.values()])
    _add(upserts, "account_contracts", [_settings(*item) for item in touched.settings.items()])
    _add_held(batch, "positions", map(_position, touched.positions.values()), key_length=3)
    _add_held(batch, "inventory", map(_inventory, touched.inventory.values()), key_length=2)
    _add(upserts, "orders", [_order(order) for order in touched.orders.values()])
    _add(upserts, "contracts", [_contract_row(market) for market in touched.contracts.values()])
    _add(upserts, "marks", [(symbol, *_mark(m.mark)) for symbol, m in touched.marks.items()])
    _add(upserts, "funds", [_fund_row(fund) for fund in touched.funds.values()])
    _add(upserts, "api_keys", [_key_row(key) for key in touched.keys.values()])


def _add_records(appends: Rows, outcome: Outcome) -> None:
    """The append-only records of one outcome."""
    _add(appends, "transfers", [_transfer(transfer) for transfer in outcome.transfers])
    _add(appends, "fund_history", [_fund_entry(entry) for entry in outcome.fund_entries])
    _add(appends, "trades", [_trade(trade) for trade in outcome.trades])
    for liquidation in outcome.liquidations:
        _add(appends, "liquidations", [_liquidation(liquidation)])
        _add(appends, "liquidation_steps", _step_rows(liquidation))
    _add(appends, "clearance_fees", [_clearance_fee(fee) for fee in outcome.clearance_fees])
    for event in outcome.adl_events:
        queue = codec.to_text(list(event.queue))
        _add(appends, "adl_events", [(*_adl_event(event), queue)])
        _add(appends, "adl_counterparties", _counterparty_rows(event))
    alerts: list[Row] = [
        (a.alert_id, a.time, a.kind, a.fund_id, a.asset, codec.to_text(a.detail))
        for a in outcome.alerts
    ]
    _add(appends, "alerts", alerts)


def _answer_row(answer: StoredAnswer) -> Row:
    results = codec.encode_results(answer.results)
    return answer.scope, answer.key, answer.digest, results, answer.time


def _settings(key: tuple[str, str], settings: Settings) -> Row:
    return (*key, settings.leverage, settings.margin_mode)


def _contract_row(market: Market) -> Row:
    row = list(_contract(market.contract))
    row[_BRACKETS] = codec.to_text(list(market.contract.brackets))
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


def _step_rows(liquidation: Liquidation) -> list[Row]:
    key = liquidation.liquidation_id
    return [(key, step.number, step.kind, codec.to_text(step.detail)) for step in liquidation.steps]


def _counterparty_rows(event: AdlEvent) -> list[Row]:
    return [
        (event.adl_event_id, number, *_counterparty(part))
        for number, part in enumerate(event.counterparties, start=1)
    ]

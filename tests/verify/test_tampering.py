"""One changed, missing or added row of each kind of table is found and named."""

from __future__ import annotations

from dataclasses import dataclass

import asyncpg
import pytest

from app.store.tables import MERGED
from app.verify.difference import Difference, text
from app.verify.replay import verify


@dataclass(frozen=True)
class Tampering:
    """A statement that returns the key of the row it tampers with, and what must be found."""

    table: str
    statement: str
    what: str = "differs"
    columns: tuple[str, ...] = ()


def change(table: str, column: str, value: str, where: str) -> Tampering:
    """Set a column of one row."""
    keys = KEYS[table]
    one = f"({keys}) = (SELECT {keys} FROM {table} WHERE {where} ORDER BY {keys} LIMIT 1)"
    statement = f"UPDATE {table} SET {column} = {value} WHERE {one} RETURNING {keys}"
    return Tampering(table, statement, columns=(column,))


def remove(table: str, where: str = "true") -> Tampering:
    """Delete one row."""
    keys = KEYS[table]
    one = f"({keys}) = (SELECT {keys} FROM {table} WHERE {where} ORDER BY {keys} LIMIT 1)"
    return Tampering(table, f"DELETE FROM {table} WHERE {one} RETURNING {keys}", "missing")


def add(table: str, keys: str, columns: str) -> Tampering:
    """Copy a row under another key."""
    statement = (
        f"INSERT INTO {table} SELECT {keys}, {columns} FROM {table} LIMIT 1 RETURNING {KEYS[table]}"
    )
    return Tampering(table, statement, "no command of the log")


KEYS = {
    "wallets": "key", "positions": "account_id, symbol, side", "accounts": "account_id",
    "account_contracts": "account_id, symbol", "orders": "order_id", "contracts": "symbol",
    "marks": "symbol", "funds": "fund_id", "inventory": "fund_id, symbol", "api_keys": "key_id",
    "transfers": "transfer_id", "trades": "trade_id", "fund_history": "fund_id, sequence",
    "treasury": "fund_id", "treasury_history": "fund_id, sequence",
    "liquidations": "liquidation_id", "clearance_fees": "liquidation_id",
    "adl_events": "adl_event_id", "adl_counterparties": "adl_event_id, number",
    "alerts": "alert_id", "leadership": "one", "candles": "symbol, source, interval, time",
    "fund_intervals": "fund_id, asset, interval, time",
    "fund_flows": "fund_id, asset, interval, time, kind",
    "fund_volumes": "fund_id, asset, interval, time, kind, side",
    "owner_results": "owner_id, symbol, interval, time",
}  # fmt: skip
LATE = "sequence > 5"

TAMPERINGS = [
    change("wallets", "balance", "balance + 0.00000001", "kind = 'cross' AND balance > 0"),
    change("wallets", "owner", "'mallory'", "kind = 'cross'"),
    change("wallets", "balance", "0", "kind = 'isolated' AND balance <> 0"),
    remove("wallets", "kind = 'cross'"),
    change("positions", "quantity", "quantity * 2", "true"),
    change("positions", "cost", "cost + 1", "true"),
    remove("positions"),
    change("accounts", "created_at", "created_at + interval '1 us'", "true"),
    change("accounts", "cancel_at", "now()", "true"),
    change("account_contracts", "leverage", "leverage + 1", "true"),
    change("orders", "price", "price + 1", "status = 'new'"),
    change("orders", "status", "'canceled'", "status = 'new'"),
    change("orders", "status", "'new'", "status = 'canceled' AND filled_quantity = 0"),
    change("orders", "filled_value", "filled_value + 1", "status = 'filled'"),
    change("orders", "client_order_id", "'other'", "status = 'expired'"),
    change("orders", "requeued", "order_id", "status = 'new'"),
    remove("orders", "status = 'new'"),
    remove("orders", "status = 'filled'"),
    change("contracts", "taker_fee_rate", "0.01", "true"),
    change("contracts", "brackets", "jsonb_set(brackets, '{0,max_leverage}', '7')", "true"),
    change("marks", "index_price", "index_price + 1", "true"),
    change("funds", "policy", "jsonb_set(policy, '{share_above_minimum}', '\"0.51\"')", "true"),
    change("funds", "required_minimum", """'{"USDT": "101"}'""", "fund_id = 'poor'"),
    change("inventory", "cost", "cost + 1", "true"),
    change("api_keys", "scope", "'feed', account_id = null", "true"),
    change("transfers", "amount", "amount + 1", "transfer_id > 40"),
    change("transfers", "reference", "'other'", "transfer_id > 40"),
    remove("transfers", "transfer_id > 40"),
    change("trades", "price", "price + 1", "trade_id > 3"),
    remove("trades", "trade_id > 3"),
    change("fund_history", "amount", "amount + 1", LATE),
    change("fund_history", "hash", "repeat('a', 64)", LATE),
    change("fund_history", "time", "time + interval '1 us'", LATE),
    remove("fund_history", LATE),
    change("treasury", "last_hash", "repeat('a', 64)", "true"),
    change("treasury_history", "amount", "amount + 1", "true"),
    remove("treasury_history"),
    remove("treasury"),
    change("liquidations", "final_wallet", "final_wallet + 1", "liquidation_id > 2"),
    remove("liquidations", "liquidation_id > 2"),
    change("liquidations", "steps", "steps::jsonb #- '{0,1,equity}'", "liquidation_id > 2"),
    change("clearance_fees", "rate", "rate + 1", "true"),
    change("adl_events", "queue", "'[]'", "true"),
    change("adl_counterparties", "account_id", "'mallory'", "true"),
    change("alerts", "kind", "'fund_empty'", "kind <> 'fund_empty'"),
    change("leadership", "last_trade", "last_trade + 1", "true"),
    change("candles", "high", "high + 1", "source = 'trades' AND interval = '1m'"),
    change("candles", "count", "count + 1", "source = 'index' AND interval = '1h'"),
    remove("candles", "source = 'mark' AND interval = '1h'"),
    add("candles", "symbol, source, interval, time + interval '1 day'",
        "open, high, low, close, volume, count"),
    add("candles", "'NONE', source, interval, time", "open, high, low, close, volume, count"),
    change("fund_intervals", "close", "close + 1", "interval = '1d' AND close < high"),
    remove("fund_intervals", "interval = '1m'"),
    change("fund_flows", "largest_outflow", "0", "interval = '1d' AND outflow > 0"),
    add("fund_flows", "fund_id, asset, interval, time, 'nothing'", "inflow, outflow,"
        " largest_outflow"),
    change("fund_volumes", "value", "value + 1", "kind = 'takeover' AND interval = '1h'"),
    remove("fund_volumes", "kind = 'liquidation' AND interval = '1d'"),
    add("transfers", "9999999", "time, kind, asset, amount, source, source_balance, destination,"
        " destination_balance, account_id, symbol, reference"),
    add("fund_history", "'nobody', 1", "time, wallet, asset, kind, amount, balance_after, symbol,"
        " liquidation_id, repeat('0', 64), hash"),
    add("positions", "'mallory', symbol, side", "quantity, cost"),
    add("orders", "9999999", "account_id, symbol, position_side, side, type, time_in_force, price,"
        " quantity, reduce_only, self_trade_prevention, client_order_id, created_at, updated_at,"
        " status, filled_quantity, filled_value, reason"),
]  # fmt: skip


def named(tampering: Tampering) -> str:
    return f"{tampering.table}-{'-'.join(tampering.columns) or tampering.what.split()[0]}"


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=named)
async def test_one_row_is_found(market: asyncpg.Connection, tampering: Tampering) -> None:
    rows = await market.fetch(tampering.statement)
    assert len(rows) == 1
    found = await difference(market)
    assert found.table == tampering.table
    assert found.key == ", ".join(map(text, rows[0]))
    assert tampering.what in found.what
    if tampering.columns:
        assert tuple(name for name, _, _ in found.values)[:1] == tampering.columns
    # Whatever the log left, a command wrote (a candle, many); what only the table has, none did.
    nobody = tampering.what == "no command of the log" or tampering.table in MERGED
    assert (found.command is None) == nobody


async def difference(market: asyncpg.Connection) -> Difference:
    """What a verification finds: there is something."""
    findings = await verify(market, lambda done, total: None)
    assert findings.difference is not None
    return findings.difference


async def tamper(market: asyncpg.Connection, statement: str) -> None:
    """Execute a statement that changes something."""
    assert not (await market.execute(statement)).endswith(" 0")


async def test_the_command_that_wrote_the_row_is_named(market: asyncpg.Connection) -> None:
    """A row of fund history by its time, a balance by its last transfer."""
    row = await market.fetchrow(
        "UPDATE fund_history SET amount = amount + 1 WHERE sequence = 9 AND fund_id = 'rich'"
        " RETURNING amount - 1 AS before, amount AS after"
    )
    assert row is not None
    found = await difference(market)
    assert found.command is not None
    writer = await market.fetchrow(
        "SELECT c.time = h.time AS same FROM commands c, fund_history h WHERE c.sequence = $1"
        " AND h.sequence = 9 AND h.fund_id = 'rich'", found.command,
    )  # fmt: skip
    assert writer is not None
    assert writer["same"]
    ((column, expected, actual),) = found.values
    assert (column, float(expected), float(actual)) == (
        "amount", float(row["before"]), float(row["after"]),
    )  # fmt: skip


async def test_the_first_of_several_is_named(market: asyncpg.Connection) -> None:
    for statement in (
        "UPDATE transfers SET amount = amount + 1 WHERE transfer_id > 90",
        "UPDATE trades SET price = price + 1 WHERE trade_id = 1",
        "UPDATE wallets SET balance = balance + 1 WHERE kind = 'cross'",
    ):
        await tamper(market, statement)
    found = await difference(market)
    assert (found.table, found.key) == ("trades", "1")


@pytest.mark.parametrize(
    ("statement", "sequence", "what"),
    [
        ("DELETE FROM commands WHERE sequence = 100", 100, "missing in the log"),
        ("DELETE FROM commands WHERE sequence = 1", 1, "missing in the log"),
        ("DELETE FROM commands WHERE sequence >= 300", 300, "missing in the log"),
        ("UPDATE commands SET epoch = 0 WHERE sequence = 100", 100, "leader of the past"),
        ("UPDATE commands SET epoch = 9 WHERE sequence = 100", 100, "not Recover"),
        ("UPDATE commands SET time = '2020-01-01Z' WHERE sequence = 100", 100, "earlier"),
        ("UPDATE commands SET kind = 'Nothing' WHERE sequence = 100", 100, "cannot be replayed"),
        ("""UPDATE commands SET kind = 'CancelOrder', body = '{"order_id": 987654}'
            WHERE sequence = 100""", 100, "order_not_open"),
    ],
)  # fmt: skip
async def test_a_tampered_log_is_named(
    market: asyncpg.Connection, statement: str, sequence: int, what: str
) -> None:
    await tamper(market, statement)
    found = await difference(market)
    assert found.table == "commands"
    assert found.key.partition(",")[0] == str(sequence)
    assert what in found.what


async def test_another_deposit_in_the_log_shows_in_its_transfer(market: asyncpg.Connection) -> None:
    sequence = await market.fetchval(
        """UPDATE commands SET body = replace(body::text, '"amount":"200"', '"amount":"201"')::json
           WHERE sequence = (SELECT min(sequence) FROM commands WHERE kind = 'Deposit')
           RETURNING sequence"""
    )
    found = await difference(market)
    assert (found.table, found.command) == ("transfers", sequence)
    assert ("amount", "201", "200") in found.values


@pytest.mark.parametrize("change", ["sequence = 9999999", "kind = 'Withdraw'", "time = now()"])
async def test_an_act_is_a_command_of_the_log(market: asyncpg.Connection, change: str) -> None:
    """Of its number, kind and time; whose it was, only the act says."""
    await market.execute("DELETE FROM admin_acts")
    await market.execute(
        "INSERT INTO admin_acts SELECT sequence, time, 'a-key', kind, 'why' FROM commands"
        " WHERE kind = 'Deposit' LIMIT 1"
    )
    assert (await verify(market, lambda *_: None)).rows["admin_acts"] == 1
    await market.execute(f"UPDATE admin_acts SET {change}")
    found = await difference(market)
    assert (found.table, found.what.rpartition(", ")[0]) == ("admin_acts", "is in the table")

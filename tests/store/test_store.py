"""What the writer commits the loader gives back: whole, once, and only to the leader."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import cast

import asyncpg
import pytest
from sqlalchemy import JSON, Table

from app.engine.commands.accounts import Deposit
from app.engine.events import Trade
from app.engine.rejections import Rejection
from app.engine.results import Done
from app.engine.state import State
from app.store import codec, database
from app.store.loader import load_account, load_state
from app.store.rows import TableRow, Writes, collect
from app.store.tables import BESIDE, COUNTERS, metadata
from app.store.tables.log import AdminAct, CommandRow, StoredAnswer
from app.store.writer import StaleLeader, Writer
from tests.store.states import NASTY, START, Exchange, cross_key, facts, small_exchange

Connection = asyncpg.Connection


async def lead(connection: Connection) -> Writer:
    """A writer under a new epoch."""
    epoch = await connection.fetchval("UPDATE leadership SET epoch = epoch + 1 RETURNING epoch")
    return Writer(connection, epoch, 7)


def batch_of(exchange: Exchange, first: int = 0) -> Writes:
    """The outcomes of an exchange from one on, as one batch."""
    answer = StoredAnswer("request/1", NASTY, "d", [Done(NASTY)], START)
    answers = [answer] if first == 0 else []
    acts = [AdminAct(1, START, "k1", "Deposit", NASTY)] if first == 0 else []
    return collect(exchange.outcomes[first:], answers, exchange.state.counters, acts)


async def dump(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    return {
        name: sorted(map(tuple, await connection.fetch(select(table))), key=repr)
        for name, table in metadata.tables.items()
    }


def select(table: Table) -> str:
    """A query for all rows of a table, their values in the order of ours."""
    return f"SELECT {', '.join(table.columns.keys())} FROM {table.name}"


def comparable(table: Table, rows: Iterable[Sequence[object]]) -> list[str]:
    """Rows as Python writes them; JSON may be stored with other spaces and in another order."""
    found = []
    for row in rows:
        values = dict(zip(table.columns, row, strict=True))
        for column in table.columns:
            if isinstance(column.type, JSON):
                values[column] = json.dumps(json.loads(str(values[column])), sort_keys=True)
        found.append(repr(list(values.values())))
    return sorted(found)


async def test_a_state_comes_back(connection: Connection) -> None:
    """Wallets, positions, books, reservations, totals, funds, keys, counters: all of it."""
    exchange = small_exchange()
    await (await lead(connection)).commit(batch_of(exchange))
    state = await load_state(connection)
    assert facts(state) == facts(exchange.state)
    for symbol, market in state.markets.items():
        assert market.bids.prices == exchange.state.markets[symbol].bids.prices
        for price, level in exchange.state.markets[symbol].asks.levels.items():
            assert list(market.asks.levels[price]) == list(level)


async def test_objects_are_shared_as_the_engine_shares_them(connection: Connection) -> None:
    """One wallet, order and position is one object, wherever it is held."""
    exchange = small_exchange()
    await (await lead(connection)).commit(batch_of(exchange))
    state = await load_state(connection)
    alice, market = state.accounts["alice"], state.markets["BTCUSDT"]
    position = alice.positions["BTCUSDT", "both"]
    assert position is market.positions["alice", "both"]
    assert position.wallet is state.wallets["isolated/alice/USDT/BTCUSDT:both"]
    assert alice.wallets["USDT"] is state.wallets[cross_key("alice")]
    assert market.clearing is state.wallets["clearing/BTCUSDT/USDT"]
    assert [wallet.name for wallet in state.funds["zeta"].wallets] == ["spare", "main"]
    (order,) = position.orders.values()
    assert order is state.orders[order.order_id]
    assert order is market.bids.levels[Decimal("59000.0")][order.order_id]


async def test_an_empty_database_is_an_empty_state(connection: Connection) -> None:
    """The first start."""
    assert facts(await load_state(connection)) == facts(State())


async def test_every_row_arrives_as_it_was_sent(connection: Connection) -> None:
    """In all tables: every text, however nasty, every digit, and nothing where there is none."""
    batch = batch_of(small_exchange())
    leader = await lead(connection)
    await leader.commit(batch)
    sent: dict[str, Sequence[Sequence[object]]] = {
        **batch.upserts,
        **batch.appends,
        **cast("dict[str, Sequence[Sequence[object]]]", batch.merges),
    }
    sent["commands"] = [
        CommandRow(sequence=sequence, time=time, epoch=1, kind=kind, body=body, rules_version=7)
        for sequence, time, kind, body in batch.commands
    ]
    for name, table in metadata.tables.items():
        if name not in ("leadership", "snapshots", "snapshot_parts", "incidents", *BESIDE):
            stored = await connection.fetch(select(table))
            assert stored, f"no row of {name} was tried"
            assert comparable(table, sent[name]) == comparable(table, map(tuple, stored))


async def test_a_long_batch_is_one_commit_too(connection: Connection) -> None:
    """However many rows: all of them in order, or none."""
    names = [f"account-{number}" for number in range(10_000)]
    rows: list[TableRow] = [(name, "one_way", START, None, None) for name in names]
    batch = Writes(1, START, (0,) * len(COUNTERS), upserts={"accounts": rows})
    leader = await lead(connection)
    await leader.commit(batch)
    found = await connection.fetch("SELECT account_id FROM accounts ORDER BY ctid")
    assert [name for (name,) in found] == names
    rows[-1] = ("last", "no mode", START, None, None)
    rows[0] = ("first", "one_way", START, None, None)
    with pytest.raises(asyncpg.CheckViolationError):
        await leader.commit(batch)
    assert not await connection.fetchval("SELECT count(*) FROM accounts WHERE account_id = 'first'")


async def test_later_commits_replace_state(connection: Connection) -> None:
    """Rows follow what they stand for: changed, closed and deleted, reopened."""
    exchange = small_exchange()
    leader = await lead(connection)
    await leader.commit(batch_of(exchange))
    done = len(exchange.outcomes)
    alice, bob = exchange.state.accounts["alice"], exchange.state.accounts["bob"]
    step = exchange.step()
    for order in list(alice.positions["BTCUSDT", "both"].orders.values()):
        step.close_order(order, "canceled", "by the owner")
    exchange.close(alice.positions["BTCUSDT", "both"])
    exchange.close(bob.positions["BTCUSDT", "both"])
    step = exchange.step()
    step.set_inventory(exchange.state.funds["zeta"], "BTCUSDT", Decimal(0), Decimal(0))
    step.revoke_key(next(iter(exchange.state.keys.values())))
    await leader.commit(batch_of(exchange, done))
    assert facts(await load_state(connection)) == facts(exchange.state)
    assert await connection.fetchval("SELECT count(*) FROM positions") == 0
    assert await connection.fetchval("SELECT count(*) FROM inventory") == 0
    done = len(exchange.outcomes)
    exchange.hold(alice, "BTCUSDT", "0.001", "60")
    exchange.hold(bob, "BTCUSDT", "-0.001", "-60")
    await leader.commit(batch_of(exchange, done))
    assert facts(await load_state(connection)) == facts(exchange.state)


async def test_opened_and_closed_within_a_batch(connection: Connection) -> None:
    """Only the last of each key is written: a position that came and went leaves no row."""
    exchange = small_exchange()
    for position in list(exchange.state.markets["BTCUSDT"].positions.values()):
        exchange.close(position)
    exchange.hold(exchange.state.accounts["alice"], "BTCUSDT", "7", "1")
    batch = batch_of(exchange)
    assert [row[0] for row in batch.upserts["positions"]] == ["alice"]
    assert ("bob", "BTCUSDT", "both") in batch.deletes["positions"]
    assert ("alice", "BTCUSDT", "both") not in batch.deletes["positions"]
    await (await lead(connection)).commit(batch)
    (row,) = await connection.fetch("SELECT account_id, quantity FROM positions")
    assert tuple(row) == ("alice", 7)


async def test_a_stale_leader_cannot_commit(connection: Connection) -> None:
    """Its epoch is passed: nothing of its batch is written."""
    exchange = small_exchange()
    stale = await lead(connection)
    leader = await lead(connection)
    before = await dump(connection)
    with pytest.raises(StaleLeader):
        await stale.commit(batch_of(exchange))
    assert await dump(connection) == before
    await leader.commit(batch_of(exchange))


async def test_a_leader_waits_for_the_commit_of_the_one_before(
    address: str, connection: Connection
) -> None:
    """A takeover while a commit is under way: it either counts before, or not at all."""
    other = await database.connect(address)
    old = await lead(other)
    async with other.transaction():
        await old.commit(batch_of(small_exchange()))
        takeover = asyncio.create_task(lead(connection))
        await asyncio.sleep(0.1)
        assert not takeover.done()
    await takeover
    assert await connection.fetchval("SELECT count(*) FROM wallets") > 0
    await other.close()


async def test_a_failed_commit_leaves_nothing(connection: Connection) -> None:
    """A row that breaks a law in the last table undoes all the others, the lease's too."""
    exchange = small_exchange()
    outcome = exchange.outcomes[-1]
    (trade,) = exchange.outcomes[-2].of(Trade)
    outcome.records.append(trade._replace(trade_id=9, price=Decimal(0)))
    leader = await lead(connection)
    before = await dump(connection)
    with pytest.raises(asyncpg.CheckViolationError):
        await leader.commit(batch_of(exchange))
    assert await dump(connection) == before


async def test_no_command_is_committed_twice(connection: Connection) -> None:
    """The command log's key stops a batch that is sent again."""
    leader = await lead(connection)
    exchange = small_exchange()
    await leader.commit(batch_of(exchange))
    before = await dump(connection)
    with pytest.raises(asyncpg.UniqueViolationError):
        await leader.commit(batch_of(exchange))
    assert await dump(connection) == before


async def test_refused_commands_leave_nothing(connection: Connection) -> None:
    """No row, no round trip; an answer is kept even if every command of it was refused."""
    exchange = Exchange()
    exchange.step().outcome.result = Rejection("no", "no")
    batch = collect(exchange.outcomes, [], exchange.state.counters)
    assert batch.empty
    leader = await lead(connection)
    before = await dump(connection)
    await leader.commit(batch)
    assert await dump(connection) == before
    answer = StoredAnswer("request/1", "k", "d", [Rejection("no", "no")], START)
    await leader.commit(collect(exchange.outcomes, [answer], State().counters))
    (row,) = await connection.fetch("SELECT key, results, format FROM answers")
    assert codec.decode_results(row["results"], row["format"]) == answer.results


async def test_the_log_has_every_accepted_command(connection: Connection) -> None:
    """In order, with the epoch that took it, and decodable."""
    exchange = small_exchange()
    leader = await lead(connection)
    await leader.commit(batch_of(exchange))
    rows = await connection.fetch("SELECT * FROM commands ORDER BY sequence")
    assert [row["sequence"] for row in rows] == list(range(1, len(exchange.outcomes) + 1))
    assert {row["epoch"] for row in rows} == {1}
    decoded = codec.decode_command(rows[0]["kind"], rows[0]["body"])
    assert decoded == Deposit("alice", "USDT", Decimal(1), NASTY)


async def test_one_account_alone(connection: Connection) -> None:
    """What the API reads for a GET: the account as in the whole state, markets without books."""
    exchange = small_exchange()
    await (await lead(connection)).commit(batch_of(exchange))
    for account_id, account in exchange.state.accounts.items():
        state = await load_account(connection, account_id, list(exchange.state.markets))
        assert facts(State(accounts=state.accounts)) == facts(State(accounts={account_id: account}))
        assert [market.mark and market.mark.price for market in state.markets.values()] == [
            Decimal("60000.5")
        ] * 2
        assert not any(market.bids.prices for market in state.markets.values())
        own = {symbol for symbol, _ in account.positions}
        assert set((await load_account(connection, account_id)).markets) == own
    nobody = await load_account(connection, "nobody")
    assert nobody.accounts == {}
    assert nobody.markets == {}


async def test_times_and_counters(connection: Connection) -> None:
    """Identifiers go on where they stopped, also those of which no record is left."""
    exchange = small_exchange()
    exchange.state.counters.liquidation = 77
    await (await lead(connection)).commit(batch_of(exchange))
    state = await load_state(connection)
    assert state.counters == exchange.state.counters
    assert state.time == START + timedelta(seconds=len(exchange.outcomes) - 1)

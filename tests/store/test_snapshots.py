"""A snapshot is the state as it was, however it goes on (REC-1)."""

from __future__ import annotations

import json

import asyncpg
import pytest

from app.engine.engine import Engine
from app.engine.invariants import check_money, state_hash
from app.engine.state import State
from app.store import snapshots
from app.store.loader import load_state
from app.store.rows import collect
from app.store.snapshots import Snapshot, newest, store
from app.store.writer import StaleLeader, Writer
from tests.store.states import Exchange, facts, small_exchange

Connection = asyncpg.Connection


@pytest.fixture
async def epoch(connection: Connection) -> int:
    """A leader's."""
    query = "UPDATE leadership SET epoch = epoch + 1 RETURNING epoch"
    return int(await connection.fetchval(query))


async def commit(connection: Connection, epoch: int, exchange: Exchange) -> None:
    """All that happened in the exchange since the last time."""
    writer = Writer(connection, epoch, Engine.rules_version)
    await writer.commit(collect(exchange.outcomes, [], exchange.state.counters))
    exchange.outcomes.clear()


def of(state: State, version: int = 2) -> Snapshot:
    """What is kept of a state besides its rows."""
    return Snapshot(state.counters.command, version, state_hash(state))


@pytest.mark.parametrize("part", [1, 2, snapshots.PART])
async def test_every_kind_of_state_comes_back(
    connection: Connection, epoch: int, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    """Every text and digit, in however many parts, while the tables have gone on."""
    monkeypatch.setattr(snapshots, "PART", part)
    exchange = small_exchange()
    await commit(connection, epoch, exchange)
    kept, snapshot = facts(exchange.state), of(exchange.state)
    await store(connection, epoch, snapshot)
    for name in snapshots.TABLES:
        rows = "SELECT content FROM snapshot_parts WHERE name = $1"
        parts = [len(json.loads(row[0])) for row in await connection.fetch(rows, name)]
        assert parts, f"no row of {name} was tried"
        assert max(parts) <= part

    alice = exchange.state.accounts["alice"]
    exchange.close(alice.positions["BTCUSDT", "both"])
    exchange.open_account("late", "ETHUSDT")
    exchange.rest(alice, "BTCUSDT", "buy", "1.0")
    await commit(connection, epoch, exchange)
    assert facts(await load_state(connection)) == facts(exchange.state) != kept

    found = await newest(connection, 2)
    assert found == snapshot
    state = await load_state(connection, found)
    assert facts(state) == kept
    assert state_hash(state) == snapshot.state_hash
    check_money(state)


async def test_the_newest_of_each_version_is_kept(connection: Connection, epoch: int) -> None:
    """No part of the log begins or ends at an older one: its leader committed nothing."""
    exchange = small_exchange()
    await commit(connection, epoch, exchange)
    other = of(exchange.state, 3)
    await store(connection, epoch, of(exchange.state))
    await store(connection, epoch, other)
    exchange.open_account("late", "ETHUSDT")
    await commit(connection, epoch, exchange)
    second = of(exchange.state)
    await store(connection, epoch, second)
    assert [await newest(connection, version) for version in (1, 2, 3)] == [None, second, other]
    for name in ("snapshots", "snapshot_parts"):
        rows = await connection.fetch(f"SELECT DISTINCT sequence, rules_version FROM {name}")
        assert sorted(map(tuple, rows)) == sorted(
            (s.sequence, s.rules_version) for s in (second, other)
        )
    for snapshot in (second, other):
        assert state_hash(await load_state(connection, snapshot)) == snapshot.state_hash


async def test_it_is_stored_once(connection: Connection, epoch: int) -> None:
    """A leader that was lost before its first commit has left one: it is the same."""
    exchange = small_exchange()
    await commit(connection, epoch, exchange)
    for _ in range(2):
        await store(connection, epoch, of(exchange.state))
    assert facts(await load_state(connection, of(exchange.state))) == facts(exchange.state)
    assert await connection.fetchval("SELECT count(*) FROM snapshots") == 1


async def test_a_stale_leader_stores_nothing(connection: Connection, epoch: int) -> None:
    exchange = small_exchange()
    await commit(connection, epoch, exchange)
    with pytest.raises(StaleLeader):
        await store(connection, epoch - 1, of(exchange.state))
    assert await connection.fetchval("SELECT count(*) FROM snapshots") == 0
    assert await connection.fetchval("SELECT count(*) FROM snapshot_parts") == 0

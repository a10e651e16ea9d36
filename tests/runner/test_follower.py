"""A warm standby follows the log, compares, and takes over without a load (REC-3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.engine.bounds import Bounds
from app.engine.commands import Command
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.prices import IndexTick, Tick
from app.engine.contracts import IndexSource
from app.engine.engine import Engine
from app.engine.invariants import check_all, state_hash
from app.engine.state import State
from app.runner import follower
from app.runner.clock import Clock
from app.runner.follower import Adrift, Follower, FollowerDiffers
from app.runner.lease import LOCK
from app.runner.metrics import Standby
from app.runner.runner import NotLeader, Runner
from app.store import database
from app.store.loader import load_state
from tests.runner.conftest import until
from tests.runner.test_real_engine import (
    a_crowd,
    a_market,
    accepted,
    deposit,
    open_account,
    order,
    status,
    tick,
)

LOADS = "loading the state"
"""In the log, of a takeover without a replay."""


@pytest.fixture
async def leader(address: str) -> AsyncIterator[Runner]:
    async with Runner(address) as runner:
        await a_market(runner)
        yield runner


def level(standby: Runner, leader: Runner) -> bool:
    """Whether the standby has applied and compared all that the leader did."""
    found = standby.metrics.standby
    same = followed(standby) == commands(leader)
    return found.state == "warm" and same and found.lag_commands == 0


def commands(leader: Runner) -> int:
    return leader.engine.state.counters.command


def followed(standby: Runner) -> int:
    replay = standby._follower._replay
    return replay.engine.state.counters.command if replay else -1


def crash() -> list[Command]:
    """More than one part's worth of accounts that a fall liquidates together."""
    names = [f"herd-{number}" for number in range(150)]
    return [
        *(open_account(name) for name in names),
        *(deposit(name, "7") for name in names),
        order("bob", "sell", "0.3", "60000"),
        *(order(name, "buy", "0.002", "60000") for name in names),
        tick("56500"),
        tick("60000"),
    ]


async def warm(address: str) -> tuple[Follower, Standby]:
    """A follower that needs no load any more."""
    standby = Standby()
    following = Follower(address, Engine, standby)
    following.start()
    await until(lambda: standby.state == "warm")
    return following, standby


async def test_it_takes_over_without_a_load(
    address: str, leader: Runner, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        await accepted(leader, [order("carol", "buy", "0.5", "59000"), tick("59500")])
        await accepted(leader, [order("bob", "sell", "0.2", "59000"), deposit("alice", "1")])
        await until(lambda: level(standby, leader))
        before = commands(leader)
        await leader.stop()
        await until(lambda: standby.leading)
        assert LOADS not in caplog.text
        assert standby.metrics.standby.loads == 1
        await accepted(standby, [deposit("alice", "2")])
        state = standby.engine.state
        assert state.counters.command > before
        check_all(state)
        assert state_hash(state) == state_hash(await load_state(connection))


async def test_a_load_that_a_takeover_cuts_short_is_none(
    address: str, leader: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """REC-3: who leads then is not told to be loading for ever."""

    async def endless(connection: asyncpg.Connection) -> State:
        return await asyncio.Future()

    monkeypatch.setattr(follower, "load_state", endless)
    async with Runner(address) as standby:
        told = standby.metrics.standby
        await until(lambda: told.state == "loading")
        await leader.stop()
        await until(lambda: standby.leading)
        assert (told.state, told.why) == ("cold", "its load was cut short")
        await accepted(standby, [deposit("alice", "2")])


async def test_it_follows_derived_marks(
    address: str, leader: Runner, connection: asyncpg.Connection
) -> None:
    """MRK-3: it joins between two samples of the book, and goes on with what was said."""

    def said(name: str, price: str) -> IndexTick:
        return IndexTick("BTCUSDT", name, Decimal(price))

    sources = tuple(IndexSource(name, Decimal(1)) for name in "ab")
    terms = {"mark_mode": "derived", "index_sources": sources, "mid_window_seconds": 1}
    await accepted(leader, [UpdateContract("BTCUSDT", terms), said("a", "60000")])
    await accepted(leader, [order("bob", "sell", "1", "60200"), said("b", "60010")])
    await accepted(leader, [order("carol", "buy", "0.5", "59900"), said("a", "60020")])
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        await accepted(leader, [order("carol", "buy", "0.5", "60200"), said("b", "60050")])
        await until(lambda: level(standby, leader))
        await leader.stop()
        await until(lambda: standby.leading)
        await accepted(standby, [said("a", "60100"), said("b", "60080")])
        state = standby.engine.state
        market = state.markets["BTCUSDT"]
        assert market.mark
        assert market.agreed_price == 60200
        assert market.mark.index_price == 60090
        assert market.mids
        assert state_hash(state) == state_hash(await load_state(connection))


async def test_it_follows_a_funding(
    address: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts, at a derived rate, whose samples the standby has from the log (FPY-1)."""
    monkeypatch.setattr(Engine, "bounds", Bounds(payers=1, ordered=50))
    now = Clock.now
    hourly = {"funding_interval_hours": 1, "funding_mode": "derived"}
    sampled = Tick("BTCUSDT", Decimal(60_060), Decimal(60_000))
    async with Runner(address) as leader, Runner(address) as standby:
        await a_crowd(leader, 100)
        await accepted(leader, [UpdateContract("BTCUSDT", hourly), sampled])
        await until(lambda: level(standby, leader))
        monkeypatch.setattr(Clock, "now", lambda clock: now(clock) + timedelta(hours=1))
        await accepted(leader, [deposit("carol", "1"), sampled])
        await until(lambda: level(standby, leader))
        monkeypatch.setattr(Clock, "now", now)  # or the next leader would have the next one
        await leader.stop()
        await until(lambda: standby.leading)
        assert standby.metrics.standby.loads == 1
        await accepted(standby, [deposit("carol", "2")])
        state = standby.engine.state
        check_all(state)
        assert state_hash(state) == state_hash(await load_state(connection))
    ((count, amount, premium),) = await connection.fetch(
        "SELECT count(*), sum(amount) + max(residue), max(average_premium)"
        " FROM funding_payments JOIN funding_rates USING (symbol, time)"
    )
    assert (count, amount) == (102, 0)
    assert premium > 0


async def test_it_follows_one_leader_after_the_other(address: str, leader: Runner) -> None:
    """From a leader's `Recover` on, cascades of many parts too; another standby comes meanwhile."""
    async with Runner(address) as second, Runner(address) as third:
        await until(lambda: level(second, leader) and level(third, leader))
        await leader.stop()
        await until(lambda: second.leading or third.leading)
        now, later = (second, third) if second.leading else (third, second)
        await until(lambda: level(later, now))
        await accepted(now, crash())
        await until(lambda: level(later, now))
        assert later.metrics.standby.loads == 1
        assert now.engine.state.counters.liquidation >= 150
        await now.stop()
        await until(lambda: later.leading)
        check_all(later.engine.state)


async def test_after_a_cascade_in_the_term_that_it_joined_it_is_warm_again(
    address: str, leader: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "SHORTEST_PAUSE_SECONDS", 0.05)
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        await accepted(leader, crash())
        await until(lambda: level(standby, leader))
        await leader.stop()
        await until(lambda: standby.leading)
        check_all(standby.engine.state)


async def test_a_contract_that_was_changed_back_and_forth_is_no_difference(
    address: str, leader: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two comparisons, however long that was."""
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        monkeypatch.setattr(follower, "ROUND_SECONDS", 1)
        await asyncio.sleep(0.3)  # the last round that was not so long
        for word in ("halted", "trading", "halted"):
            await accepted(leader, [status(word)])
        await until(lambda: level(standby, leader) or standby.metrics.standby.state == "differs")
        assert standby.metrics.standby.state == "warm"


async def test_a_difference_ends_its_readiness_to_lead_and_nothing_else(
    address: str, leader: Runner, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """Money that was moved in the tables, behind the leader's back."""
    move = "UPDATE wallets SET balance = balance + $2 WHERE key = $1"
    await connection.execute(move, "cross/alice/USDT", Decimal(5))
    await connection.execute(move, "cross/bob/USDT", Decimal(-5))
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        await accepted(leader, [deposit("alice", "1")])
        await until(lambda: standby.metrics.standby.state == "differs")
        await until(lambda: standby.refusal is not None)
        found = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert len(found) == 1
        assert "wallets cross/alice/USDT: balance is " in found[0].getMessage()
        with pytest.raises(NotLeader, match="differs from what was committed"):
            await standby.submit([deposit("alice", "1")])
        assert "alice" not in (standby.refusal or ""), "nothing that strangers must not read"
        await accepted(leader, [deposit("alice", "1")])
        assert leader.metrics.terms_failed == 0
        await leader.stop()
        async with asyncio.timeout(10):
            await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        assert not standby.leading


async def test_a_difference_found_in_the_takeover_ends_it(
    address: str, leader: Runner, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        replay = standby._follower._replay
        assert replay is not None
        monkeypatch.setattr(follower, "ROUND_SECONDS", 3600)
        await asyncio.sleep(0.3)  # the last round that was not so long
        replay.engine.state.wallets["cross/alice/USDT"].balance += 1
        await accepted(leader, [deposit("alice", "1")])
        await leader.stop()
        await until(lambda: standby.refusal is not None)
        assert standby.metrics.standby.state == "differs"
        assert standby.metrics.epoch == 0
        assert await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)


async def test_a_lost_connection_is_made_again(
    address: str, leader: Runner, connection: asyncpg.Connection
) -> None:
    async with Runner(address) as standby:
        await until(lambda: level(standby, leader))
        ended = await connection.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = $1",
            follower.NAME,
        )
        assert ended == 1
        await accepted(leader, [deposit("alice", "1")])
        await until(lambda: level(standby, leader))
        assert standby.metrics.standby.loads == 1


async def test_other_rules_are_not_replayed(
    address: str, leader: Runner, connection: asyncpg.Connection
) -> None:
    class Newer(Engine):
        rules_version = Engine.rules_version + 1

    standby = Standby()
    newer = Follower(address, Newer, standby)
    newer.start()
    await until(lambda: standby.why is not None)
    assert (standby.state, standby.loads) == ("cold", 0)
    assert f"has {Newer.rules_version}" in (standby.why or "")
    assert await newer.hand_over(connection) is None


async def test_a_log_that_is_another_one_is_loaded_anew(
    address: str, leader: Runner, connection: asyncpg.Connection
) -> None:
    """A replica that had not everything was promoted, and led: what follows proves nothing."""
    following, standby = await warm(address)
    await following.stop()
    await connection.execute(
        "UPDATE commands SET time = time - interval '1 ms' WHERE sequence = $1", commands(leader)
    )
    assert await following.hand_over(connection) is None
    assert standby.state == "cold"


async def test_too_far_behind_it_is_loaded(
    address: str,
    leader: Runner,
    connection: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(follower, "MOST_BEHIND", 2)
    following, standby = await warm(address)
    await following.stop()
    await accepted(leader, [deposit("alice", "1")] * 3)
    assert await following.hand_over(connection) is None
    assert "behind" in (standby.why or "")


async def test_much_that_came_meanwhile_is_loaded(
    address: str, leader: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed is kept until it is compared: not of hours without a database."""
    monkeypatch.setattr(follower, "SHORTEST_PAUSE_SECONDS", 0.01)
    following, standby = await warm(address)
    await following.stop()
    await accepted(leader, [deposit("alice", "1")] * 3)
    monkeypatch.setattr(follower, "MOST_AT_ONCE", 2)
    following.start()
    await until(lambda: standby.loads == 2 and standby.state == "warm")
    await following.stop()


async def test_a_takeover_that_fails_is_tried_again_with_a_load(
    address: str, leader: Runner, connection: asyncpg.Connection
) -> None:
    following, standby = await warm(address)
    lost = await database.connect(address)
    await lost.close()
    with pytest.raises(asyncpg.InterfaceError):
        await following.hand_over(lost)
    assert standby.state == "cold"
    assert await following.hand_over(connection) is None


async def test_what_cannot_be_replayed_is_a_difference(
    address: str, leader: Runner, connection: asyncpg.Connection
) -> None:
    following, _ = await warm(address)
    await following.stop()
    assert following._replay is not None
    del following._replay.engine.state.accounts["alice"]
    await accepted(leader, [deposit("alice", "1")])
    other = await database.connect(address)
    try:
        with pytest.raises(FollowerDiffers):
            await following.hand_over(other)
    finally:
        await other.close()
    with pytest.raises(FollowerDiffers):
        following.check()


def test_reasons_are_for_everybody_and_details_for_the_log() -> None:
    reason = Adrift("a cascade is under way", "alice is at risk")
    assert str(reason) == "a cascade is under way"
    assert reason.detail == "alice is at risk"

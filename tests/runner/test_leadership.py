"""Fail-stop, takeover, and why a stale leader cannot write."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.engine.commands.accounts import Deposit
from app.engine.engine import Engine
from app.engine.results import Done
from app.runner import lease
from app.runner.lease import LOCK
from app.runner.runner import NotLeader, Runner
from tests.runner.conftest import ScriptedEngine, applied, commits_blocked, logged, until


def deposit(account_id: str = "alice") -> Deposit:
    return Deposit(account_id, "USDT", Decimal(1))


async def end_backends(connection: asyncpg.Connection, which: str) -> None:
    """End other backends of this database, like a fault of network or server would."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
    )


HOLDS_THE_LOCK = "pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
COMMITS = "wait_event_type = 'Lock'"


async def test_a_commit_that_fails_ends_the_term(
    runner: Runner, connection: asyncpg.Connection, address: str
) -> None:
    epoch = runner.metrics.epoch
    async with commits_blocked(address):
        first = asyncio.create_task(runner.submit([deposit()]))
        await until(lambda: len(applied(runner)) == 1)
        second = asyncio.create_task(runner.submit([deposit()]))
        await until(lambda: len(applied(runner)) == 2)
        await end_backends(connection, COMMITS)
        for task in (first, second):
            with pytest.raises(NotLeader):
                await task
    assert not runner.leading
    await until(lambda: runner.leading)
    assert runner.metrics.epoch > epoch
    assert await logged(connection) == 0
    await runner.submit([deposit()])
    assert await logged(connection) == 1


async def test_a_stale_leader_cannot_commit(runner: Runner, connection: asyncpg.Connection) -> None:
    await runner.submit([deposit()])
    await connection.execute("UPDATE leadership SET epoch = epoch + 1")
    with pytest.raises(NotLeader):
        await runner.submit([deposit()])
    assert await logged(connection) == 1
    await until(lambda: runner.leading)
    await runner.submit([deposit()])
    assert await logged(connection) == 2


async def test_a_poisonous_command_is_gone_with_the_memory(
    runner: Runner, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NotLeader):
        await runner.submit([deposit(), deposit("poison"), deposit()])
    assert await logged(connection) == 0
    await until(lambda: runner.leading)
    assert "ZeroDivisionError: poison" in caplog.text
    assert (await runner.submit([deposit()])).results == [Done()]
    assert await logged(connection) == 1


async def test_losing_the_lock_ends_the_term(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    await runner.submit([deposit()])
    await end_backends(connection, HOLDS_THE_LOCK)
    await until(lambda: not runner.leading)
    await until(lambda: runner.leading)
    await runner.submit([deposit()])
    assert await logged(connection) == 2


async def test_a_standby_takes_over(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    async with Runner(address) as leader, Runner(address) as standby:
        assert leader.leading
        assert not standby.leading
        with pytest.raises(NotLeader) as refusal:
            await standby.submit([deposit()])
        assert refusal.value.retry_after == 1
        await leader.submit([deposit()])
        await leader.stop()
        await until(lambda: standby.leading)
        assert standby.engine.state.counters.command == 3
        await standby.submit([deposit()])
        assert standby.metrics.epoch == leader.metrics.epoch + 1
    assert await logged(connection) == 2


async def test_two_that_start_at_once_are_one_leader(
    address: str, scripted: type[ScriptedEngine]
) -> None:
    runners = [Runner(address) for _ in range(4)]
    await asyncio.gather(*(runner.start() for runner in runners))
    assert sum(runner.leading for runner in runners) == 1
    await asyncio.gather(*(runner.stop() for runner in runners))


async def test_no_leader_with_a_broken_state(
    address: str, scripted: type[ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(state: object) -> None:
        raise AssertionError("money from nowhere")

    monkeypatch.setattr("app.runner.runner.check_money", broken)
    async with Runner(address) as runner:
        assert not runner.leading


async def test_the_lock_is_free_after_a_stop(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    async with Runner(address):
        assert not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK)

    async def free() -> bool:
        return bool(await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK))

    await until(free)


async def test_a_leader_that_is_not_heard_is_replaced(
    address: str, scripted: type[ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if its process were stopped: its sessions live, but nobody speaks on them."""
    monkeypatch.setattr(lease, "SILENCE", timedelta(seconds=0.3))
    async with lease.claim(address) as silent, silent.connect() as writing:
        assert await silent.take(Engine.rules_version)
        await writing.execute("BEGIN; UPDATE leadership SET sequence = 99")
        async with Runner(address) as standby:
            assert not standby.leading
            await until(lambda: standby.leading)
            assert standby.engine.state.counters.command == 1, "what was not committed is gone"
        with pytest.raises(lease.LeaseLost):
            await asyncio.wait_for(silent.watch(), 5)
        assert writing.is_closed()


async def test_a_leader_that_is_heard_is_not_replaced(
    address: str, scripted: type[ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "SILENCE", timedelta(seconds=1))
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 0.1)
    async with Runner(address) as leader, Runner(address) as standby:
        await asyncio.sleep(2)
        assert leader.leading
        assert not standby.leading
        assert leader.metrics.terms_failed == 0

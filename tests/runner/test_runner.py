"""Group commit, overlap, the bounded queue, time, fail-stop."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.engine.commands import Deposit
from app.engine.events import Done
from app.engine.rejections import Rejection
from app.runner import term
from app.runner.runner import Busy, NotLeader, Runner
from tests.runner.conftest import ScriptedEngine, applied, commits_blocked, logged, until


def deposit(account_id: str = "alice") -> Deposit:
    return Deposit(account_id, "USDT", Decimal(1))


async def test_answers_are_durable(runner: Runner, connection: asyncpg.Connection) -> None:
    for number in range(1, 4):
        answer = await runner.submit([deposit()])
        assert answer.results == [Done()]
        assert not answer.replayed
        assert await logged(connection) == number


async def test_results_come_in_order_and_refusals_are_not_logged(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    answer = await runner.submit([deposit(), deposit("nobody"), deposit()])
    first, refused, last = answer.results
    assert (first, last) == (Done(), Done())
    assert isinstance(refused, Rejection)
    assert await logged(connection) == 2
    assert runner.metrics.rejected == {"unknown_account": 1}
    assert runner.metrics.commands["Deposit"] == 3
    assert (await runner.submit([])).results == []


async def test_what_waits_during_a_flush_is_one_batch(
    runner: Runner, connection: asyncpg.Connection, address: str
) -> None:
    before = runner.metrics.batches
    async with commits_blocked(address):
        first = asyncio.create_task(runner.submit([deposit()]))
        await until(lambda: len(applied(runner)) == 1)
        others = [asyncio.create_task(runner.submit([deposit()])) for _ in range(500)]
        # Applying goes on while the first flush is stuck; nothing is answered.
        await until(lambda: len(applied(runner)) == 501)
        assert not any(task.done() for task in (first, *others))
        assert await logged(connection) == 0
    await asyncio.gather(first, *others)
    assert await logged(connection) == 501
    assert runner.metrics.batches == before + 2


async def test_a_refusal_waits_for_what_it_may_have_seen(runner: Runner, address: str) -> None:
    async with commits_blocked(address):
        first = asyncio.create_task(runner.submit([deposit()]))
        refused = asyncio.create_task(runner.submit([deposit("nobody")]))
        await until(lambda: len(applied(runner)) == 2)
        await asyncio.sleep(0.05)
        assert not first.done()
        assert not refused.done()
    await first
    assert isinstance((await refused).results[0], Rejection)


async def test_a_full_queue_refuses(
    address: str, scripted: type[ScriptedEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term, "BATCH_RECORDS", 1)
    async with Runner(address, queue_limit=3) as runner:
        async with commits_blocked(address):
            tasks = [asyncio.create_task(runner.submit([deposit()]))]
            await until(lambda: len(applied(runner)) == 1)
            # The second batch is full with two, then the loop waits for the flush.
            tasks += [asyncio.create_task(runner.submit([deposit()])) for _ in range(2)]
            await until(lambda: len(applied(runner)) == 3)
            tasks += [asyncio.create_task(runner.submit([deposit()])) for _ in range(3)]
            await asyncio.sleep(0.05)
            assert len(applied(runner)) == 3
            with pytest.raises(Busy) as busy:
                await runner.submit([deposit()])
            assert busy.value.retry_after >= 1
        await asyncio.gather(*tasks)
        assert len(applied(runner)) == 6
        assert runner.metrics.busy == 1
        assert (await runner.submit([deposit()])).results == [Done()]


async def test_a_client_that_goes_away_takes_nothing_back(
    runner: Runner, connection: asyncpg.Connection, address: str
) -> None:
    async with commits_blocked(address):
        gone = asyncio.create_task(runner.submit([deposit()]))
        await until(lambda: len(applied(runner)) == 1)
        gone.cancel()
    await runner.submit([deposit()])
    assert await logged(connection) == 2


async def test_time_never_goes_back_also_across_restarts(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    future = datetime.now(UTC) + timedelta(hours=1)
    await connection.execute("UPDATE leadership SET time = $1", future)
    async with Runner(address) as runner:
        await runner.submit([deposit(), deposit()])
    times = [row["time"] for row in await connection.fetch("SELECT time FROM commands")]
    assert times == [future] * 3


async def test_the_engine_is_out_of_reach_of_who_does_not_lead(address: str) -> None:
    runner = Runner(address)
    assert not runner.leading
    with pytest.raises(NotLeader):
        _ = runner.engine
    with pytest.raises(NotLeader):
        await runner.submit([deposit()])
    await runner.stop()


async def test_stop_makes_durable_what_was_taken(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    async with Runner(address) as runner:
        taken = [asyncio.create_task(runner.submit([deposit()])) for _ in range(50)]
        await asyncio.sleep(0)
    assert [(await task).results for task in taken] == [[Done()]] * 50
    assert await logged(connection) == 50
    assert not runner.leading

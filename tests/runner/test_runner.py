"""Group commit, overlap, the bounded queue, time, fail-stop."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from time import time_ns

import asyncpg
import pytest

from app.engine.commands.accounts import Deposit
from app.engine.commands.keys import CreateKey
from app.engine.rejections import Rejection
from app.engine.results import Done
from app.runner.clock import SECOND, Clock
from app.runner.keys import make_key
from app.runner.pace import Pace
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


async def test_a_full_queue_refuses(address: str, scripted: type[ScriptedEngine]) -> None:
    async with Runner(address, pace=Pace(queue_commands=3, batch_records=1)) as runner:
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


async def test_a_log_from_the_future_is_gone_on_with_and_told_of(
    address: str, connection: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    """MRK-6: time goes on from the log's last command, at each start with an alert."""
    future = datetime.now(UTC) + timedelta(days=30_000)
    await connection.execute("UPDATE leadership SET time = $1", future)
    for _ in range(2):
        async with Runner(address) as runner:
            assert future < runner.now() < future + timedelta(hours=1)
            await runner.submit([CreateKey(make_key("operator", "admin")[0])])
    query = "SELECT time FROM commands ORDER BY sequence"
    times = [row["time"] for row in await connection.fetch(query)]
    assert len(times) == 6
    assert [future, *times] == sorted({future, *times}), "time moves on with every command"
    alerts = await connection.fetch("SELECT kind, detail FROM alerts")
    assert [alert["kind"] for alert in alerts] == ["clock_jump"] * 2
    for alert in alerts:
        detail = json.loads(alert["detail"])
        assert detail["cause"] == "start"
        assert 2_591_990_000 < Decimal(detail["ahead_seconds"]) <= 2_592_000_000
    assert caplog.text.count("ahead of the system's clock") == 2


async def test_a_clock_that_is_set_changes_no_duration(
    address: str, connection: asyncpg.Connection
) -> None:
    """MRK-6: back an hour and forth a year, as the runner sees it: one alert for each."""
    wall, steady = time_ns(), 0

    async def key(seconds: int, jump: int = 0) -> datetime:
        """A command after so many seconds, in which the system's clock was set; its time."""
        nonlocal wall, steady
        steady += seconds * SECOND
        wall += (seconds + jump) * SECOND
        await runner.submit([CreateKey(make_key("operator", "admin")[0])])
        query = "SELECT time FROM commands WHERE kind = 'CreateKey' ORDER BY sequence DESC LIMIT 1"
        time: datetime = await connection.fetchval(query)
        return time

    async with Runner(address, clock=Clock(lambda: wall, lambda: steady)) as runner:
        first = await key(1)
        for jump in (0, -3600, 0, 31_536_000, 59):
            second = await key(100, jump)
            assert abs(second - first - timedelta(seconds=100)) <= timedelta(milliseconds=100)
            first = second
    details = [json.loads(row["detail"]) for row in await connection.fetch(
        "SELECT detail FROM alerts WHERE kind = 'clock_jump' ORDER BY alert_id"
    )]  # fmt: skip
    assert [detail["cause"] for detail in details] == ["jump", "jump"]
    ahead = [Decimal(detail["ahead_seconds"]) for detail in details]
    assert 3599 < ahead[0] <= 3600
    assert -31_532_401 < ahead[1] < -31_532_399


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

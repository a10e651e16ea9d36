"""One bad command stops nothing else (REC-2): it is refused until its release."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import pytest

from app.engine.commands.accounts import Deposit, OpenAccount
from app.engine.commands.orders import PlaceOrder
from app.engine.handlers import accounts, orders
from app.engine.rejections import Rejection
from app.engine.results import Done, Moved, OrderReceipt
from app.engine.step import Step
from app.runner.runner import AnswerKey, NotLeader, Runner
from tests.runner.bugs import (
    announced,
    calm,
    check_log,
    fails,
    recorded,
    refused,
    release,
    result,
)
from tests.runner.conftest import Plant, until
from tests.runner.test_real_engine import (
    a_market,
    accepted,
    deposit,
    open_account,
    order,
)


@pytest.fixture
async def runner(address: str) -> AsyncIterator[Runner]:
    """A leader of a market, the real one."""
    async with Runner(address) as runner:
        await a_market(runner)
        yield runner


def is_odd(_: Step, command: Deposit) -> bool:
    return command.amount == 13


async def test_a_command_that_failed_is_not_applied_again(
    runner: Runner, connection: asyncpg.Connection, plant: Plant
) -> None:
    plant.before(accounts, "deposit", is_odd)
    bad = deposit("carol", "13")
    await fails(runner, bad)
    assert await recorded(connection) == [("Deposit", True, None, None, 1, True)]
    for _ in range(2):
        assert await refused(runner, bad) == ("incident", {"incident_id": "1"})
    assert await announced(connection) == 1
    assert isinstance(await result(runner, deposit("carol", "14")), Moved)
    assert await result(runner, release(1)) == Done("1")
    await fails(runner, bad)  # not mended
    assert await refused(runner, bad) == ("incident", {"incident_id": "2"})
    assert await refused(runner, release(1)) == ("unknown_incident", {})
    plant.there = False
    assert await refused(runner, bad) == ("incident", {"incident_id": "2"})
    await accepted(runner, [release(2), bad])
    assert [row[-1] for row in await recorded(connection)] == [False, False]
    assert await announced(connection) == 2
    await check_log(connection)


async def test_a_restart_knows_it_and_does_not_announce_it_again(
    address: str, runner: Runner, connection: asyncpg.Connection, plant: Plant
) -> None:
    plant.before(accounts, "deposit", is_odd)
    await fails(runner, deposit("carol", "13"))
    await runner.stop()
    async with Runner(address) as other:
        assert (await refused(other, deposit("carol", "13")))[0] == "incident"
        await accepted(other, [deposit("carol", "12")])
    assert await announced(connection) == 1
    await check_log(connection)


async def test_of_many_commands_only_the_bad_one_is_refused(
    runner: Runner, connection: asyncpg.Connection, plant: Plant
) -> None:
    """Under its Idempotency-Key, whose answer is kept as any other."""
    plant.before(accounts, "deposit", is_odd)
    key = AnswerKey("request/admin", "many", "d" * 64)
    commands = [deposit("carol", amount) for amount in ("1", "13", "2")]
    await fails(runner, *commands, key=key)
    for replayed in (False, True):
        answer = await runner.submit(commands, key)
        assert answer.replayed is replayed
        assert [type(found) for found in answer.results] == [Moved, Rejection, Moved]
    await check_log(connection)


async def test_an_order_is_known_by_all_that_was_ordered(
    runner: Runner, connection: asyncpg.Connection, plant: Plant
) -> None:
    def is_bad(step: Step, command: PlaceOrder) -> bool:
        return command.client_order_id == "bad"

    plant.before(orders, "place", is_bad)
    bad = replace(order("carol", "buy", "1", "59000"), client_order_id="bad")
    good = replace(bad, client_order_id="good")
    await fails(runner, good, bad)
    first, second = (await runner.submit([good, bad])).results
    assert isinstance(first, OrderReceipt)
    assert isinstance(second, Rejection)
    plant.there = False
    _, again = await accepted(runner, [release(1), bad])
    assert isinstance(again, OrderReceipt)
    assert again.order_id == first.order_id + 1
    await check_log(connection)


async def test_a_request_with_something_drawn_is_known_again(
    runner: Runner, connection: asyncpg.Connection, plant: Plant
) -> None:
    """Each time an account is to be opened it gets another key."""

    def is_bad(step: Step, command: OpenAccount) -> bool:
        return command.account_id == "mallory"

    plant.before(accounts, "open_account", is_bad)
    await fails(runner, open_account("mallory"))
    assert (await refused(runner, open_account("mallory")))[0] == "incident"
    await accepted(runner, [open_account("peggy")])
    await check_log(connection)


async def test_an_incident_that_cannot_be_recorded_hides_nothing(
    runner: Runner, connection: asyncpg.Connection, plant: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    plant.before(accounts, "deposit", is_odd)
    await connection.execute("ALTER TABLE incidents RENAME TO hidden")
    await connection.execute("CREATE VIEW incidents AS SELECT * FROM hidden WHERE times > 1")
    await connection.execute("CREATE RULE none AS ON INSERT TO incidents DO INSTEAD NOTHING")
    with pytest.raises(NotLeader):
        await runner.submit([deposit("carol", "13")])
    await until(lambda: runner.leading and runner.metrics.terms_failed == 1)
    await accepted(runner, [deposit("carol", "12")])
    assert "Bug: deposit" in caplog.text


async def test_what_fails_in_the_store_is_no_incident(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    await connection.execute("UPDATE leadership SET epoch = epoch + 1")
    await fails(runner, deposit("carol", "1"))
    assert await recorded(connection) == []


async def test_others_of_the_term_are_sent_again(
    runner: Runner, connection: asyncpg.Connection, plant: Plant
) -> None:
    """Whoever waits when another's command fails does not know what became of theirs."""
    plant.before(accounts, "deposit", is_odd)
    several = [runner.submit([deposit("carol", amount)]) for amount in ("1", "13", "2")]
    answers = await asyncio.gather(*several, return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotLeader] * 3
    await calm(runner)
    await accepted(runner, [deposit("carol", "1"), deposit("carol", "2")])

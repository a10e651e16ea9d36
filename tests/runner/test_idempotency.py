"""Same request, same answer: in memory, while under way, and after a restart (ORD-1)."""

import asyncio
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.engine.commands import Command
from app.engine.commands.accounts import Deposit
from app.engine.commands.orders import PlaceOrder
from app.engine.rejections import Rejection
from app.engine.results import Done, OrderReceipt
from app.runner.answers import order_key
from app.runner.memory import Memory
from app.runner.pace import Pace
from app.runner.runner import Answer, AnswerConflict, AnswerExpired, AnswerKey, Runner
from app.store.answers import Known, forget_old_requests
from tests.runner.conftest import ScriptedEngine, applied, commits_blocked, logged, until

KEY = AnswerKey("request/key-1", "once", "a" * 64)
OTHER_BODY = replace(KEY, digest="b" * 64)
OTHER_CALLER = replace(KEY, scope="request/key-2")


def deposit(account_id: str = "alice") -> Deposit:
    return Deposit(account_id, "USDT", Decimal(1))


def order(client_order_id: str | None = "a-1", *, quantity: str = "1") -> PlaceOrder:
    return PlaceOrder(
        "alice", "BTCUSDT", "buy", "limit", Decimal(quantity), Decimal("60000.10"),
        client_order_id=client_order_id,
    )  # fmt: skip


async def stored(connection: asyncpg.Connection) -> int:
    """How many answers are stored."""
    count: int = await connection.fetchval("SELECT count(*) FROM answers")
    return count


async def test_a_key_gives_the_first_answer_again(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    first = await runner.submit([deposit()], KEY)
    again = await runner.submit([deposit()], KEY)
    assert not first.replayed
    assert again == Answer(first.results, replayed=True)
    assert await logged(connection) == 1
    with pytest.raises(AnswerConflict):
        await runner.submit([deposit()], OTHER_BODY)
    assert not (await runner.submit([deposit()], OTHER_CALLER)).replayed
    assert await logged(connection) == 2


async def test_answers_survive_a_restart(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    commands: list[Command] = [order("a-1"), deposit("nobody"), deposit()]
    async with Runner(address) as runner:
        first = await runner.submit(commands, KEY)
    async with Runner(address) as runner:
        again = await runner.submit(commands, KEY)
        assert again == Answer(first.results, replayed=True)
        with pytest.raises(AnswerConflict):
            await runner.submit(commands, OTHER_BODY)
        # The order was answered under its own id as well, alone and in any company.
        receipt = (await runner.submit([order("a-1")])).results[0]
        assert receipt == first.results[0]
        mixed = await runner.submit([order("a-2"), order("a-1"), order("a-1", quantity="2")])
        assert isinstance(mixed.results[0], OrderReceipt)
        assert mixed.results[1] == receipt
        conflict = mixed.results[2]
        assert isinstance(conflict, Rejection)
        assert conflict.code == "client_order_id_conflict"
    assert await logged(connection) == 1
    assert await logged(connection, "PlaceOrder") == 2


async def test_the_same_request_at_once_waits_for_the_same_answer(
    runner: Runner, connection: asyncpg.Connection, address: str
) -> None:
    async with commits_blocked(address):
        requests = [asyncio.create_task(runner.submit([order(None)], KEY)) for _ in range(5)]
        await until(lambda: len(applied(runner)) == 1)
        with pytest.raises(AnswerConflict):
            await runner.submit([order(None)], OTHER_BODY)
        requests[0].cancel()  # the others' answer does not go with it
        await asyncio.sleep(0.05)
        assert not any(request.done() for request in requests[1:])
    given = await asyncio.gather(*requests[1:])
    assert all(answer.results == given[0].results for answer in given)
    assert all(answer.replayed for answer in given)
    assert await logged(connection, "PlaceOrder") == 1


async def test_the_same_order_at_once_is_one_order(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    given = await asyncio.gather(
        *(runner.submit([order(), order()]) for _ in range(5)),
        runner.submit([order(quantity="1.000")]),
        runner.submit([order(quantity="1.001")]),
    )
    receipts = [result for answer in given[:6] for result in answer.results]
    assert len(receipts) == 11
    assert all(receipt == receipts[0] for receipt in receipts)
    assert isinstance(given[6].results[0], Rejection)
    assert await logged(connection, "PlaceOrder") == 1
    assert await stored(connection) == 1


async def test_orders_without_an_id_are_never_the_same(runner: Runner) -> None:
    first, second = (await runner.submit([order(None), order(None)])).results
    assert first != second


async def test_a_single_refusal_is_not_kept_but_a_batch_is_whole(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    refused = await runner.submit([deposit("nobody")], KEY)
    assert isinstance(refused.results[0], Rejection)
    assert await stored(connection) == 0
    # Its key is free: the reason for the refusal may be gone.
    assert (await runner.submit([deposit()], OTHER_BODY)).results == [Done()]
    batch = [deposit("nobody"), deposit("nobody")]
    first = await runner.submit(batch, OTHER_CALLER)
    assert await stored(connection) == 2
    assert (await runner.submit(batch, OTHER_CALLER)).results == first.results


async def test_what_leaves_memory_is_found_in_the_table(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    keys = [replace(KEY, key=str(number)) for number in range(10)]
    async with Runner(address, pace=Pace(remembered_results=2)) as runner:
        for key in keys:
            await runner.submit([order(f"order-{key.key}")], key)
        for key in keys:
            assert (await runner.submit([order(f"order-{key.key}")], key)).replayed
            await runner.submit([order(f"order-{key.key}")])
    assert await logged(connection, "PlaceOrder") == 10


def test_memory_keeps_what_is_not_durable() -> None:
    memory = Memory(most=1)
    for batch in range(1, 4):
        memory.put(("scope", str(batch)), Known("digest", [Done()]), batch)
    memory.trim(durable=1)
    assert memory.get(("scope", "1")) is None
    assert memory.get(("scope", "2"))
    memory.trim(durable=3)
    assert memory.get(("scope", "2")) is None
    assert memory.get(("scope", "3"))


async def test_old_requests_are_forgotten_and_orders_are_not(
    runner: Runner, connection: asyncpg.Connection
) -> None:
    await runner.submit([order()], KEY)
    await runner.submit([deposit()], OTHER_CALLER)
    old = datetime.now(UTC) - timedelta(days=7, seconds=1)
    await connection.execute("UPDATE answers SET time = $1 WHERE scope <> $2", old, "request/key-2")
    await forget_old_requests(connection, datetime.now(UTC))
    scopes = [
        row["scope"] for row in await connection.fetch("SELECT scope FROM answers ORDER BY 1")
    ]
    assert scopes == ["order/alice", "request/key-2"]


UNREADABLE = {
    "another format": "format = 2",
    "a field that this release does not have": (
        "results = jsonb_set(results::jsonb, '{0,OrderReceipt,iceberg}', '1')::json"
    ),
    "a field that is missing and has no default": (
        "results = (results::jsonb #- '{0,OrderReceipt,quantity}')::json"
    ),
    "a kind that is unknown": """results = '[{"Futures": {}}]'""",
    "no kind": """results = '[{}]'""",
    "no number": (
        "results = jsonb_set(results::jsonb, '{0,OrderReceipt,quantity}', '\"many\"')::json"
    ),
    "no results": "results = '[]'",
    "results not known yet": "results = '[null]'",
    "no list": "results = '7'",
    "another's answer": """results = '[{"Done": {"identifier": "x"}}]'""",
}


@pytest.mark.parametrize("change", UNREADABLE.values(), ids=UNREADABLE)
async def test_an_answer_that_cannot_be_read_has_expired(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection, change: str
) -> None:
    """As after an upgrade that changed what is stored: nothing is done again, nothing ends."""
    async with Runner(address) as runner:
        await runner.submit([order()])
    await connection.execute(f"UPDATE answers SET {change}")
    async with Runner(address) as runner:
        for _ in range(2):
            (refusal,) = (await runner.submit([order()])).results
            assert isinstance(refusal, Rejection)
            assert refusal.code == "answer_expired"
            (conflict,) = (await runner.submit([order(quantity="2")])).results
            assert isinstance(conflict, Rejection)
            assert conflict.code == "client_order_id_conflict"
        (receipt,) = (await runner.submit([order("a-2")])).results
        assert isinstance(receipt, OrderReceipt)
        assert runner.metrics.terms_failed == 0
    assert await logged(connection, "PlaceOrder") == 2


@pytest.mark.parametrize("change", ["format = 2", "results = '[]'", """results = '[{"X": 1}]'"""])
async def test_a_requests_answer_that_cannot_be_read_has_expired(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection, change: str
) -> None:
    commands: list[Command] = [deposit(), deposit()]
    async with Runner(address) as runner:
        await runner.submit(commands, KEY)
    await connection.execute(f"UPDATE answers SET {change}")
    async with Runner(address) as runner:
        for _ in range(2):
            with pytest.raises(AnswerExpired):
                await runner.submit(commands, KEY)
            with pytest.raises(AnswerConflict):
                await runner.submit(commands, OTHER_BODY)
        assert runner.metrics.terms_failed == 0
    assert await logged(connection) == 2


async def test_an_answer_from_before_a_field_was_added_is_read(
    address: str, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    """What has a default by now needs not be stored."""
    async with Runner(address) as runner:
        first = await runner.submit([deposit()], KEY)
    stripped = "results = (results::jsonb #- '{0,Done,identifier}')::json"
    assert await connection.execute(f"UPDATE answers SET {stripped}") == "UPDATE 1"
    async with Runner(address) as runner:
        assert await runner.submit([deposit()], KEY) == replace(first, replayed=True)


def test_an_order_keeps_its_digest_when_a_field_is_added() -> None:
    """Unless that is used: then it is another order."""

    @dataclass(frozen=True, slots=True)
    class Later(PlaceOrder):
        display: Decimal | None = None

    given = order()
    values = {field.name: getattr(given, field.name) for field in fields(given)}
    assert order_key(Later(**values)) == order_key(given)
    assert order_key(Later(**values, display=Decimal(1))) != order_key(given)

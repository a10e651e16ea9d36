"""Cascades step by step: ticks of the asset wait, all else is served (MRK-2, LIQ-10)."""

import asyncio
from decimal import Decimal

import asyncpg

from app.engine.commands import Command
from app.engine.commands.accounts import Deposit
from app.engine.commands.leaders import ContinueCascade
from app.engine.commands.prices import Tick
from app.engine.results import Ticked
from app.runner.runner import AnswerKey, Runner
from tests.runner.conftest import ScriptedEngine, applied, until

STEP = ContinueCascade("USDT")
KEY = AnswerKey("request/feed", "ticks", "c" * 64)


def tick(symbol: str, price: int = 1) -> Tick:
    return Tick(symbol, Decimal(price))


def symbols(results: list[object]) -> list[str]:
    return [result.symbol for result in results if isinstance(result, Ticked)]


async def test_a_tick_is_answered_when_its_cascade_is_finished(
    runner: Runner, scripted: type[ScriptedEngine], connection: asyncpg.Connection
) -> None:
    scripted.steps["BTCUSDT"] = 3
    answer = await runner.submit([tick("BTCUSDT")])
    assert answer.results == [
        Ticked("BTCUSDT", Decimal(1), runner.engine.state.time, 3)  # type: ignore[arg-type]
    ]
    assert applied(runner) == [tick("BTCUSDT"), STEP, STEP, STEP]
    kinds = await connection.fetch("SELECT kind FROM commands ORDER BY sequence")
    assert [row["kind"] for row in kinds] == ["Recover", "Tick"] + ["ContinueCascade"] * 3


async def test_ticks_of_the_same_asset_wait_in_order(
    runner: Runner, scripted: type[ScriptedEngine]
) -> None:
    scripted.steps["BTCUSDT"] = 2
    ticks = [tick("BTCUSDT", 1), tick("ETHUSDT"), tick("BTCUSDC"), tick("BTCUSDT", 2)]
    answer = await runner.submit(ticks, KEY)
    assert symbols(answer.results) == ["BTCUSDT", "ETHUSDT", "BTCUSDC", "BTCUSDT"]
    assert applied(runner) == [
        tick("BTCUSDT", 1), tick("BTCUSDC"),  # another settlement asset does not wait
        STEP, STEP, tick("ETHUSDT"), tick("BTCUSDT", 2), STEP, STEP,
    ]  # fmt: skip
    assert (await runner.submit(ticks, KEY)).results == answer.results
    assert len(applied(runner)) == 8


async def test_later_ticks_do_not_overtake_held_ones(
    runner: Runner, scripted: type[ScriptedEngine]
) -> None:
    scripted.steps["BTCUSDT"] = 2
    await asyncio.gather(
        runner.submit([tick("BTCUSDT", 1), tick("BTCUSDT", 2)]),
        runner.submit([tick("ETHUSDT", 3)]),
        runner.submit([tick("ETHUSDT", 4)]),
    )
    prices = [command.mark_price for command in applied(runner) if isinstance(command, Tick)]
    assert prices == [1, 2, 3, 4]


async def test_other_commands_are_served_between_the_steps(
    runner: Runner, scripted: type[ScriptedEngine]
) -> None:
    scripted.steps["BTCUSDT"] = 1_000_000
    cascade = asyncio.create_task(runner.submit([tick("BTCUSDT")]))
    await until(lambda: len(applied(runner)) > 1)
    deposit: list[Command] = [Deposit("alice", "USDT", Decimal(1))]
    for _ in range(5):
        await runner.submit(deposit)
    assert not cascade.done()
    cascade.cancel()


async def test_other_commands_of_a_submission_are_not_held(
    runner: Runner, scripted: type[ScriptedEngine]
) -> None:
    scripted.steps["BTCUSDT"] = 2
    deposit = Deposit("alice", "USDT", Decimal(1))
    await runner.submit([tick("BTCUSDT"), tick("ETHUSDT"), deposit])
    assert applied(runner) == [tick("BTCUSDT"), deposit, STEP, STEP, tick("ETHUSDT")]


async def test_two_assets_cascade_side_by_side(
    runner: Runner, scripted: type[ScriptedEngine]
) -> None:
    scripted.steps.update(BTCUSDT=2, BTCUSDC=3)
    await runner.submit([tick("BTCUSDT"), tick("BTCUSDC")])
    other = ContinueCascade("USDC")
    assert applied(runner)[2:] == [STEP, other, STEP, other, other]


async def test_a_stop_does_not_wait_for_a_cascade(
    address: str, scripted: type[ScriptedEngine]
) -> None:
    scripted.steps["BTCUSDT"] = 1_000_000
    async with Runner(address) as runner:
        cascade = asyncio.create_task(runner.submit([tick("BTCUSDT")]))
        await until(lambda: len(applied(runner)) > 10)
    assert cascade.done()
    assert cascade.exception() is not None

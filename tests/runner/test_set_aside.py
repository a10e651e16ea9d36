"""What fails in a cascade, or while a leader begins, is set aside (REC-2)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.engine import invariants
from app.engine.cascades import cascade
from app.engine.commands import Command
from app.engine.commands.accounts import Deposit, Withdraw
from app.engine.events import Liquidation
from app.engine.figures import margin
from app.engine.handlers import recovery
from app.engine.liquidation import looking, waterfall
from app.engine.results import Ticked
from app.engine.scopes import cross_scope
from app.engine.step import Step
from app.runner.runner import Runner
from tests.runner.bugs import (
    announced,
    calm,
    check_log,
    failed_times,
    fails,
    recorded,
    recorded_count,
    refused,
    release,
)
from tests.runner.conftest import Plant, until
from tests.runner.test_real_engine import (
    a_crowd,
    a_market,
    accepted,
    deposit,
    liquidated,
    order,
    tick,
)

ALICE = cross_scope("alice", "USDT")


def of_alice(*arguments: Any) -> bool:
    """Whether it is about her cross scope, or a case of it."""
    return ALICE in arguments or any(getattr(one, "scope", None) == ALICE for one in arguments)


@pytest.mark.parametrize(
    ("module", "name"),
    [(waterfall, "advance"), (looking, "check"), (waterfall, "cancel_scope_orders")],
)
async def test_a_scope_that_fails_in_a_cascade_is_set_aside(
    address: str, connection: asyncpg.Connection, plant: Plant, module: Any, name: str
) -> None:
    """Released before it is mended, it is set aside again; or not released, where its orders cannot
    be cancelled."""
    async with Runner(address) as runner:
        crowd = await a_crowd(runner, 40)
        plant.before(module, name, of_alice)
        await fails(runner, tick("56000"))
        times = 2 if name == "cancel_scope_orders" else 1  # that is what sets aside, too
        ((command, digest, account, asset, found, _),) = await recorded(connection)
        assert (digest, account, asset, found) == (False, "alice", "USDT", times)
        assert command in ("Tick", "ContinueCascade")
        (ticked,) = await accepted(runner, [tick("56000")])
        assert isinstance(ticked, Ticked)
        assert await liquidated(connection) == len(crowd)
        state = runner.engine.state
        assert state.accounts["alice"].positions["BTCUSDT", "both"].quantity == 1
        for command in (order("alice", "sell", "1", "56000"), withdrawal("alice")):
            assert (await refused(runner, command))[0] == "account_in_liquidation"
        await accepted(runner, [deposit("alice", "1")])

        if times == 2:
            await fails(runner, release(1))
            assert [row[-2:] for row in await recorded(connection)] == [(3, True)]
        else:
            await accepted(runner, [release(1)])
            await until(lambda: recorded_count(connection, 2))
            await calm(runner)
            assert [row[-2:] for row in await recorded(connection)] == [(1, False), (1, True)]

        plant.there = False
        await accepted(runner, [release(await recorded_length(connection))])
        await calm(runner)
        assert ("BTCUSDT", "both") not in runner.engine.state.accounts["alice"].positions
        assert await announced(connection) == await recorded_length(connection)
        invariants.check_all(runner.engine.state)
    await check_log(connection)


async def recorded_length(connection: asyncpg.Connection) -> int:
    return len(await recorded(connection))


def withdrawal(account_id: str) -> Command:
    return Withdraw(account_id, "USDT", Decimal(1))


async def test_a_scope_that_fails_in_recover_is_set_aside(
    address: str, connection: asyncpg.Connection, plant: Plant
) -> None:
    async with Runner(address) as runner:
        await a_market(runner)
    plant.before(margin, "health_of", lambda state, scope, held: scope == ALICE)
    async with Runner(address) as runner:
        await calm(runner)
        assert [row[2] for row in await recorded(connection)] == ["alice"]
        await accepted(runner, [tick("59000"), order("carol", "buy", "0.1", "58000")])
        assert (await refused(runner, order("alice", "sell", "1", "60000")))[0] == (
            "account_in_liquidation"
        )
        await accepted(runner, [tick("56000")])
        plant.there = False
        await accepted(runner, [release(1)])
        await calm(runner)
        assert await connection.fetchval("SELECT count(*) FROM liquidations") == 1
    await check_log(connection)


async def test_where_recover_itself_fails_nobody_leads_and_it_is_said_once(
    address: str, connection: asyncpg.Connection, plant: Plant
) -> None:
    async with Runner(address) as runner:
        await a_market(runner)
    plant.before(recovery, "recover", lambda step, command: True)
    async with Runner(address) as runner:
        await until(lambda: failed_times(connection, 3))
        assert not runner.leading
        assert len(await recorded(connection)) == 1
        plant.there = False
        await until(lambda: runner.leading)
        await accepted(runner, [deposit("carol", "1"), release(1)])
        assert await announced(connection) == 1
    await check_log(connection)


async def test_money_that_is_broken_in_the_tables_is_said_once(
    address: str, connection: asyncpg.Connection
) -> None:
    async with Runner(address) as runner:
        await a_market(runner)
    broken = "UPDATE wallets SET balance = balance {} 1 WHERE key = 'cross/carol/USDT'"
    await connection.execute(broken.format("+"))
    async with Runner(address) as runner:
        await until(lambda: failed_times(connection, 2))
        assert not runner.leading
        ((command, *_),) = await recorded(connection)
        assert command == "Recover"
        await connection.execute(broken.format("-"))
        await until(lambda: runner.leading)


async def test_a_broken_law_is_traced_to_the_scope_that_broke_it(
    address: str, connection: asyncpg.Connection, plant: Plant
) -> None:
    """Twenty are liquidated before the laws are asked; then one at a time, and the next tells."""

    def breaks(step: Step) -> bool:
        return any(r.account_id == "trader-007" for r in step.outcome.of(Liquidation))

    async with Runner(address) as runner:
        crowd = await a_crowd(runner, 40)
        plant.before(invariants, "check_step", breaks)
        await fails(runner, tick("56000"))
        await fails(runner, tick("56000"))
        await accepted(runner, [tick("56000")])
        assert [row[2:5] for row in await recorded(connection)] == [
            (None, "USDT", 1), ("trader-007", "USDT", 1),
        ]  # fmt: skip
        assert await liquidated(connection) == len(crowd) - 1
        plant.there = False
        await accepted(runner, [release(1), release(2)])
        await calm(runner)
        assert await liquidated(connection) == len(crowd)
    await check_log(connection)


async def test_an_asset_whose_cascades_always_fail_halts_alone(
    address: str, connection: asyncpg.Connection, plant: Plant
) -> None:
    async with Runner(address) as runner:
        await a_market(runner)
        plant.before(cascade, "_has_scopes", lambda cascade: cascade.asset == "USDT")
        await fails(runner, tick("56000"))
        await until(lambda: failed_times(connection, 2))
        await calm(runner)
        suspects = [row[2:5] for row in await recorded(connection)]
        assert suspects == [("alice", "USDT", 1), ("bob", "USDT", 1), (None, "USDT", 2)]
        await accepted(runner, [tick("55000"), deposit("carol", "1")])
        await accepted(runner, [Deposit("carol", "USDC", Decimal(1))])
        assert (await refused(runner, order("carol", "buy", "1", "54000")))[0] == (
            "account_in_liquidation"
        )
        plant.there = False
        await accepted(runner, [release(number) for number in (3, 2, 1)])
        await calm(runner)
        assert ("BTCUSDT", "both") not in runner.engine.state.accounts["alice"].positions
        await accepted(runner, [order("carol", "buy", "0.1", "54000")])
    await check_log(connection)

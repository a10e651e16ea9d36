"""A market that nothing has tampered with agrees, whatever happened to its leaders."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal

import asyncpg
import pytest

from app.engine.commands import Command, Side
from app.engine.commands.accounts import AdjustMargin, ConfigureContract, Deposit, SetPositionMode
from app.engine.commands.contracts import CreateContract, UpdateContract
from app.engine.commands.funds import ContributeToFund, ContributeToTreasury, CreateFund, UpdateFund
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.policies import FundPolicy
from app.engine.rejections import Rejection
from app.runner.runner import NotLeader, Runner
from app.store import codec, database
from app.store.tables import MERGED
from app.verify.replay import verify
from tests.engine.world import brackets, contract, inverse, open_account
from tests.verify.conftest import verified
from tests.verify.market import live


async def test_nothing_agrees(address: str) -> None:
    findings = await verified(address)
    assert findings.difference is None
    assert findings.commands == 0


@pytest.mark.parametrize("seed", [5, 7, 8, 9])
async def test_a_violent_market_agrees(
    address: str, connection: asyncpg.Connection, seed: int
) -> None:
    """With every kind of record, and leaders stopped in the middle of cascades."""
    await live(address, seed)
    findings = await verified(address)
    assert findings.difference is None
    assert findings.leaders == 4
    assert findings.commands == findings.end > 300
    assert len(findings.state_hash) == 64
    for name in ("transfers", "trades", "fund_history", "liquidations", "adl_counterparties"):
        assert findings.rows[name] == await connection.fetchval(f"SELECT count(*) FROM {name}") > 0
    for name in ("orders", "triggered_orders", *MERGED):
        assert findings.rows[name] == await connection.fetchval(f"SELECT count(*) FROM {name}")
    became = "SELECT count(*) FROM triggered_orders WHERE status = 'triggered'"
    assert await connection.fetchval(became) > 0


async def test_broken_leaders_agree(address: str, connection: asyncpg.Connection) -> None:
    """Commits that failed have left nothing behind, and the next leader begins with Recover."""
    deposit = ContributeToTreasury("USDT", Decimal(1))
    async with Runner(address) as runner:
        await accepted(runner, CreateFund("f", "F"), CreateContract(contract("A", "f")))
        for _ in range(3):
            await connection.execute("UPDATE leadership SET epoch = epoch + 1")
            with pytest.raises(NotLeader):
                await runner.submit([deposit])
            while not runner.leading:
                await asyncio.sleep(0.01)
            await accepted(runner, deposit)
    findings = await verified(address)
    assert findings.difference is None
    assert findings.leaders == 4


async def test_it_sees_one_moment_while_the_service_writes(address: str) -> None:
    connection = await database.connect(address)
    async with Runner(address) as runner:
        await accepted(runner, CreateFund("f", "F"), CreateContract(contract("A", "f")))

        async def write() -> None:
            while True:
                await runner.submit([ContributeToTreasury("USDT", Decimal(1))] * 5)

        writing = [asyncio.create_task(write()) for _ in range(4)]
        while runner.engine.state.counters.command < 2000:
            await asyncio.sleep(0.01)
        shown: list[tuple[int, int]] = []
        findings = await verify(connection, lambda done, total: shown.append((done, total)))
        for task in writing:
            task.cancel()
        assert findings.difference is None
        assert 2000 <= findings.end < runner.engine.state.counters.command
        assert shown[-1] == (findings.end, findings.end)
        assert len(shown) >= 2
        assert not connection.is_in_transaction()
    await connection.close()


async def test_accounts_healed_by_a_bracket_change_after_a_restart(address: str) -> None:
    """They are recorded in an order of their own, not in that of the rows that were loaded."""
    names = ["zed", "amy", "moe", "bob"]
    loose = brackets((("0", "100000000", 100, "0.005"),))
    tight = brackets((("0", "100000000", 10, "0.06"),))
    async with Runner(address) as runner:
        await accepted(
            runner, CreateFund("f", "F"),
            CreateContract(replace(contract("C", "f"), brackets=loose)),
            CreateContract(contract("I", "f")), tick("C", "100"), tick("I", "100"),
            open_account("whale"), Deposit("whale", "USDT", Decimal(1_000_000)),
        )  # fmt: skip
        for name in names:
            await accepted(
                runner, open_account(name), Deposit(name, "USDT", Decimal(10)),
                ConfigureContract(name, "C", 100, "cross"),
                ConfigureContract(name, "I", 20, "isolated"),
                order("whale", "sell", "C", "1", "100"), order(name, "buy", "C", "1", "100"),
                order(name, "buy", "I", "1", "90"),
            )  # fmt: skip
        await accepted(runner, order("whale", "sell", "C", "0.1", "100"))
        await accepted(runner, order("zed", "buy", "C", "0.1", "100"))
    async with Runner(address) as runner:
        await accepted(runner, UpdateContract("C", {"brackets": tight}))
    findings = await verified(address)
    assert findings.difference is None
    assert findings.rows["liquidations"] == len(names)


async def test_an_isolated_position_without_margin_of_its_own_after_a_restart(
    address: str,
) -> None:
    """Its profit stands in for the margin that its owner took back: the wallet holds zero."""
    async with Runner(address) as runner:
        await accepted(
            runner, CreateFund("f", "F"), CreateContract(contract("I", "f")), tick("I", "100"),
            open_account("whale"), Deposit("whale", "USDT", Decimal(1000)),
            open_account("amy"), Deposit("amy", "USDT", Decimal(1000)),
            ConfigureContract("amy", "I", 20, "isolated"),
            order("whale", "sell", "I", "1", "100"), order("amy", "buy", "I", "1", "100"),
            tick("I", "150"), AdjustMargin("amy", "I", "both", Decimal(-5)),
        )  # fmt: skip
        assert runner.engine.state.wallets["isolated/amy/USDT/I:both"].balance == 0
    async with Runner(address) as runner:
        await accepted(
            runner, order("whale", "buy", "I", "1", "150"), order("amy", "sell", "I", "1", "150")
        )
    assert (await verified(address)).difference is None


async def test_a_log_from_when_a_policy_was_replaced_agrees(
    address: str, connection: asyncpg.Connection
) -> None:
    """Its rows name all fields of a policy; those after them what was changed."""
    whole = (
        '{"fund_id":"f","name":"G","policy":{"max_net_notional_ratio":"2",'
        '"share_below_minimum":"0.75","share_above_minimum":"0.5"},"required_minimum":null}'
    )
    async with Runner(address) as runner:
        await accepted(
            runner, CreateFund("f", "F"), codec.decode_command("UpdateFund", whole),
            UpdateFund("f", policy={"share_above_minimum": Decimal("0.25")}),
        )  # fmt: skip
    bodies = await connection.fetch("SELECT body FROM commands WHERE kind = 'UpdateFund'")
    assert bodies[0]["body"] == whole
    stored = codec.from_json(
        FundPolicy, json.loads(await connection.fetchval("SELECT policy FROM funds"))
    )
    assert stored == FundPolicy(Decimal(2), Decimal("0.75"), Decimal("0.25"))
    assert (await verified(address)).difference is None


async def accepted(runner: Runner, *commands: Command) -> None:
    """Commands of which none is refused."""
    results = (await runner.submit(commands)).results
    assert not [result for result in results if isinstance(result, Rejection)]


def tick(symbol: str, price: str) -> Tick:
    return Tick(symbol, Decimal(price))


def order(account_id: str, side: Side, symbol: str, quantity: str, price: str) -> PlaceOrder:
    return PlaceOrder(account_id, symbol, side, "limit", Decimal(quantity), Decimal(price))


async def test_an_inverse_market_agrees(address: str) -> None:
    """CON-2: takeover, ADL, resting orders and inventory in the coin, over two leaders."""
    traders = ("ann", "bob", "cyd")
    seed = ContributeToFund("f", "main", "BTC", Decimal(3), "seed_capital")
    async with Runner(address) as runner:
        await accepted(runner, CreateFund("f", "F"), CreateContract(inverse("COIN", "f")), seed)
        await accepted(runner, tick("COIN", "100"), *(open_account(trader) for trader in traders))
        await accepted(runner, *(Deposit(trader, "BTC", Decimal(200)) for trader in traders))
        await accepted(
            runner,
            ConfigureContract("ann", "COIN", 50, "isolated"),
            order("bob", "sell", "COIN", "1030", "100"),
            order("ann", "buy", "COIN", "1000", "100"),
            order("cyd", "buy", "COIN", "30", "100"),
            order("cyd", "buy", "COIN", "7", "33.33"),
        )
    async with Runner(address) as runner:
        await accepted(runner, tick("COIN", "95"))
        state = runner.engine.state
        assert ("COIN", "both") not in state.accounts["ann"].positions
        assert state.funds["f"].inventory["COIN"].quantity == 27
        await accepted(runner, order("bob", "buy", "COIN", "3", "33.33"))
        await accepted(runner, order("ann", "sell", "COIN", "9", "33.33"))
    findings = await verified(address)
    assert findings.difference is None
    assert findings.rows["adl_counterparties"] == 1
    assert findings.leaders == 2


async def test_a_hedged_market_agrees(address: str) -> None:
    """ORD-3, LIQ-2: legs, their trades and orders, netting, a change of mode; three leaders."""
    async with Runner(address) as runner:
        await accepted(
            runner, CreateFund("f", "F"), CreateContract(contract("A", "f")), tick("A", "100"),
            open_account("hal", "hedge"), Deposit("hal", "USDT", Decimal(800)),
            open_account("bob"), Deposit("bob", "USDT", Decimal(100_000)),
            order("bob", "sell", "A", "100", "100"),
            replace(order("hal", "buy", "A", "100", "100"), position_side="long"),
            order("bob", "buy", "A", "60", "100"),
            replace(order("hal", "sell", "A", "60", "100"), position_side="short"),
            replace(order("hal", "buy", "A", "10", "90"), position_side="short"),
        )  # fmt: skip
    async with Runner(address) as runner:
        legs = runner.engine.state.accounts["hal"].positions
        assert {leg: position.quantity for (_, leg), position in legs.items()} == {
            "long": 100, "short": -60,
        }  # fmt: skip
        assert [order.reduce_only for order in legs["A", "short"].orders.values()] == [True]
        await accepted(runner, tick("A", "81.63"))
        assert {leg: position.quantity for (_, leg), position in legs.items()} == {"long": 40}
    async with Runner(address) as runner:
        await accepted(
            runner, order("bob", "buy", "A", "40", "82"),
            replace(order("hal", "sell", "A", "40", "82"), position_side="long"),
            SetPositionMode("hal", "one_way"), order("hal", "buy", "A", "1", "80"),
        )  # fmt: skip
    findings = await verified(address)
    assert findings.difference is None
    assert findings.rows["liquidations"] == 2

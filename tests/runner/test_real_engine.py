"""The runner with the real engine: what a restart finds is what was answered."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.catalogue.default import default_commands
from app.engine.bounds import Bounds
from app.engine.commands import Command, Side
from app.engine.commands.accounts import Deposit, OpenAccount
from app.engine.commands.contracts import UpdateContract
from app.engine.commands.funding import SetFundingRate
from app.engine.commands.funds import ContributeToFund
from app.engine.commands.orders import CancelAllAfter, PlaceOrder
from app.engine.commands.prices import IndexTick, Tick
from app.engine.contracts import IndexSource
from app.engine.engine import Engine
from app.engine.rejections import Rejection
from app.engine.results import Moved, OrderReceipt, Ticked
from app.runner.clock import Clock
from app.runner.keys import make_key
from app.runner.runner import NotLeader, Runner
from app.verify.replay import verify
from tests.runner.conftest import until

STATUS = "SELECT status FROM contracts WHERE symbol = 'BTCUSDT'"


def open_account(account_id: str) -> OpenAccount:
    key, _ = make_key("test", "trader", account_id)
    return OpenAccount(account_id, "one_way", key)


def deposit(account_id: str, amount: str) -> Deposit:
    return Deposit(account_id, "USDT", Decimal(amount))


def order(account_id: str, side: Side, quantity: str, price: str) -> PlaceOrder:
    return PlaceOrder(account_id, "BTCUSDT", side, "limit", Decimal(quantity), Decimal(price))


def tick(price: str) -> Tick:
    return Tick("BTCUSDT", Decimal(price))


def status(word: str) -> UpdateContract:
    return UpdateContract("BTCUSDT", {"status": word})


async def accepted(runner: Runner, commands: Sequence[Command]) -> list[object]:
    """The results of commands of which none is refused."""
    results = (await runner.submit(commands)).results
    assert not [result for result in results if isinstance(result, Rejection)]
    return results


async def a_market(runner: Runner) -> None:
    """The default catalogue, a fund with money, a mark, and a long against a short."""
    await accepted(runner, default_commands(runner.now()))
    seed = ContributeToFund("usdt-major", "main", "USDT", Decimal(100_000), "seed_capital")
    opened = [open_account(name) for name in ("alice", "bob", "carol")]
    money = [deposit("alice", "4000"), deposit("bob", "100000"), deposit("carol", "100000")]
    orders = [order("bob", "sell", "1", "60000"), order("alice", "buy", "1", "60000")]
    await accepted(runner, [seed, *opened, tick("60000"), *money, *orders])


async def test_a_restart_finds_everything(address: str) -> None:
    async with Runner(address) as runner:
        await a_market(runner)
        (receipt,) = await accepted(runner, [order("carol", "buy", "0.5", "59000")])
        assert isinstance(receipt, OrderReceipt)
        state = runner.engine.state
        balances = {key: wallet.balance for key, wallet in state.wallets.items()}
        command = state.counters.command
    async with Runner(address) as runner:
        assert runner.leading  # every law was checked
        state = runner.engine.state
        assert {key: wallet.balance for key, wallet in state.wallets.items()} == balances
        assert list(state.orders) == [receipt.order_id]
        assert state.accounts["alice"].positions["BTCUSDT", "both"].quantity == 1
        assert state.counters.command == command + 1  # Recover


async def test_a_contract_that_was_changed_back_and_forth_at_once(
    address: str, connection: asyncpg.Connection
) -> None:
    """Of several changes in one batch the last is durable, though one before was the same."""
    async with Runner(address) as runner:
        await a_market(runner)
        await accepted(runner, [status("halted"), status("trading"), status("halted")])
        assert await connection.fetchval(STATUS) == "halted"
        await accepted(runner, [status("trading"), status("halted"), status("trading")])
        assert await connection.fetchval(STATUS) == "trading"


async def test_an_index_price_is_answered_when_its_cascade_has_ended(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MRK-2, MRK-3: the next one waits for it, as ticks do; then nobody says anything more."""
    source = IndexSource("a", Decimal(1))
    terms = {"mark_mode": "derived", "index_sources": (source,)}
    prices = [IndexTick("BTCUSDT", "a", Decimal(price)) for price in (60000, 56500, 59000)]
    async with Runner(address) as runner:
        await a_market(runner)
        names = [f"herd-{number}" for number in range(150)]
        commands = [UpdateContract("BTCUSDT", terms), order("bob", "sell", "0.3", "60000")]
        commands += [open_account(name) for name in names]
        commands += [deposit(name, "7") for name in names]
        commands += [order(name, "buy", "0.002", "60000") for name in names]
        await accepted(runner, commands)
        found = await accepted(runner, prices)
        assert [result.accounts_at_risk for result in found if isinstance(result, Ticked)] == [
            0, 150, 0
        ]  # fmt: skip
        state, now = runner.engine.state, Clock.now
        assert len(state.silences) == 1
        monkeypatch.setattr(Clock, "now", lambda clock: now(clock) + timedelta(seconds=11))
        alerts = state.counters.alert
        await accepted(runner, [deposit("carol", "1")])
        assert (state.silences, state.counters.alert) == ([], alerts + 1)


async def test_a_countdown_runs_out_under_the_next_leader(address: str) -> None:
    """ORD-14: it is state; nobody need send anything."""
    async with Runner(address) as runner:
        await a_market(runner)
        await accepted(runner, [order("carol", "buy", "0.5", "59000"), CancelAllAfter("carol", 1)])
    async with Runner(address) as runner:
        await until(lambda: not runner.engine.state.orders)
        assert runner.engine.state.accounts["carol"].cancel_at is None
    async with Runner(address) as runner:
        state = runner.engine.state
        assert (state.orders, state.countdowns) == ({}, [])


async def test_a_liquidation_is_durable_when_its_tick_is_answered(
    address: str, connection: asyncpg.Connection
) -> None:
    async with Runner(address) as runner:
        await a_market(runner)
        (ticked,) = await accepted(runner, [tick("56000")])
        assert isinstance(ticked, Ticked)
        assert ticked.accounts_at_risk == 1
        row = await connection.fetchrow("SELECT account_id, outcome, fund_amount FROM liquidations")
        assert row is not None
        assert row["account_id"] == "alice"
    async with Runner(address) as runner:
        assert runner.leading
        assert ("BTCUSDT", "both") not in runner.engine.state.accounts["alice"].positions


async def a_crowd(runner: Runner, size: int) -> list[str]:
    """Accounts that are all long with the same leverage."""
    await a_market(runner)
    crowd = [f"trader-{number:03}" for number in range(size)]
    commands: list[Command] = [deposit("bob", "10000000"), order("bob", "sell", "50", "60000")]
    for name in crowd:
        commands += [open_account(name), deposit(name, "40"), order(name, "buy", "0.01", "60000")]
    await accepted(runner, commands)
    return crowd


async def liquidated(connection: asyncpg.Connection) -> int:
    """How many accounts of the crowd were liquidated."""
    count: int = await connection.fetchval(
        "SELECT count(DISTINCT account_id) FROM liquidations WHERE account_id LIKE 'trader-%'"
    )
    return count


async def test_a_long_cascade_is_one_answer_and_serves_others_meanwhile(
    address: str, connection: asyncpg.Connection
) -> None:
    async with Runner(address) as runner:
        crowd = await a_crowd(runner, 200)
        crash = asyncio.create_task(accepted(runner, [tick("56000"), tick("55900")]))
        await until(lambda: "USDT" in runner.engine.state.cascades)
        await accepted(runner, [deposit("carol", "1")])
        first, second = await crash
        assert isinstance(first, Ticked)
        assert isinstance(second, Ticked)
        assert first.accounts_at_risk == len(crowd) + 1  # and alice
        assert second.accounts_at_risk == 0
        assert await liquidated(connection) == len(crowd)
        assert runner.metrics.commands["ContinueCascade"] > 2


async def test_a_new_leader_goes_on_with_a_cascade(
    address: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "bounds", Bounds(liquidations=1))

    async def begun() -> bool:
        return await liquidated(connection) > 0

    async with Runner(address) as runner:
        crowd = await a_crowd(runner, 200)
        crash = asyncio.create_task(runner.submit([tick("56000")]))
        await until(begun)
        await connection.execute("UPDATE leadership SET epoch = epoch + 1")
        with pytest.raises(NotLeader):
            await crash
        assert 0 < await liquidated(connection) < len(crowd)
        await until(lambda: runner.leading)
        (ticked,) = await accepted(runner, [tick("56000")])
        assert isinstance(ticked, Ticked)
        assert await liquidated(connection) == len(crowd)
    async with Runner(address) as runner:
        assert runner.leading


async def test_a_funding_goes_on_under_the_next_leader(
    address: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FPY-1: a leader is lost between two parts: everybody pays once, others are served meanwhile,
    and the log says the same."""
    monkeypatch.setattr(Engine, "bounds", Bounds(payers=1))
    now = Clock.now

    async def paid() -> int:
        count: int = await connection.fetchval(
            "SELECT count(*) FROM funding_payments WHERE rate <> 0"
        )
        return count

    async with Runner(address) as runner:
        crowd = await a_crowd(runner, 300)
        market = runner.engine.state.markets["BTCUSDT"]
        terms: dict[str, object] = {"funding_interval_hours": 1}
        rate = SetFundingRate("BTCUSDT", Decimal("0.0000123"))
        await accepted(runner, [UpdateContract("BTCUSDT", terms), rate])
        # Each leader is an hour ahead of what the log says: there may be fundings without a rate.
        monkeypatch.setattr(Clock, "now", lambda clock: now(clock) + timedelta(hours=1))
        await accepted(runner, [deposit("carol", "1")])
        while not (market.funding and market.funding.paid_account):
            await asyncio.sleep(0)
        (refused,) = (await runner.submit([order("carol", "buy", "0.1", "59000")])).results
        assert isinstance(refused, Rejection)
        assert refused.code == "funding_under_way"
        await connection.execute("UPDATE leadership SET epoch = epoch + 1")
        with pytest.raises(NotLeader):
            await runner.submit([deposit("carol", "1")])
        assert 0 < await paid() < len(crowd) + 2
        await until(lambda: runner.leading)
        (ticked,) = await accepted(runner, [tick("60000")])  # waits for the funding's end
        assert isinstance(ticked, Ticked)
        assert await paid() == len(crowd) + 2
        await accepted(runner, [order("carol", "buy", "0.1", "59000")])
    each = "SELECT count(DISTINCT account_id), sum(amount) FROM funding_payments WHERE rate <> 0"
    sums = await connection.fetch(each)
    ((rate_settled, residue),) = await connection.fetch(
        "SELECT rate, residue FROM funding_rates WHERE rate <> 0"
    )
    assert rate_settled == rate.rate
    assert [tuple(row) for row in sums] == [(len(crowd) + 2, -residue)]
    async with Runner(address) as runner:
        assert runner.leading
    findings = await verify(connection, lambda done, total: None)
    assert findings.difference is None
    assert findings.rows["funding_payments"] >= len(crowd) + 2


async def test_every_acknowledged_change_survives_a_broken_leader(
    address: str, connection: asyncpg.Connection
) -> None:
    """Deposits are sent while commits are made to fail; those answered are there, once each."""
    acknowledged = 0
    async with Runner(address) as runner:
        await accepted(runner, [*default_commands(runner.now()), open_account("alice")])

        async def pay() -> None:
            nonlocal acknowledged
            while not breaking.done():
                try:
                    (result,) = (await runner.submit([deposit("alice", "1")])).results
                except NotLeader:
                    await asyncio.sleep(0.02)
                else:
                    assert isinstance(result, Moved)
                    acknowledged += 1

        async def break_commits() -> None:
            for failed in range(4):
                await until(lambda: runner.leading)
                await asyncio.sleep(0.05)
                await connection.execute("UPDATE leadership SET epoch = epoch + 1")
                await until(lambda: runner.metrics.terms_failed > failed)  # noqa: B023 - awaited

        breaking = asyncio.create_task(break_commits())
        await asyncio.gather(*(pay() for _ in range(8)))
        await until(lambda: runner.leading)
        balance = runner.engine.state.wallets["cross/alice/USDT"].balance
    stored = await connection.fetchval("SELECT balance FROM wallets WHERE key LIKE 'cross/alice/%'")
    # An epoch that moved fails a commit for certain, so here nothing but the answered is there.
    assert balance == stored == acknowledged
    assert acknowledged > 0
    assert runner.metrics.terms_failed == 4

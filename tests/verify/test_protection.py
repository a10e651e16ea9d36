"""What protects a fund is verified, and survives a restart (FND-12)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import asyncpg

from app.engine.commands.accounts import ConfigureContract, DeclareOwner, Deposit, Withdraw
from app.engine.commands.contracts import CreateContract
from app.engine.commands.funds import ContributeToFund, CreateFund
from app.engine.policies import FundPolicy
from app.engine.rejections import Rejection
from app.runner.runner import Runner
from tests.engine.world import contract, open_account
from tests.verify.conftest import verified
from tests.verify.test_agreement import accepted, order, tick

SHORT, LONG = "mallory-short", "mallory-long"


async def test_a_protected_fund_is_verified_after_a_restart(
    address: str, connection: asyncpg.Connection
) -> None:
    """Owners, held profits, the payout and the open interest are what the first leader left."""
    policy = FundPolicy(max_net_notional_ratio=Decimal(10), profit_hold_seconds=3600)
    terms = replace(contract("C", "f"), open_interest_cap=Decimal(10))
    async with Runner(address) as runner:
        await accepted(
            runner, CreateFund("f", "F", policy), CreateContract(terms), tick("C", "100"),
            ContributeToFund("f", "main", "USDT", Decimal(3000), "seed_capital"),
        )  # fmt: skip
        for name, amount in ((LONG, 100), (SHORT, 1000), ("carol", 10_000)):
            await accepted(
                runner, open_account(name), Deposit(name, "USDT", Decimal(amount)),
                ConfigureContract(name, "C", 10),
            )  # fmt: skip
        await accepted(
            runner, DeclareOwner(LONG, "mallory"), DeclareOwner(SHORT, "mallory"),
            order("carol", "sell", "C", "10", "100"), order(LONG, "buy", "C", "10", "100"),
            order("carol", "buy", "C", "4", "100"), order(SHORT, "sell", "C", "4", "100"),
        )  # fmt: skip
    async with Runner(address) as runner:
        await accepted(
            runner, tick("C", "88"), order("carol", "buy", "C", "2", "88"),
            order(SHORT, "sell", "C", "2", "88"),
        )  # fmt: skip
        before = runner.engine.state
    async with Runner(address) as runner:
        state = runner.engine.state
        assert state.owners == before.owners == {"mallory": {LONG: None, SHORT: None}}
        assert state.markets["C"].open_interest == before.markets["C"].open_interest
        assert state.payouts["C"].time == before.payouts["C"].time
        assert sorted(state.profits) == sorted(before.profits) == ["carol", LONG, SHORT]
        refused = (await runner.submit([Withdraw("carol", "USDT", Decimal(10_001))])).results
        assert isinstance(refused[0], Rejection)
        assert refused[0].code == "profit_held"
    told = "SELECT won, lost, fund_paid, treasury_paid FROM owner_results"
    assert [tuple(row) for row in await connection.fetch(told)] == [(40, 100, 12, 0)]
    findings = await verified(address)
    assert findings.difference is None
    for name in ("held_profits", "payouts", "owner_results"):
        assert findings.rows[name] == await connection.fetchval(f"SELECT count(*) FROM {name}") > 0

"""What backs a position changes: a standby has it too, and who starts from the tables (ORD-3)."""

from __future__ import annotations

import asyncpg

from app.engine.commands import MarginMode
from app.engine.commands.accounts import ConfigureContract
from app.engine.invariants import check_all, state_hash
from app.runner.runner import Runner
from app.store.loader import load_state
from tests.runner.conftest import until
from tests.runner.test_follower import level
from tests.runner.test_real_engine import a_market, accepted, order, tick


async def test_it_follows_margin_modes_of_open_positions(
    address: str, connection: asyncpg.Connection
) -> None:
    """ORD-3, REC-3: an isolated wallet comes, goes, and comes again; a restart finds it too."""

    def switch(name: str, mode: MarginMode) -> ConfigureContract:
        return ConfigureContract(name, "BTCUSDT", None, mode)

    async with Runner(address) as leader, Runner(address) as standby:
        await a_market(leader)
        await until(lambda: level(standby, leader))
        await accepted(leader, [switch("alice", "isolated"), switch("bob", "isolated")])
        await until(lambda: level(standby, leader))
        await accepted(leader, [switch("alice", "cross"), order("carol", "buy", "0.5", "59000")])
        await accepted(leader, [switch("alice", "isolated"), switch("bob", "cross")])
        await until(lambda: level(standby, leader))
        await leader.stop()
        await until(lambda: standby.leading)
        await accepted(standby, [switch("carol", "isolated"), tick("57200")])
        state = standby.engine.state
        held = state.accounts["alice"].positions["BTCUSDT", "both"]
        assert held.quantity < 1  # liquidated in part, for 3,000 of margin and a loss of 2,800
        check_all(state)
        assert state_hash(state) == state_hash(await load_state(connection))

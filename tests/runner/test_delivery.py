"""A delivery with leaders that change (DLV-1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import asyncpg
import pytest

from app.engine.bounds import Bounds
from app.engine.commands import Side
from app.engine.commands.contracts import CreateContract
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.engine import Engine
from app.engine.invariants import check_all, state_hash
from app.runner.clock import Clock
from app.runner.runner import Runner
from app.store.loader import load_state
from tests.runner.conftest import until
from tests.runner.test_follower import level
from tests.runner.test_real_engine import a_crowd, accepted, deposit


async def test_it_follows_a_delivery(
    address: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts, at a mean whose samples the standby has from the log; it goes on after the leader,
    which was in the middle (DLV-1)."""
    monkeypatch.setattr(Engine, "bounds", Bounds(closes=1, ordered=50))
    now = Clock.now
    async with Runner(address) as leader, Runner(address) as standby:
        await a_crowd(leader, 100)
        terms = leader.engine.state.markets["BTCUSDT"].contract
        at = leader.now() + timedelta(seconds=25)
        dated = replace(terms, symbol="BTCUSDT_NEXT", kind="delivery", delivery_at=at)
        await accepted(leader, [CreateContract(dated)])
        for number in range(12):
            sampled = Tick("BTCUSDT_NEXT", Decimal(60_000), Decimal(60_000 + number))
            await accepted(leader, [sampled])
            ahead = timedelta(seconds=number + 1)
            monkeypatch.setattr(Clock, "now", lambda clock, ahead=ahead: now(clock) + ahead)
        sides: tuple[tuple[str, Side], ...] = (("bob", "sell"), ("carol", "buy"))
        for name, side in sides:
            size, price = Decimal("0.1"), Decimal(60_000)
            await accepted(leader, [PlaceOrder(name, "BTCUSDT_NEXT", side, "limit", size, price)])
        await until(lambda: level(standby, leader))
        monkeypatch.setattr(Clock, "now", lambda clock: now(clock) + timedelta(minutes=1))
        await accepted(leader, [deposit("carol", "1")])
        await leader.stop()
        await until(lambda: standby.leading)
        await accepted(standby, [deposit("carol", "1")])
        await until(lambda: not standby.engine.state.cascades)
        state = standby.engine.state
        assert state.markets["BTCUSDT_NEXT"].contract.status == "settled"
        check_all(state)
        assert state_hash(state) == state_hash(await load_state(connection))
    settled = await connection.fetchrow("SELECT settlement_price, samples FROM settlements")
    assert settled is not None
    assert tuple(settled) == (Decimal("60005.5"), 12)

"""Delivery where a table would be long (DLV-1)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from app.engine.bounds import Bounds
from app.engine.commands import Side
from app.engine.commands.leaders import ContinueCascade
from app.engine.commands.orders import PlaceOrder
from app.engine.commands.prices import Tick
from app.engine.invariants import check_all
from tests.engine.world import START, World, contract


def test_dlv_1_one_sample_a_second_for_half_an_hour() -> None:
    """DLV-1: the published 1,800 samples, whose mean is 101; twice as many prices give no more."""
    world, at = World(), START + timedelta(hours=1)
    world.fund("F")
    world.contract(replace(contract("TEST", "F"), kind="delivery", delivery_at=at))
    begin = at - timedelta(minutes=30)
    for half in range(-2, 2 * 1800):
        time = begin + timedelta(milliseconds=500 * half)
        world.later(Decimal((time - world.next_time()) // timedelta(microseconds=1)) / 1_000_000)
        price = Decimal(100 + 2 * (half // 2 % 2)) if half % 2 == 0 else Decimal(7)
        world.must(Tick("TEST", Decimal(100), price))
    world.later(Decimal(1))
    world.catch_up()
    world.finish()
    (settled,) = world.settled
    assert settled.samples == 1800
    assert settled.settlement_price == 101


def test_dlv_1_the_laws_hold_from_scratch_after_each_part() -> None:
    """DLV-1, NUM-4: between who is closed and who is not stands the exchange."""
    world, at = World(Bounds(closes=1)), START + timedelta(hours=1)
    world.fund("F")
    world.contract(replace(contract("TEST", "F"), kind="delivery", delivery_at=at))
    world.must(Tick("TEST", Decimal(100)))
    sides: tuple[tuple[str, Side], ...] = (("ann", "buy"), ("bob", "sell"))
    for account, side in sides:
        world.account(account)
        world.deposit(account, "1000")
        world.order(PlaceOrder(account, "TEST", side, "limit", Decimal(3), Decimal(100)))
    world.later(Decimal(3580) - Decimal((world.now - START).total_seconds()))
    for _ in range(10):
        world.later(Decimal(1))
        world.must(Tick("TEST", Decimal(100), Decimal(107)))
    world.later(Decimal(20))
    world.catch_up()
    delivery = world.state.markets["TEST"].delivery
    assert delivery is not None
    held = []
    while world.pending:
        check_all(world.state)
        held.append((delivery.quantity, delivery.cost))
        world.apply(ContinueCascade("USDT"))
    check_all(world.state)
    nothing = (Decimal(0), Decimal(0))
    assert held == [nothing, (Decimal(3), Decimal(321)), nothing]

"""The seeded population and how it moves."""

from __future__ import annotations

import random
from decimal import Decimal
from statistics import median

import pytest

from app.catalogue.default import default_contracts
from app.engine.numbers import is_multiple
from app.replay.behaviour import TraderMemory, decide, turns
from app.replay.makers import QuotedMarket
from app.replay.population import ReplayTrader, draw_population, planned_notional

D = Decimal
PRICES = {
    "BTCUSDT": D(42850), "ETHUSDT": D(3400), "LINKUSDT": D(42), "XRPUSDT": D("1.6"),
    "BTCUSDC": D(42850),
}  # fmt: skip
CONTRACTS = {c.symbol: c for c in default_contracts() if c.symbol in PRICES}
CAPITAL = D(1000)


def draw(seed: int = 7, count: int = 2000) -> list[ReplayTrader]:
    return draw_population(random.Random(seed), CONTRACTS, PRICES, count, "p")


def market(symbol: str = "BTCUSDT") -> QuotedMarket:
    return QuotedMarket(CONTRACTS[symbol], D(100_000), PRICES[symbol])


def test_the_seed_decides() -> None:
    assert draw() == draw()
    assert draw() != draw(seed=8)


def test_every_position_fits_its_contract() -> None:
    """Lots, minimum notional, and the leverage that the brackets allow (CON-4)."""
    for trader in draw():
        for stake in trader.stakes:
            contract = CONTRACTS[stake.symbol]
            assert contract.settlement_asset == trader.asset
            assert is_multiple(stake.quantity, contract.lot_size)
            value = contract.value(stake.quantity, PRICES[stake.symbol])
            assert not stake.quantity or value >= contract.min_notional
            assert stake.leverage <= contract.max_leverage(value)


def test_first_orders_need_no_more_than_the_capital() -> None:
    for trader in draw():
        needed = sum(
            CONTRACTS[s.symbol].value(s.quantity, PRICES[s.symbol]) / s.leverage
            for s in trader.stakes
        )
        assert needed < trader.capital


def test_who_trades_for_a_coin_has_as_much_of_it() -> None:
    """CON-2: the same fortunes, stakes and depths as in a linear contract, counted in the coin."""
    price = D(50_000)
    coin = next(c for c in default_contracts() if c.symbol == "BTCUSD_PERP")
    prices = {**PRICES, coin.symbol: price}
    both = {**CONTRACTS, coin.symbol: coin}
    everybody = draw_population(random.Random(7), both, prices, 2000, "p")
    traders = [trader for trader in everybody if trader.asset == "BTC"]
    assert 100 < len(traders) < 1900
    assert 1000 < median(float(trader.capital * price) for trader in traders) < 5000
    for trader in traders:
        (stake,) = trader.stakes
        notional = abs(coin.value(stake.quantity, price))
        assert is_multiple(stake.quantity, D(1))
        assert stake.leverage <= coin.max_leverage(notional)
        assert notional / stake.leverage < trader.capital
    planned = planned_notional(traders, {coin.symbol: coin}, prices)
    assert all(notional > 0 for notional in planned.values())


def test_sizes_are_heavy_tailed_and_everything_is_mixed() -> None:
    traders = draw()
    capitals = [float(trader.capital) for trader in traders]
    assert sum(capitals) / len(capitals) > 2 * median(capitals)
    stakes = [stake for trader in traders for stake in trader.stakes]
    assert {stake.side for stake in stakes} == {"buy", "sell"}
    assert {stake.margin_mode for stake in stakes} == {"cross", "isolated"}
    assert {stake.symbol for stake in stakes} == set(PRICES)
    assert len({stake.leverage for stake in stakes}) > 6
    assert max(stake.leverage for stake in stakes) >= 100


def test_planned_notional_covers_all_stakes() -> None:
    traders = draw(count=200)
    planned = planned_notional(traders, CONTRACTS, PRICES)
    stakes = [stake for trader in traders for stake in trader.stakes]
    total = sum(CONTRACTS[s.symbol].value(s.quantity, PRICES[s.symbol]) for s in stakes)
    assert sum(planned.values()) == total


def one_trader() -> ReplayTrader:
    return next(t for t in draw() if len(t.stakes) == 1 and t.stakes[0].symbol == "BTCUSDT"
                and t.stakes[0].leverage == 10 and t.capital > 5000)  # fmt: skip


def test_a_trader_with_a_position_closes_adds_or_takes_profit() -> None:
    trader = one_trader()
    memory = TraderMemory({"BTCUSDT": D("-0.5")})
    chance = random.Random(1)
    kinds = set()
    for _ in range(100):
        decision = decide(chance, trader, memory, {"BTCUSDT": market()})
        for body in decision.orders:
            assert body["account_id"] == trader.account_id
            kinds.add((body["side"], body["type"], body.get("reduce_only", False)))
            if body["type"] == "limit":
                assert D(body["price"]) < PRICES["BTCUSDT"]
    assert kinds == {("buy", "market", True), ("sell", "market", False), ("buy", "limit", True)}


def test_a_trader_short_of_money_pays_in_again_or_gives_up() -> None:
    trader = one_trader()
    chance = random.Random(1)
    decisions = [
        decide(chance, trader, TraderMemory(is_short_of_money=True), {"BTCUSDT": market()})
        for _ in range(50)
    ]
    assert any(decision.deposit > 0 and decision.orders for decision in decisions)
    assert any(not decision.deposit and not decision.orders for decision in decisions)


def test_only_one_order_rests() -> None:
    trader, memory = one_trader(), TraderMemory({"BTCUSDT": D("0.5")})
    chance = random.Random(1)
    resting = False
    for _ in range(50):
        decision = decide(chance, trader, memory, {"BTCUSDT": market()})
        reduces = any(body.get("reduce_only") for body in decision.orders)
        assert decision.cancel == (resting and reduces)
        if reduces:
            resting = decision.orders[0]["type"] == "limit"


def test_a_trader_learns_from_answers() -> None:
    memory = TraderMemory()
    body = {"symbol": "BTCUSDT", "side": "sell"}
    memory.learn(body, {"status": 201, "order": {"filled_quantity": "0.5"}})
    assert memory.quantities == {"BTCUSDT": D("-0.5")}
    memory.learn(body, {"status": 422, "problem": {"code": "insufficient_margin"}})
    assert memory.is_short_of_money
    memory.learn(body, {"status": 422, "problem": {"code": "reduce_only_rejected"}})
    assert memory.quantities == {"BTCUSDT": D(0)}


@pytest.mark.parametrize(("speed", "expected"), [(0.0, 4), (0.003, 8), (1.0, 20)])
def test_more_traders_act_when_prices_race(speed: float, expected: int) -> None:
    assert abs(turns(random.Random(1), 1000, 1.0, speed) - expected) <= 1

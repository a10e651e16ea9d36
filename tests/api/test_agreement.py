"""What the calculators say of a listed contract is what the engine does with it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.api.conftest import Api
from tests.api.test_calculators import BANKRUPTCY, CALL, COST, MOST

ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "side": "buy", "price": "60100", "mark_price": "60000", "leverage": 20,
}  # fmt: skip


async def test_ord_5_of_a_listed_contract_cost_and_quantity_are_the_engines(api: Api) -> None:
    """ORD-4, ORD-5: the preview's figures, and the last lot that is accepted."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    wanted = {"account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
              "quantity": "0.1", "price": "60100"}  # fmt: skip
    seen = await api("POST /v1/orders/preview", wanted, key="alice")
    cost = await api(COST, {**ORDER, "quantity": "0.1"}, key=None)
    assert cost == {
        "initial_margin": seen["requirement"], "open_loss": seen["open_loss"],
        "fee": seen["fee"], "cost": seen["required"],
    }  # fmt: skip
    most = await api(MOST, {**ORDER, "available_balance": "1000"}, key=None)
    more = str(Decimal(most["quantity"]) + Decimal("0.001"))
    beyond = {**wanted, "quantity": more}
    assert await api.refused("POST /v1/orders", beyond, key="alice") == (422, "insufficient_margin")
    await api("POST /v1/orders", {**wanted, **most}, key="alice", status=201)


async def test_ord_5_a_market_order_costs_what_its_preview_requires(api: Api) -> None:
    """ORD-4: at the worst price of the book."""
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    await api.open("bob", "100000")
    await api.order("bob", "sell", "1", "60050")
    wanted = {"account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "market",
              "quantity": "0.2", "time_in_force": "ioc"}  # fmt: skip
    seen = await api("POST /v1/orders/preview", wanted, key="alice")
    body = {**ORDER, "type": "market", "price": None, "best_opposite_price": "60050",
            "quantity": "0.2"}  # fmt: skip
    cost = await api(COST, body, key=None)
    assert cost["cost"] == seen["required"]
    assert cost["fee"] == seen["fee"]


async def test_liq_1_of_a_listed_contract_prices_are_the_positions(api: Api) -> None:
    """LIQ-1, LIQ-3: cross beside another contract's position, and isolated, as they are listed."""
    for symbol, price in (("BTCUSDT", "60000"), ("ETHUSDT", "3000")):
        await api.mark(symbol, price)
    for name in ("alice", "bob", "carol"):
        await api.open(name, "5000")
    await api.configure("carol", 10, "isolated")
    for name, side, symbol, quantity, price in (
        ("bob", "sell", "BTCUSDT", "0.3", "60000"), ("bob", "buy", "ETHUSDT", "1.5", "3000"),
        ("alice", "buy", "BTCUSDT", "0.2", "60000"), ("alice", "sell", "ETHUSDT", "1.5", "3000"),
        ("carol", "buy", "BTCUSDT", "0.1", "60000"),
    ):  # fmt: skip
        await api.order(name, side, quantity, price, symbol=symbol)
    await api.mark("BTCUSDT", "59000")
    await api.mark("ETHUSDT", "3010")
    (btc, eth) = (await api("GET /v1/accounts/alice/positions", key="alice"))["items"]
    (wallet,) = (await api("GET /v1/accounts/alice", key="alice"))["wallets"]
    for mine, other in ((btc, eth), (eth, btc)):
        body = {
            "symbol": mine["symbol"], "wallet_balance": wallet["wallet_balance"],
            "side": "long" if mine is btc else "short", "quantity": mine["quantity"].lstrip("-"),
            "entry_price": mine["entry_price"],
            "other_unrealized_profit": other["unrealized_profit"],
            "other_maintenance_margin": other["maintenance_margin"],
        }  # fmt: skip
        answer = await api(CALL, body, key=None)
        assert answer == {name: mine[name] for name in answer}
        assert await api(BANKRUPTCY, body, key=None) == {
            "bankruptcy_price": mine["bankruptcy_price"]
        }
    (alone,) = (await api("GET /v1/accounts/carol/positions", key="carol"))["items"]
    body = {"symbol": "BTCUSDT", "margin_mode": "isolated", "side": "long", "quantity": "0.1",
            "entry_price": "60000", "leverage": 10}  # fmt: skip
    answer = await api(CALL, body, key=None)
    assert answer == {name: alone[name] for name in answer}


async def test_liq_1_the_legs_of_hedge_mode_are_listed_with_the_calculator_s_prices(
    api: Api,
) -> None:
    """LIQ-1, ORD-3: cross legs of a coin-margined contract beside another one, isolated ones."""
    await hedged(api, "hal")
    await api.open("bob", "100", "BTC")
    for name in ("hal", "bob"):
        await api(f"PUT /v1/accounts/{name}/contracts/BTCUSD_PERP", {"leverage": 10}, key=name)
    await trade(api, "buy", "long", "40", "50000")
    await trade(api, "sell", "short", "25", "51000")
    await api.mark("BTCUSD_PERP", "50500")
    cross = await listed(api)
    (wallet,) = (await api("GET /v1/accounts/hal", key="hal"))["wallets"]
    body: dict[str, Any] = {
        "symbol": "BTCUSD_PERP", "wallet_balance": wallet["wallet_balance"],
        "mark_price": "50500", **legs_of(cross),
    }  # fmt: skip
    answer = await api(CALL, body, key=None)
    assert answer["liquidation_price"] is not None
    for leg in cross:
        assert answer == {name: leg[name] for name in answer}
    assert (await api(BANKRUPTCY, body, key=None)).items() <= answer.items()


async def test_liq_1_isolated_legs_have_a_price_each(api: Api) -> None:
    """LIQ-1, ORD-3: with the wallet of each, which is its initial margin."""
    await hedged(api, "hal")
    await api.open("bob", "100", "BTC")
    settings = {"leverage": 10, "margin_mode": "isolated"}
    await api("PUT /v1/accounts/hal/contracts/BTCUSD_PERP", settings, key="hal")
    await trade(api, "buy", "long", "40", "50000")
    await trade(api, "sell", "short", "25", "51000")
    for leg in await listed(api):
        body = {
            "symbol": "BTCUSD_PERP", "margin_mode": "isolated", "leverage": 10,
            "side": leg["position_side"], "quantity": leg["quantity"].lstrip("-"),
            "entry_price": leg["entry_price"],
        }  # fmt: skip
        answer = await api(CALL, body, key=None)
        assert answer == {name: leg[name] for name in answer}


async def test_ord_5_an_order_of_a_leg_costs_and_is_as_much(api: Api) -> None:
    """ORD-4, ORD-5: a leg of hedge mode that is empty is as any empty position."""
    await hedged(api, "hal")
    asked = {"symbol": "BTCUSD_PERP", "side": "sell", "price": "49950", "mark_price": "50000",
             "leverage": 20}  # fmt: skip
    most = await api(MOST, {**asked, "available_balance": "0.02"}, key=None)
    order = leg_order("hal", "sell", "short", most["quantity"], "49950")
    seen = await api("POST /v1/orders/preview", order, key="hal")
    cost = await api(COST, {**asked, **most}, key=None)
    assert (cost["cost"], cost["initial_margin"]) == (seen["required"], seen["requirement"])
    more = {**order, "quantity": str(int(most["quantity"]) + 1)}
    assert await api.refused("POST /v1/orders", more, key="hal") == (422, "insufficient_margin")
    await api("POST /v1/orders", order, key="hal", status=201)


async def hedged(api: Api, name: str) -> None:
    """A hedged account with 0.02 BTC, and a mark of 50,000."""
    await api.mark("BTCUSD_PERP", "50000")
    await api.open(name, "0.02", "BTC")
    await api(f"PATCH /v1/accounts/{name}", {"position_mode": "hedge"})


def leg_order(name: str, side: str, leg: str, quantity: str, price: str) -> dict[str, Any]:
    """A limit order of a leg."""
    return {
        "account_id": name, "symbol": "BTCUSD_PERP", "side": side, "type": "limit",
        "quantity": quantity, "price": price, "position_side": leg,
    }  # fmt: skip


async def trade(api: Api, side: str, leg: str, quantity: str, price: str) -> None:
    """Hal trades with bob."""
    other = leg_order("bob", "sell" if side == "buy" else "buy", "both", quantity, price)
    await api("POST /v1/orders", other, key="bob", status=201)
    mine = leg_order("hal", side, leg, quantity, price)
    assert (await api("POST /v1/orders", mine, key="hal", status=201))["status"] == "filled"


async def listed(api: Api) -> list[dict[str, Any]]:
    """Hal's two legs."""
    legs: list[dict[str, Any]] = (await api("GET /v1/accounts/hal/positions", key="hal"))["items"]
    assert [leg["position_side"] for leg in legs] == ["long", "short"]
    return legs


def legs_of(listed: list[dict[str, Any]]) -> dict[str, Any]:
    """As a calculator is asked about them."""
    return {
        leg["position_side"]: {
            "quantity": leg["quantity"].lstrip("-"),
            "entry_price": leg["entry_price"],
        }
        for leg in listed
    }

"""The calculators, on published examples."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.api.conftest import Api

CALL = "POST /v1/calculators/liquidation-price"
BANKRUPTCY = "POST /v1/calculators/bankruptcy-price"
PROFIT = "POST /v1/calculators/profit"
TARGET = "POST /v1/calculators/target-price"
COST = "POST /v1/calculators/order-cost"
MOST = "POST /v1/calculators/max-quantity"
ETH: dict[str, Any] = {
    "margining": "linear", "margin_mode": "cross", "wallet_balance": "1535443.01",
    "other_maintenance_margin": "71200.81144", "other_unrealized_profit": "-56354.57",
    "side": "long", "quantity": "3683.979", "entry_price": "1456.84", "contract_size": "1",
    "maintenance_margin_rate": "0.10", "cum": "135365",
}  # fmt: skip


async def test_liquidation_price(api: Api) -> None:
    """The exchange's example of a cross account with two positions: ETH at 1,153.26."""
    answer = await api(CALL, ETH, key=None)
    assert abs(Decimal(answer["liquidation_price"]) - Decimal("1153.26")) <= Decimal("0.005")
    # Bankrupt where the loss has used up wallet and other profit.
    price = Decimal(answer["bankruptcy_price"])
    left = Decimal("1535443.01") - Decimal("56354.57")
    left += (price - Decimal("1456.84")) * Decimal("3683.979")
    assert abs(left) < Decimal("0.0001")
    assert len(answer["liquidation_price"].partition(".")[2]) <= 8


async def test_num_1_the_document_s_examples_are_answered_as_it_says(api: Api) -> None:
    """NUM-1: each request of the OpenAPI document with its exact answer."""
    paths = (await api("GET /openapi.json", key=None))["paths"]
    calculators = {path: at["post"] for path, at in paths.items() if "/calculators/" in path}
    assert len(calculators) == 6
    for path, operation in calculators.items():
        asked = operation["requestBody"]["content"]["application/json"]["examples"]
        answers = operation["responses"]["200"]["content"]["application/json"]["examples"]
        assert asked.keys() == answers.keys()
        for name, example in asked.items():
            answer = await api(f"POST {path}", example["value"], key=None)
            assert answer == answers[name]["value"], (path, name)


async def test_brackets_instead_of_a_rate(api: Api) -> None:
    brackets = [
        {"notional_floor": "0", "notional_cap": "50000", "max_leverage": 100,
         "maintenance_margin_rate": "0.005"},
        {"notional_floor": "50000", "notional_cap": "250000", "max_leverage": 50,
         "maintenance_margin_rate": "0.01"},
    ]  # fmt: skip
    body = {
        "wallet_balance": "6000", "side": "short", "quantity": "1", "entry_price": "60000",
        "brackets": brackets,
    }  # fmt: skip
    answer = await api(CALL, body, key=None)
    # 6000 + 60000 - p = 0.01 p - 250 above 50,000
    assert answer == {"liquidation_price": "65594.05940594", "bankruptcy_price": "66000"}


async def test_liq_1_inverse(api: Api) -> None:
    """LIQ-1: 100 contracts of 10 USD at 100 with 1 coin, at a rate of 0.5 %: 11 - N = 0.005 N."""
    body = {
        "margining": "inverse", "wallet_balance": "1", "side": "long", "quantity": "100",
        "entry_price": "100", "contract_size": "10", "maintenance_margin_rate": "0.005",
    }  # fmt: skip
    answer = await api(CALL, body, key=None)
    assert answer == {"liquidation_price": "91.36363636", "bankruptcy_price": "90.90909091"}
    answer = await api(CALL, {**body, "side": "short"}, key=None)
    assert answer == {"liquidation_price": "110.55555556", "bankruptcy_price": "111.11111111"}
    answer = await api(CALL, {**body, "side": "short", "wallet_balance": "10"}, key=None)
    assert answer == {"liquidation_price": None, "bankruptcy_price": None}


async def test_there_may_be_none(api: Api) -> None:
    rich = {**ETH, "wallet_balance": "999999999"}
    assert await api(CALL, rich, key=None) == {"liquidation_price": None, "bankruptcy_price": None}


async def test_what_makes_no_sense(api: Api) -> None:
    for change, expected in (
        ({"quantity": "0"}, (422, "quantity_not_positive")),
        ({"quantity": "-1"}, (422, "quantity_not_positive")),
        ({"entry_price": "0"}, (422, "price_not_positive")),
        ({"contract_size": "0"}, (422, "contract_size_not_positive")),
        ({"maintenance_margin_rate": "0"}, (422, "invalid_brackets")),
        ({"maintenance_margin_rate": "1.1"}, (422, "invalid_brackets")),
        ({"maintenance_margin_rate": None}, (422, "brackets_or_rate")),
        ({"brackets": []}, (400, "malformed_body")),
        ({"margining": "quanto"}, (400, "malformed_body")),
        ({"side": "buy"}, (400, "malformed_body")),
        ({"quantity": 3}, (400, "malformed_body")),
    ):
        assert await api.refused(CALL, {**ETH, **change}, key=None) == expected, change
    extreme = {**ETH, "wallet_balance": "-" + "9" * 15, "cum": "-" + "9" * 15}
    await api(CALL, extreme, key=None)
    await api(CALL, {**ETH, "maintenance_margin_rate": "1"}, key=None)
    await api(CALL, {**ETH, "maintenance_margin_rate": "1", "side": "short"}, key=None)


ORDER: dict[str, Any] = {
    "symbol": "BTCUSDT", "side": "buy", "price": "60100", "mark_price": "60000", "leverage": 20,
}  # fmt: skip


async def test_liq_1_both_legs_share_a_price(api: Api) -> None:
    """LIQ-1: 3 long and 1 short at 100 with 50: 50 + 2 (p - 100) is 0.04 p; bankrupt at 75."""
    body = {
        "wallet_balance": "50", "maintenance_margin_rate": "0.01",
        "long": {"quantity": "3", "entry_price": "100"},
        "short": {"quantity": "1", "entry_price": "100"},
    }  # fmt: skip
    assert await api(CALL, body, key=None) == {
        "liquidation_price": "76.53061224", "bankruptcy_price": "75",
    }  # fmt: skip
    even = {**body, "long": body["short"]}
    assert await api(CALL, even, key=None) == {
        "liquidation_price": "2500",
        "bankruptcy_price": None,
    }
    rich = {**body, "wallet_balance": "1000"}
    assert await api(CALL, rich, key=None) == {"liquidation_price": None, "bankruptcy_price": None}
    # A leg of nothing is none, whatever its price; then the other is a position like any.
    one = {**body, "short": {"quantity": "0", "entry_price": "0"}}
    alone = {**body, "side": "long", "quantity": "3", "entry_price": "100"}
    assert await api(CALL, one, key=None) == await api(
        CALL, {name: alone[name] for name in alone if name not in ("long", "short")}, key=None
    )


async def test_liq_1_of_two_prices_the_nearer_to_mark(api: Api) -> None:
    """LIQ-1: 1.2 long and 1 short are at risk below one price and above another."""
    bracket = {"notional_floor": "0", "notional_cap": "1000", "max_leverage": 50,
               "maintenance_margin_rate": "0.01"}  # fmt: skip
    steep = {**bracket, "notional_floor": "1000", "notional_cap": "1000000", "max_leverage": 2,
             "maintenance_margin_rate": "0.4"}  # fmt: skip
    body = {
        "wallet_balance": "15", "brackets": [bracket, steep],
        "long": {"quantity": "1.2", "entry_price": "100"},
        "short": {"quantity": "1", "entry_price": "100"},
    }  # fmt: skip
    for mark, expected in ((None, "28.08988764"), ("100", "28.08988764"), ("900", "1139.70588235")):
        answer = await api(CALL, {**body, "mark_price": mark}, key=None)
        assert answer["liquidation_price"] == expected
    less = {**body, "long": body["short"], "short": {"quantity": "1.0", "entry_price": "100"}}
    assert (await api(CALL, less, key=None))["liquidation_price"] is not None


async def test_con_2_of_a_coin_margined_contract(api: Api) -> None:
    """CON-2: contracts of 100 USD, whole; profit, cost and quantity in the coin."""
    coin = {"symbol": "BTCUSD_PERP", "leverage": 20}
    body = {**coin, "side": "long", "quantity": "100", "entry_price": "8000",
            "exit_price": "12500"}  # fmt: skip
    assert await api(PROFIT, body, key=None) == {
        "profit": "0.45", "return": "7.2", "initial_margin": "0.0625",
    }  # fmt: skip
    order = {**coin, "side": "sell", "price": "50000", "mark_price": "50000"}
    cost = await api(COST, {**order, "quantity": "100", "taker_fee_rate": "0"}, key=None)
    assert cost == {"initial_margin": "0.01", "open_loss": "0", "fee": "0", "cost": "0.01"}
    most = {**order, "available_balance": "0.01", "taker_fee_rate": "0"}
    assert await api(MOST, most, key=None) == {"quantity": "100"}
    assert await api.refused(PROFIT, {**body, "quantity": "0.5"}, key=None) == (
        422, "quantity_off_lot",
    )  # fmt: skip


async def test_con_3_there_may_be_no_target_and_no_return(api: Api) -> None:
    """CON-3: a linear long cannot lose more than its notional, nor an inverse one win it all."""
    body = {"side": "long", "entry_price": "60000", "leverage": 20, "return": "0.5"}
    assert await api(TARGET, body, key=None) == {"price": "61500"}
    assert await api(TARGET, {**body, "return": "-20"}, key=None) == {"price": None}
    assert await api(TARGET, {**body, "margining": "inverse", "return": "20"}, key=None) == {
        "price": None
    }
    dust = {"side": "long", "quantity": "0.000000000001", "entry_price": "1", "exit_price": "2",
            "leverage": 1}  # fmt: skip
    assert await api(PROFIT, dust, key=None) == {
        "profit": "0", "return": None, "initial_margin": "0",
    }  # fmt: skip


BTC = {"symbol": "BTCUSDT", "side": "long", "quantity": "1", "entry_price": "60000",
       "exit_price": "61000", "leverage": 20}  # fmt: skip
LEG = {"quantity": "1", "entry_price": "60000"}
HEDGE: dict[str, Any] = {"symbol": "BTCUSDT", "wallet_balance": "9000", "long": LEG, "short": LEG}
MAX: dict[str, Any] = {**ORDER, "available_balance": "1000"}
BOUGHT: dict[str, Any] = {**ORDER, "quantity": "1"}

REFUSED: dict[str, list[tuple[dict[str, Any], dict[str, Any], tuple[int, str]]]] = {
    PROFIT: [
        (BTC, {"symbol": "NOPE"}, (422, "unknown_contract")),
        (BTC, {"symbol": "btc"}, (400, "malformed_body")),
        (BTC, {"margining": "linear"}, (422, "symbol_or_terms")),
        (BTC, {"contract_size": "1"}, (422, "symbol_or_terms")),
        (BTC, {"quantity": "0"}, (422, "quantity_not_positive")),
        (BTC, {"quantity": "0.0001"}, (422, "quantity_off_lot")),
        (BTC, {"symbol": None, "margining": "inverse", "quantity": "1.5"},
         (422, "quantity_off_lot")),
        (BTC, {"entry_price": "0"}, (422, "price_not_positive")),
        (BTC, {"exit_price": "-1"}, (422, "price_not_positive")),
        (BTC, {"leverage": 0}, (422, "leverage_too_low")),
        (BTC, {"leverage": 1000}, (422, "leverage_too_high")),
        (BTC, {"leverage": 125, "quantity": "1000"}, (422, "leverage_too_high")),
        (BTC, {"leverage": 1, "quantity": "1000000"}, (422, "position_too_large")),
        (BTC, {"leverage": "20"}, (400, "malformed_body")),
        (BTC, {"quantity": "1" * 16}, (400, "malformed_body")),
        (BTC, {"fee": "1"}, (400, "malformed_body")),
    ],
    TARGET: [
        (BTC, {}, (400, "malformed_body")),
        ({"side": "long", "entry_price": "1", "return": "1", "symbol": "BTCUSDT"},
         {"leverage": 1000}, (422, "leverage_too_high")),
    ],
    CALL: [
        (HEDGE, {"side": "long"}, (422, "side_or_legs")),
        (HEDGE, {"long": None, "short": None}, (422, "side_or_legs")),
        ({}, {"maintenance_margin_rate": "0.01"}, (422, "side_or_legs")),
        (HEDGE, {"long": None, "short": None, "side": "long", "quantity": "1"},
         (422, "side_or_legs")),
        (HEDGE, {"long": {**LEG, "quantity": "0"}, "short": None}, (422, "quantity_not_positive")),
        (HEDGE, {"long": {**LEG, "quantity": "-1"}}, (422, "quantity_not_positive")),
        (HEDGE, {"short": {**LEG, "quantity": "0.00001"}}, (422, "quantity_off_lot")),
        (HEDGE, {"short": {**LEG, "entry_price": "0"}}, (422, "price_not_positive")),
        (HEDGE, {"margin_mode": "isolated"}, (422, "isolated_alone")),
        (HEDGE, {"margin_mode": "isolated", "short": None, "other_maintenance_margin": "1"},
         (422, "isolated_alone")),
        (HEDGE, {"wallet_balance": None}, (422, "wallet_or_leverage")),
        (HEDGE, {"leverage": 20}, (422, "wallet_or_leverage")),
        (HEDGE, {"wallet_balance": None, "leverage": 0}, (422, "leverage_too_low")),
        (HEDGE, {"wallet_balance": None, "leverage": 1000}, (422, "leverage_too_high")),
        (HEDGE, {"maintenance_margin_rate": "0.01"}, (422, "symbol_or_terms")),
        (HEDGE, {"symbol": None}, (422, "brackets_or_rate")),
    ],
    BANKRUPTCY: [(HEDGE, {"symbol": None, "cum": "1"}, (422, "brackets_or_rate"))],
    COST: [
        (BOUGHT, {"price": None}, (422, "price_required")),
        (BOUGHT, {"type": "market"}, (422, "price_not_allowed")),
        (BOUGHT, {"type": "market", "price": None}, (422, "price_required")),
        (BOUGHT, {"price": "60000.001"}, (422, "price_off_tick")),
        (BOUGHT, {"mark_price": "0"}, (422, "price_not_positive")),
        (BOUGHT, {"taker_fee_rate": "1"}, (422, "invalid_contract")),
        (BOUGHT, {"taker_fee_rate": "-0.1"}, (422, "invalid_contract")),
        (BOUGHT, {"leverage": 125, "quantity": "100"}, (422, "leverage_too_high")),
    ],
    MOST: [
        (MAX, {"lot_size": "0"}, (422, "invalid_contract")),
        (MAX, {"lot_size": "0.0005"}, (422, "quantity_off_lot")),
        (MAX, {"symbol": None}, (422, "symbol_or_terms")),
        (MAX, {"leverage": 1000}, (422, "leverage_too_high")),
        (MAX, {"price": None}, (400, "malformed_body")),
    ],
}  # fmt: skip


async def test_ord_7_what_is_asked_wrong_has_a_code(api: Api) -> None:
    """ORD-7: and nothing is guessed."""
    for call, cases in REFUSED.items():
        for body, change, expected in cases:
            assert await api.refused(call, {**body, **change}, key=None) == expected, (call, change)


async def test_con_1_the_largest_and_smallest_numbers_are_answered(api: Api) -> None:
    """NUM-1, CON-1: whatever digits may come in, no calculator fails."""
    for large in ("9" * 15 + "." + "9" * 12, "0.000000000001"):
        for small in ("9" * 15 + "." + "9" * 12, "0.000000000001"):
            for margining in ("linear", "inverse"):
                terms = {"margining": margining, "contract_size": large, "leverage": 1}
                whole = str(max(1, int(Decimal(small)))) if margining == "inverse" else small
                position = {**terms, "side": "short", "quantity": whole, "entry_price": small}
                legs = {"quantity": whole, "entry_price": small}
                behind = {**terms, "maintenance_margin_rate": "0.000000000001", "cum": large}
                order = {**terms, "side": "sell", "price": small, "mark_price": large,
                         "best_opposite_price": large}  # fmt: skip
                for call, body in (
                    (PROFIT, {**position, "exit_price": large}),
                    (TARGET, {**terms, "side": "long", "entry_price": small, "return": large}),
                    (CALL, {**behind, "long": legs, "short": {**legs, "entry_price": large}}),
                    (BANKRUPTCY, {**behind, "long": legs}),
                    (COST, {**order, "quantity": whole, "taker_fee_rate": "0.999999999999"}),
                    (MOST, {**order, "available_balance": large, "lot_size": whole}),
                ):
                    answer = await api.send(call, body, key=None)
                    assert answer.status_code == 200, (call, body, answer.text)

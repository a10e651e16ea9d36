"""The calculators, on published examples."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.api.conftest import Api

CALL = "POST /v1/calculators/liquidation-price"
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

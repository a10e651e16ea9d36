"""Worked examples of the calculators, as the documentation shows them: a request and its answer.

A test asks each on the default catalogue. None has a null: FastAPI leaves them out of the document.
"""

from __future__ import annotations

from typing import Any

Worked = dict[str, tuple[dict[str, Any], dict[str, Any]]]
"""By name."""

LIQUIDATION_PRICE: Worked = {
    "cross, with other positions": (
        {"wallet_balance": "1535443.01", "other_maintenance_margin": "71200.81144",
         "other_unrealized_profit": "-56354.57", "side": "long", "quantity": "3683.979",
         "entry_price": "1456.84", "maintenance_margin_rate": "0.10", "cum": "135365"},
        {"liquidation_price": "1153.2564647", "bankruptcy_price": "1055.3479068"},
    ),
    "isolated, of a listed contract, at a leverage": (
        {"symbol": "BTCUSDT", "margin_mode": "isolated", "leverage": 50, "side": "long",
         "quantity": "0.1", "entry_price": "60000"},
        {"liquidation_price": "59036.14457831", "bankruptcy_price": "58800"},
    ),
    "with brackets": (
        {"margining": "linear", "contract_size": "1", "wallet_balance": "6000", "side": "short",
         "quantity": "1", "entry_price": "60000",
         "brackets": [
             {"notional_floor": "0", "notional_cap": "50000", "max_leverage": 100,
              "maintenance_margin_rate": "0.005"},
             {"notional_floor": "50000", "notional_cap": "250000", "max_leverage": 50,
              "maintenance_margin_rate": "0.01"},
         ]},
        {"liquidation_price": "65594.05940594", "bankruptcy_price": "66000"},
    ),
    "inverse": (
        {"margining": "inverse", "contract_size": "10", "wallet_balance": "1", "side": "long",
         "quantity": "100", "entry_price": "100", "maintenance_margin_rate": "0.005"},
        {"liquidation_price": "91.36363636", "bankruptcy_price": "90.90909091"},
    ),
    "both legs of hedge mode": (
        {"symbol": "BTCUSDT", "wallet_balance": "1500",
         "long": {"quantity": "0.3", "entry_price": "60000"},
         "short": {"quantity": "0.1", "entry_price": "61000"}},
        {"liquidation_price": "52419.35483871", "bankruptcy_price": "52000"},
    ),
}  # fmt: skip

BANKRUPTCY_PRICE: Worked = {
    "at a leverage": (
        {"side": "long", "quantity": "1", "entry_price": "10000", "leverage": 50},
        {"bankruptcy_price": "9800"},
    ),
    "inverse": (
        {"margining": "inverse", "wallet_balance": "0.5", "side": "long", "quantity": "10000",
         "entry_price": "8000"},
        {"bankruptcy_price": "5714.28571429"},
    ),
    "both legs of hedge mode": (
        {"symbol": "BTCUSDT", "wallet_balance": "1500",
         "long": {"quantity": "0.3", "entry_price": "60000"},
         "short": {"quantity": "0.1", "entry_price": "61000"}},
        {"bankruptcy_price": "52000"},
    ),
}  # fmt: skip

PROFIT: Worked = {
    "linear": (
        {"side": "long", "quantity": "1", "entry_price": "5000", "exit_price": "5500",
         "leverage": 10},
        {"profit": "500", "return": "1", "initial_margin": "500"},
    ),
    "of a listed inverse contract": (
        {"symbol": "BTCUSD_PERP", "side": "long", "quantity": "100", "entry_price": "8000",
         "exit_price": "12500", "leverage": 20},
        {"profit": "0.45", "return": "7.2", "initial_margin": "0.0625"},
    ),
}  # fmt: skip

TARGET_PRICE: Worked = {
    "linear": (
        {"side": "long", "entry_price": "60000", "leverage": 20, "return": "0.5"},
        {"price": "61500"},
    ),
    "inverse": (
        {"margining": "inverse", "side": "short", "entry_price": "60000", "leverage": 20,
         "return": "0.5"},
        {"price": "58536.58536585"},
    ),
}  # fmt: skip

ORDER_COST: Worked = {
    "limit": (
        {"side": "sell", "type": "limit", "price": "9253.3", "mark_price": "9259.84",
         "quantity": "1", "leverage": 20, "taker_fee_rate": "0.0005"},
        {"initial_margin": "462.665", "open_loss": "6.54", "fee": "4.62665", "cost": "473.83165"},
    ),
    "market, of a listed contract": (
        {"symbol": "BTCUSDT", "side": "buy", "type": "market", "mark_price": "60000",
         "best_opposite_price": "60006", "quantity": "0.5", "leverage": 20},
        {"initial_margin": "1500.15", "open_loss": "3", "fee": "15.0015", "cost": "1518.1515"},
    ),
    "inverse": (
        {"symbol": "BTCUSD_PERP", "side": "buy", "price": "50000", "mark_price": "50000",
         "quantity": "100", "leverage": 20},
        {"initial_margin": "0.01", "open_loss": "0", "fee": "0.0001", "cost": "0.0101"},
    ),
}  # fmt: skip

MAX_QUANTITY: Worked = {
    "linear": (
        {"side": "buy", "price": "60000", "mark_price": "59990", "leverage": 20,
         "available_balance": "1000", "taker_fee_rate": "0.0005", "lot_size": "0.001"},
        {"quantity": "0.328"},
    ),
    "of a listed inverse contract": (
        {"symbol": "BTCUSD_PERP", "side": "sell", "price": "60000", "mark_price": "60000",
         "leverage": 10, "available_balance": "0.05"},
        {"quantity": "298"},
    ),
    "trading at once": (
        {"symbol": "BTCUSDT", "side": "sell", "price": "59900", "mark_price": "60000",
         "best_opposite_price": "59950", "leverage": 20, "available_balance": "1000"},
        {"quantity": "0.32"},
    ),
}  # fmt: skip


def asked(worked: Worked) -> dict[str, Any]:
    """The requests, as `openapi_examples` of a body."""
    return {name: {"value": request} for name, (request, _) in worked.items()}


def answered(worked: Worked) -> dict[int | str, dict[str, Any]]:
    """The answers, as a part of an operation's responses."""
    examples = {name: {"value": answer} for name, (_, answer) in worked.items()}
    return {200: {"content": {"application/json": {"examples": examples}}}}

"""Published numbers through the calculators' routes: each with the digits that were printed.

Sources: see tests/engine/test_worked_examples.py; COST-005 and -006 are ONUS', COST-008 is JEX'.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Api


def isolated(side: str, wallet: str, quantity: str, entry: str, rate: str) -> dict[str, Any]:
    """A position with a wallet of its own."""
    return {
        "margin_mode": "isolated", "wallet_balance": wallet, "side": side, "quantity": quantity,
        "entry_price": entry, "maintenance_margin_rate": rate, "cum": "0",
    }  # fmt: skip


ETH = {"side": "long", "quantity": "3683.979", "entry_price": "1456.84",
       "wallet_balance": "1535443.01", "maintenance_margin_rate": "0.10",
       "cum": "135365"}  # fmt: skip
BYBIT = {"margining": "inverse", "side": "long", "quantity": "10000", "entry_price": "8000",
         "wallet_balance": "0.5"}  # fmt: skip

LIQUIDATION_PRICES: dict[str, tuple[dict[str, Any], str, str]] = {
    "LIQ-LIN-001": (
        {**ETH, "other_maintenance_margin": "71200.81144", "other_unrealized_profit": "-56354.57"},
        "1153.26", "0.005",
    ),
    "LIQ-LIN-003": ({**ETH, "margin_mode": "isolated"}, "1114.78", "0.006"),
    "LIQ-LIN-005": (
        {**isolated("short", "10.72", "0.005", "9451.53", "0.004"), "margin_mode": "cross",
         "other_maintenance_margin": "1.3", "other_unrealized_profit": "0.47"},
        "11383.99", "0.01",
    ),
    # That venue keeps maintenance margin at entry and the closing fee back: 0.00756151 coin.
    "LIQ-INV-002": (
        {**BYBIT, "other_maintenance_margin": "0.00756151",
         "maintenance_margin_rate": "0.000000000001"},
        "5739.0835", "0.0001",
    ),
    "LIQ-HL-002": (isolated("long", "24.673292", "0.00039", "63287", "0.01"),
                   "22.37166537", "0.002"),
    "LIQ-HL-004": (isolated("long", "24.045107", "0.33", "145.83", "0.025"),
                   "74.83696193", "0.0074"),
    "LIQ-HL-006": (isolated("long", "24.137992", "0.00077", "62739", "0.01"),
                   "31708.03843631", "3.1"),
    "LIQ-HL-008": (isolated("short", "25.091876", "0.019", "2642.8", "0.01"),
                   "3924.18322043", "0.39"),
    "LIQ-HL-010": (isolated("short", "25.136807", "351", "0.14333", "0.025"),
                   "0.20970228", "0.00002"),
    "LIQ-HL-012": (isolated("short", "21.604172", "0.00099", "65536", "0.01"),
                   "86493.46174617", "8.6"),
    "LIQ-HL-014": (isolated("long", "20.909894", "0.0329", "2545.5", "0.01"),
                   "1929.23322895", "0.19"),
    "LIQ-HL-016": (isolated("short", "20.833393", "0.0327", "2552", "0.01"),
                   "3157.53150453", "0.31"),
    "LIQ-HL-018": (isolated("long", "20.251817", "0.00121", "67033", "0.01"),
                   "50804.00091827", "5"),
    "LIQ-HL-020": (isolated("short", "19.72573", "0.00145", "68139", "0.01"),
                   "80933.61590987", "8"),
    "LIQ-HL-022": (isolated("long", "19.364946", "0.33", "176.23", "0.025"),
                   "120.56240404", "0.012"),
    "LIQ-HL-024": (isolated("short", "17.887922", "0.00105", "68240", "0.01"),
                   "84431.79820839", "8.4"),
    "LIQ-HL-026": (isolated("long", "17.555195", "0.0347", "2533.2", "0.01"),
                   "2047.7642302", "0.2"),
    "LIQ-HL-028": (isolated("short", "15.650731", "0.48", "163.11", "0.025"),
                   "190.94213618", "0.019"),
    "LIQ-HL-030": (isolated("long", "25", "0.5", "250", "0.05"), "210.5263157894", "0.00000001"),
    "LIQ-HL-032": (isolated("long", "50", "1", "350", "0.05"), "315.7894736842", "0.00000001"),
}  # fmt: skip

COIN = {"margining": "inverse", "contract_size": "1", "quantity": "1000", "entry_price": "100",
        "leverage": 1}  # fmt: skip
EXACT: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "PNL-LIN-001": (
        "profit", {"side": "long", "quantity": "1", "entry_price": "5000", "exit_price": "5500",
                   "leverage": 10}, {"profit": "500", "return": "1", "initial_margin": "500"},
    ),
    "PNL-LIN-002": (
        "profit", {"side": "short", "quantity": "1", "entry_price": "5000", "exit_price": "4500",
                   "leverage": 1}, {"profit": "500", "return": "0.1", "initial_margin": "5000"},
    ),
    "PNL-INV-002": (
        "profit", {**COIN, "side": "long", "quantity": "10000", "entry_price": "8000",
                   "exit_price": "12500"}, {"profit": "0.45"},
    ),
    "PNL-INV-004": (
        "profit", {**COIN, "side": "long", "quantity": "60000", "entry_price": "600",
                   "exit_price": "500"}, {"profit": "-20"},
    ),
    "PNL-INV-010": ("profit", {**COIN, "side": "long", "exit_price": "200"},
                    {"profit": "5", "return": "0.5", "initial_margin": "10"}),
    "PNL-INV-011": ("profit", {**COIN, "side": "short", "exit_price": "200"}, {"return": "-0.5"}),
    "PNL-INV-012": ("profit", {**COIN, "side": "long", "exit_price": "50"}, {"return": "-1"}),
    "PNL-INV-013": ("profit", {**COIN, "side": "short", "exit_price": "50"}, {"return": "1"}),
    "PNL-INV-010 backwards": (
        "target-price", {"margining": "inverse", "side": "long", "entry_price": "100",
                         "leverage": 1, "return": "0.5"}, {"price": "200"},
    ),
    "BKR-001": (
        "bankruptcy-price", {"side": "long", "quantity": "1", "entry_price": "10000",
                             "leverage": 50}, {"bankruptcy_price": "9800"},
    ),
    "COST-002": (
        "order-cost", {"side": "sell", "type": "limit", "price": "9253.30",
                       "mark_price": "9259.84", "quantity": "1", "leverage": 20},
        {"initial_margin": "462.665", "open_loss": "6.54", "fee": "0", "cost": "469.205"},
    ),
    # Its newer rule takes another price for a sale: last x 1.0015.
    "COST-003": (
        "order-cost", {"side": "sell", "type": "market", "best_opposite_price": "9272.878485",
                       "mark_price": "9259.84", "quantity": "1", "leverage": 20},
        {"initial_margin": "463.64392425", "open_loss": "0", "cost": "463.64392425"},
    ),
    # Those venues reserve the fee of a close at the bankruptcy price too: 18 and 24.2.
    "COST-005": (
        "order-cost", {"side": "buy", "price": "50000", "mark_price": "50000", "quantity": "1",
                       "leverage": 10, "taker_fee_rate": "0.0004"},
        {"initial_margin": "5000", "open_loss": "0", "fee": "20", "cost": "5020"},
    ),
    "COST-005, its bankruptcy price": (
        "bankruptcy-price", {"side": "long", "quantity": "1", "entry_price": "50000",
                             "leverage": 10}, {"bankruptcy_price": "45000"},
    ),
    "COST-006": (
        "order-cost", {"side": "sell", "price": "55000", "mark_price": "55000", "quantity": "1",
                       "leverage": 10, "taker_fee_rate": "0.0004"},
        {"initial_margin": "5500", "open_loss": "0", "fee": "22", "cost": "5522"},
    ),
    "COST-006, its bankruptcy price": (
        "bankruptcy-price", {"side": "short", "quantity": "1", "entry_price": "55000",
                             "leverage": 10}, {"bankruptcy_price": "60500"},
    ),
    "COST-008": (
        "order-cost", {"side": "buy", "price": "1010", "mark_price": "1000", "quantity": "10",
                       "leverage": 20},
        {"initial_margin": "505", "open_loss": "100", "fee": "0", "cost": "605"},
    ),
    # Sum for sum the other way round: what COST-008 costs pays for its quantity.
    "COST-008 backwards": (
        "max-quantity", {"side": "buy", "price": "1010", "mark_price": "1000", "leverage": 20,
                         "available_balance": "605", "lot_size": "0.001"}, {"quantity": "10"},
    ),
}  # fmt: skip


async def test_liq_1_published_liquidation_prices(api: Api) -> None:
    """LIQ-1: every one that a venue printed."""
    for name, (body, printed, within) in LIQUIDATION_PRICES.items():
        answer = await api("POST /v1/calculators/liquidation-price", body, key=None)
        found = Decimal(answer["liquidation_price"])
        assert abs(found - Decimal(printed)) <= Decimal(within), (name, found)


async def test_con_3_published_profits_costs_and_prices(api: Api) -> None:
    """CON-3, ORD-5, LIQ-3: to the last digit."""
    for name, (calculator, body, printed) in EXACT.items():
        answer = await api(f"POST /v1/calculators/{calculator}", body, key=None)
        assert {field: answer[field] for field in printed} == printed, name


async def test_liq_3_a_published_inverse_bankruptcy_price(api: Api) -> None:
    """LIQ-3: LIQ-INV-002, which adds its closing fee of 0.075 %: 5,718.57."""
    answer = await api("POST /v1/calculators/bankruptcy-price", BYBIT, key=None)
    with_fee = Decimal(answer["bankruptcy_price"]) * Decimal("1.00075")
    assert with_fee == pytest.approx(Decimal("5718.57"), abs=Decimal("0.005"))

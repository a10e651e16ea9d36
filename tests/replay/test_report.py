"""What a replay's report says of what it read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from app.catalogue.default import default_contracts
from app.replay.report import takeovers


def test_takeovers_are_worth_what_their_contracts_say() -> None:
    """CON-2: quantity x contract size x mark price, in the contract's settlement asset."""
    bitcoin = next(one for one in default_contracts() if one.symbol == "BTCUSDT")
    contracts = {"BTCUSDT": bitcoin, "MILLI": replace(bitcoin, contract_size=Decimal("0.001"))}
    taken = [("BTCUSDT", "2", "-3"), ("MILLI", "2", "1"), ("MILLI", "0", "0")]
    rows = [
        {"symbol": symbol, "taken_over_quantity": much, "mark_price": "50000", "fund_amount": gain}
        for symbol, much, gain in taken
    ]
    found = takeovers(rows, contracts)
    assert found == {"count": 2, "value": {"USDT": "100100"}, "fund_amount": {"USDT": "-2"}}

"""The default catalogue (CON-5)."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from app.catalogue.default import (
    dated_contracts,
    default_commands,
    default_contracts,
    next_quarters,
)
from app.catalogue.funds import COINS, FUNDS, SEVENTY_FIVE, fund_for
from app.engine.commands.contracts import ImportContracts
from app.engine.commands.funds import CreateFund

NOW = datetime(2026, 11, 28, tzinfo=UTC)
CONTRACTS = {contract.symbol: contract for contract in default_contracts()}


def test_funds_come_first_and_the_contracts_in_one_import() -> None:
    commands = default_commands(NOW)
    assert all(isinstance(command, CreateFund) for command in commands[:-1])
    assert isinstance(commands[-1], ImportContracts)
    created = {command.fund_id for command in commands[:-1] if isinstance(command, CreateFund)}
    assert created == set(FUNDS)
    assert {contract.insurance_fund for contract in commands[-1].contracts} <= created


def test_composition() -> None:
    """CON-5: the exchange's own composition of funds."""
    members: dict[str, set[str]] = {}
    for contract in CONTRACTS.values():
        members.setdefault(contract.insurance_fund, set()).add(contract.symbol)
    assert members["usdt-major"] == {"BTCUSDT", "ETHUSDT", "BNBUSDT"}
    assert members["usdt-75x"] == {f"{coin}USDT" for coin in SEVENTY_FIVE}
    assert len(SEVENTY_FIVE) == 11
    assert len(members["usdt-other"]) >= 8
    assert members["usdc"] == {"BTCUSDC", "ETHUSDC"}
    for coin in COINS:
        assert members[f"coin-{coin.lower()}"] == {f"{coin}USD_PERP"}
    assert members.keys() == FUNDS.keys()


@pytest.mark.parametrize(
    ("symbol", "settlement_asset", "fund"),
    [
        ("BTCUSDT", "USDT", "usdt-major"),
        ("BTCUSDT_260925", "USDT", "usdt-major"),
        ("XRPUSDT", "USDT", "usdt-75x"),
        ("DOGEUSDT", "USDT", "usdt-other"),
        ("XRPUSDC", "USDC", "usdc"),
        ("BTCUSD_PERP", "BTC", "coin-btc"),
        ("BTCUSD1", "USD1", None),
    ],
)
def test_fund_of_a_contract(symbol: str, settlement_asset: str, fund: str | None) -> None:
    assert fund_for(symbol, settlement_asset) == fund


def test_a_fund_for_every_coin() -> None:
    assert {f"coin-{coin.lower()}" for coin in COINS} <= FUNDS.keys()


def test_bitcoin_has_the_published_terms() -> None:
    bitcoin = CONTRACTS["BTCUSDT"]
    assert (bitcoin.tick_size, bitcoin.lot_size) == (Decimal("0.1"), Decimal("0.001"))
    assert bitcoin.min_notional == 100
    assert bitcoin.clearance_fee_rate == Decimal("0.0125")
    assert bitcoin.brackets[0].max_leverage == 150
    assert bitcoin.brackets[-1].cum == Decimal(421482000)


def test_coin_margined_contracts_settle_in_the_coin() -> None:
    """CON-2: 100 USD of bitcoin, 10 USD of the others; the one bracket step that is published."""
    for coin in COINS:
        contract = CONTRACTS[f"{coin}USD_PERP"]
        assert contract.margining == "inverse"
        assert contract.settlement_asset == contract.base_asset == coin
        assert contract.contract_size == (100 if coin == "BTC" else 10)
        assert contract.lot_size == 1
    before, after = CONTRACTS["BTCUSD_PERP"].brackets[3:5]
    assert (before.maintenance_margin_rate, before.cum) == (Decimal("0.025"), Decimal("0.56"))
    assert (after.maintenance_margin_rate, after.cum) == (Decimal("0.05"), Decimal("1.81"))
    assert after.notional_floor == 50


def test_every_contract_has_a_price_band() -> None:
    """FND-12: 5 % on the majors, nowhere more than 10 %."""
    for contract in CONTRACTS.values():
        widest = Decimal("0.05") if contract.insurance_fund == "usdt-major" else Decimal("0.1")
        assert contract.price_band is not None, contract.symbol
        assert contract.price_band <= widest, contract.symbol


def test_eos_is_there_although_renamed_since() -> None:
    assert CONTRACTS["EOSUSDT"].brackets[3].cum == 700


def test_own_values_name_fields_of_a_contract() -> None:
    path = Path(__file__).parents[2] / "app" / "catalogue" / "contracts.toml"
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["contract"]
    marked = {field for row in rows for field in row.get("own", [])}
    assert marked
    assert all(field in row for row in rows for field in row.get("own", []))


@pytest.mark.parametrize(
    ("now", "first", "second"),
    [
        ("2026-11-28T00:00", "2026-12-25", "2027-03-26"),
        ("2026-12-25T07:59", "2026-12-25", "2027-03-26"),
        ("2026-12-25T08:00", "2027-03-26", "2027-06-25"),
        ("2026-12-31T23:59", "2027-03-26", "2027-06-25"),
        ("2027-01-01T00:00", "2027-03-26", "2027-06-25"),
        ("2025-09-26T08:00", "2025-12-26", "2026-03-27"),
    ],
)
def test_the_next_quarters(now: str, first: str, second: str) -> None:
    """DLV-1: the last Friday of March, June, September and December, always still to come."""
    found = next_quarters(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert [f"{date:%Y-%m-%dT%H}" for date in found] == [f"{first}T08", f"{second}T08"]


def test_whenever_it_begins_both_dates_are_to_come() -> None:
    """A year and more, by the hour."""
    for hours in range(0, 24 * 400, 7):
        now = NOW + timedelta(hours=hours)
        first, second = next_quarters(now)
        assert now < first < second <= now + timedelta(days=190)
        assert first.weekday() == second.weekday() == 4


def test_bitcoin_and_ether_have_two_delivery_dates() -> None:
    """CON-5, DLV-1: on the coin's own fund, beside the perpetual and on its terms."""
    found = {contract.symbol: contract for contract in dated_contracts(NOW)}
    assert found.keys() == {
        "BTCUSD_261225", "BTCUSD_270326", "ETHUSD_261225", "ETHUSD_270326",
    }  # fmt: skip
    for symbol, contract in found.items():
        perpetual = CONTRACTS[f"{symbol[:6]}_PERP"]
        assert contract.kind == "delivery"
        assert contract.insurance_fund == perpetual.insurance_fund == f"coin-{symbol[:3].lower()}"
        assert contract.brackets == perpetual.brackets
        assert f"{contract.delivery_at:%y%m%d%H}" == f"{symbol[7:]}08"

"""The import of the exchange's own documents (CON-4, CON-5)."""

from __future__ import annotations

import copy
import gzip
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.catalogue.default import default_contracts
from app.catalogue.exchange import NotTheFormat, ParsedExchange, parse_exchange
from app.engine.contracts import Contract
from app.engine.rejections import Rejected

DATA = Path(__file__).parents[3] / "shared" / "data"


def loads(text: str) -> Any:
    """JSON as the service reads it: numbers with a point arrive as Decimal."""
    return json.loads(text, parse_float=Decimal)


INFO = loads("""{"timezone": "UTC", "symbols": [{
    "symbol": "ABCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "ABC",
    "quoteAsset": "USDT", "marginAsset": "USDT", "liquidationFee": "0.012500", "unknown": [1],
    "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10", "maxPrice": "1e9"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500"}]
}]}""")
BRACKETS = loads("""[{"symbol": "ABCUSDT", "marginAsset": "USDT", "brackets": [
    {"bracket": 1, "initialLeverage": 75, "notionalCap": 10000.0, "notionalFloor": 0.0,
     "maintMarginRatio": 0.005, "cum": 0.0},
    {"bracket": 2, "initialLeverage": 50, "notionalCap": 50000.0, "notionalFloor": 10000.0,
     "maintMarginRatio": 0.01, "cum": 50.0}]}]""")


def changed(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    """A copy of `document` with the place at `path` replaced, or removed (value `KeyError`)."""
    document = copy.deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    if value is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


def test_a_contract_is_read_exactly() -> None:
    parsed = parse(INFO, BRACKETS)
    assert parsed.skipped == ()
    (contract,) = parsed.contracts
    assert contract.tick_size == Decimal("0.1")
    assert contract.clearance_fee_rate == Decimal("0.0125")
    assert contract.price_band == Decimal("0.05")
    assert contract.insurance_fund == "usdt-other"
    assert contract.brackets[1].cum == 50


def test_numbers_may_be_strings() -> None:
    brackets = changed(BRACKETS, (0, "brackets", 1, "cum"), "50.0")
    assert parse(INFO, brackets) == parse(INFO, BRACKETS)


SYMBOL: tuple[str | int, ...] = ("symbols", 0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def parse(exchange_info: object, leverage_brackets: object) -> ParsedExchange:
    """As on the first of January."""
    return parse_exchange(exchange_info, leverage_brackets, NOW)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (("contractType",), "PERPETUAL DELIVERING", "contract type unknown"),
        (("contractType",), None, "contract type unknown"),
        (("marginAsset",), "BTC", "neither its quote nor its base"),
        (("status",), "SETTLING", "status SETTLING"),
        (("quoteAsset",), "USD1", "neither its quote nor its base"),
    ],
)
def test_skipped_with_a_reason(path: tuple[str], value: object, reason: str) -> None:
    parsed = parse(changed(INFO, (*SYMBOL, *path), value), BRACKETS)
    assert parsed.contracts == ()
    assert reason in parsed.skipped[0].reason


COIN_INFO = loads("""{"symbols": [{
    "symbol": "LTCUSD_PERP", "contractType": "PERPETUAL", "contractStatus": "TRADING",
    "baseAsset": "LTC", "quoteAsset": "USD", "marginAsset": "LTC", "contractSize": 10,
    "liquidationFee": "0.020000",
    "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "stepSize": "1"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500"}]
}]}""")
COIN_BRACKETS = loads("""[{"symbol": "LTCUSD_PERP", "notionalCoef": 1.0, "brackets": [
    {"bracket": 1, "initialLeverage": 75, "qtyCap": 4000, "qtyFloor": 0,
     "maintMarginRatio": 0.0065, "cum": 0.0},
    {"bracket": 2, "initialLeverage": 50, "qtyCap": 8000, "qtyFloor": 4000,
     "maintMarginRatio": 0.01, "cum": 14.0}]}]""")


def test_a_coin_margined_contract_is_read_exactly() -> None:
    """CON-2, CON-5: sizes in USD, brackets in the coin."""
    parsed = parse(COIN_INFO, COIN_BRACKETS)
    assert parsed.skipped == ()
    (contract,) = parsed.contracts
    assert (contract.margining, contract.settlement_asset) == ("inverse", "LTC")
    assert contract.contract_size == 10
    assert contract.lot_size == 1
    assert contract.min_notional == 0
    assert contract.insurance_fund == "coin-ltc"
    assert contract.brackets[1].notional_floor == 4000
    assert contract.brackets[1].cum == 14
    settling = changed(COIN_INFO, (*SYMBOL, "contractStatus"), "DELIVERING")
    assert "status DELIVERING" in parse(settling, COIN_BRACKETS).skipped[0].reason


def dated(date: object, kind: str = "CURRENT_QUARTER") -> Any:
    """The coin-margined contract, delivered at so many milliseconds."""
    info = changed(COIN_INFO, (*SYMBOL, "contractType"), kind)
    return changed(info, (*SYMBOL, "deliveryDate"), date)


@pytest.mark.parametrize("kind", ["CURRENT_MONTH", "NEXT_MONTH", "CURRENT_QUARTER", "NEXT_QUARTER"])
def test_a_delivery_contract_has_its_date(kind: str) -> None:
    """CON-5, DLV-1: to the millisecond; a perpetual's date, which is far away, is none."""
    (contract,) = parse(dated(1774598400001, kind), COIN_BRACKETS).contracts
    assert (contract.kind, contract.insurance_fund) == ("delivery", "coin-ltc")
    assert contract.delivery_at == datetime(2026, 3, 27, 8, tzinfo=UTC) + timedelta(milliseconds=1)
    (perpetual,) = parse(dated(4133404800000, "PERPETUAL"), COIN_BRACKETS).contracts
    assert (perpetual.kind, perpetual.delivery_at) == ("perpetual", None)


def test_what_is_delivered_already_is_skipped() -> None:
    """DLV-1: an older document can be imported all the same."""
    parsed = parse(dated(1767225600000), COIN_BRACKETS)
    assert parsed.contracts == ()
    assert parsed.skipped[0].reason == "delivered 2026-01-01"


@pytest.mark.parametrize("date", [0, -1, "x", Decimal("1774598400000.5"), 10**15, None])
def test_a_date_that_is_none_refuses_everything(date: object) -> None:
    with pytest.raises(NotTheFormat):
        parse(dated(date), COIN_BRACKETS)


@pytest.mark.parametrize(("field", "value"), [("contractSize", 0), ("contractSize", -10)])
def test_a_size_that_is_none_refuses_everything(field: str, value: int) -> None:
    """CON-1, CON-5."""
    with pytest.raises(Rejected) as caught:
        parse(changed(COIN_INFO, (*SYMBOL, field), value), COIN_BRACKETS)
    assert caught.value.rejection.code == "invalid_contract"
    with pytest.raises(NotTheFormat):
        parse(changed(COIN_INFO, (*SYMBOL, field), KeyError), COIN_BRACKETS)


def test_no_fund_no_contract() -> None:
    info = changed(INFO, (*SYMBOL, "quoteAsset"), "USD1")
    parsed = parse(changed(info, (*SYMBOL, "marginAsset"), "USD1"), BRACKETS)
    assert "no insurance fund" in parsed.skipped[0].reason


def test_symbols_in_one_document_only_are_skipped() -> None:
    parsed = parse(INFO, [])
    assert [entry.reason for entry in parsed.skipped] == ["not in leverage_brackets"]
    parsed = parse({"symbols": []}, BRACKETS)
    assert [entry.reason for entry in parsed.skipped] == ["not in exchange_info"]


def test_a_symbol_outside_ascii_is_skipped() -> None:
    parsed = parse({"symbols": [{"symbol": "币USDT"}]}, [])
    assert parsed.skipped[0].symbol == "币USDT"


ROWS: tuple[str | int, ...] = (0, "brackets")


@pytest.mark.parametrize(
    ("path", "value", "row"),
    [
        ((1, "notionalFloor"), Decimal(10001), "2"),
        ((1, "notionalCap"), Decimal(10000), "2"),
        ((1, "cum"), Decimal("50.000000000001"), "2"),
        ((1, "cum"), Decimal(0), "2"),
        ((0, "cum"), Decimal(1), "1"),
        ((0, "initialLeverage"), 201, "1"),
        ((0, "initialLeverage"), 0, "1"),
        ((0, "initialLeverage"), Decimal("7.5"), "1"),
        ((0, "maintMarginRatio"), Decimal(0), "1"),
        ((0, "maintMarginRatio"), Decimal(-1), "1"),
        ((0, "notionalFloor"), Decimal(-1), "1"),
    ],
)
def test_a_table_that_does_not_follow_refuses_everything(
    path: tuple[str | int, ...], value: object, row: str
) -> None:
    """CON-4: naming symbol and row."""
    with pytest.raises(Rejected) as caught:
        parse(INFO, changed(BRACKETS, (*ROWS, *path), value))
    rejection = caught.value.rejection
    assert rejection.code == "invalid_brackets"
    assert rejection.context["symbol"] == "ABCUSDT"
    assert rejection.context["row"] == row
    assert "ABCUSDT" in rejection.detail


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("filters", 0, "tickSize"), "0"),
        (("filters", 0, "tickSize"), "-0.1"),
        (("filters", 1, "stepSize"), "0.0"),
        (("filters", 2, "notional"), "-1"),
        (("filters", 2, "notional"), "50000.1"),
        (("baseAsset",), "USDT"),
        (("filters", 0, "filterType"), "OTHER"),
        (("filters", 3, "multiplierUp"), "1"),
        (("liquidationFee",), "1"),
        (("liquidationFee",), "-0.1"),
    ],
)
def test_terms_that_cannot_be_traded_refuse_everything(
    path: tuple[str | int, ...], value: object
) -> None:
    with pytest.raises(Rejected) as caught:
        parse(changed(INFO, (*SYMBOL, *path), value), BRACKETS)
    assert caught.value.rejection.code == "invalid_contract"
    assert caught.value.rejection.context["symbol"] == "ABCUSDT"


def test_an_empty_bracket_table_refuses_everything() -> None:
    with pytest.raises(Rejected) as caught:
        parse(INFO, changed(BRACKETS, ROWS, []))
    assert caught.value.rejection.code == "invalid_brackets"


@pytest.mark.parametrize("info", [None, 1, [], {}, "x", {"symbols": {}}, {"symbols": [1]},
                                  {"symbols": [{}]}, {"symbols": [{"symbol": "\ud800"}]},
                                  {"symbols": [{"symbol": ""}]}, {"symbols": [{"symbol": 1}]},
                                  {"symbols": [{"symbol": "A\0"}]}])  # fmt: skip
def test_another_document_than_the_exchange_sends(info: object) -> None:
    with pytest.raises(NotTheFormat):
        parse(info, BRACKETS)


@pytest.mark.parametrize("table", [None, {}, "x", [None], [[]], [{"symbol": "ABCUSDT"}],
                                   [{"symbol": "ABCUSDT", "brackets": {}}],
                                   [{"symbol": "ABCUSDT", "brackets": [1]}],
                                   [{"symbol": "ABCUSDT", "brackets": [{}]}],
                                   BRACKETS * 2])  # fmt: skip
def test_other_brackets_than_the_exchange_sends(table: object) -> None:
    with pytest.raises(NotTheFormat):
        parse(INFO, table)


@pytest.mark.parametrize(
    "value",
    [None, True, 1.5, float("nan"), [], {}, "", "x", "NaN", "Infinity", "1e400", "1_0", "\u0661",
     "9" * 5000, Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e400"),
     Decimal("1e-400"), Decimal("1e15"), Decimal("1e-13"), 10**400, KeyError],
)  # fmt: skip
@pytest.mark.parametrize("field", ["notionalCap", "initialLeverage", "cum"])
def test_what_is_no_number_is_malformed(field: str, value: object) -> None:
    with pytest.raises(NotTheFormat):
        parse(INFO, changed(BRACKETS, (*ROWS, 0, field), value))


@pytest.mark.parametrize("field", ["baseAsset", "filters", "liquidationFee"])
def test_a_missing_field_is_malformed(field: str) -> None:
    with pytest.raises(NotTheFormat):
        parse(changed(INFO, (*SYMBOL, field), KeyError), BRACKETS)


RECORDED = [
    (info, table)
    for info in DATA.glob("usdm_exchange_info.json")
    for table in DATA.glob("usdm_leverage_brackets.json.gz")
]


def test_the_recorded_documents() -> None:
    """Where they are at hand; the catalogue restates them exactly."""
    for info_path, table_path in RECORDED:
        info = loads(info_path.read_text(encoding="utf-8"))
        table = loads(gzip.decompress(table_path.read_bytes()).decode())
        parsed = parse(info, table)
        assert len(parsed.contracts) == 25
        listed = {contract.symbol: contract for contract in default_contracts()}
        common = [contract for contract in parsed.contracts if contract.symbol in listed]
        assert len(common) >= 20
        assert all(contract == listed[contract.symbol] for contract in common)


def test_the_recorded_coin_margined_document() -> None:
    """Where it is at hand; the catalogue restates it exactly, but for its own brackets."""
    for path in DATA.glob("coinm_exchange_info.json"):
        info = loads(path.read_text(encoding="utf-8"))
        listed = {c.symbol: c for c in default_contracts() if c.margining == "inverse"}
        parsed = parse(info, [_brackets_of(contract) for contract in listed.values()])
        assert {one.symbol for one in parsed.skipped} == {"GALAUSD_PERP"}
        assert len(parsed.contracts) == 24
        assert all(contract == listed[contract.symbol] for contract in parsed.contracts)


def _brackets_of(contract: Contract) -> dict[str, Any]:
    """A contract's brackets as the exchange writes them."""
    rows = [
        {"initialLeverage": row.max_leverage, "qtyFloor": row.notional_floor,
         "qtyCap": row.notional_cap, "maintMarginRatio": row.maintenance_margin_rate,
         "cum": row.cum}
        for row in contract.brackets
    ]  # fmt: skip
    return {"symbol": contract.symbol, "brackets": rows}

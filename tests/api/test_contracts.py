"""Contracts, the import, books and prices."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.api.conftest import Api

TERMS: dict[str, Any] = {
    "symbol": "TESTUSDT", "base_asset": "TEST", "quote_asset": "USDT", "settlement_asset": "USDT",
    "kind": "perpetual", "margining": "linear", "contract_size": "1", "tick_size": "0.01",
    "lot_size": "0.001", "min_notional": "5", "maker_fee_rate": "0.0002",
    "taker_fee_rate": "0.0005", "clearance_fee_rate": "0.0125", "insurance_fund": "usdt-other",
    "price_band": None,
    "brackets": [
        {"notional_floor": "0", "notional_cap": "50000", "max_leverage": 100,
         "maintenance_margin_rate": "0.005", "cum": "0"},
        {"notional_floor": "50000", "notional_cap": "250000", "max_leverage": 50,
         "maintenance_margin_rate": "0.01"},
    ],
    "status": "trading",
}  # fmt: skip


COIN: dict[str, Any] = {
    "symbol": "TESTUSD_PERP", "base_asset": "TEST", "quote_asset": "USD",
    "settlement_asset": "TEST", "margining": "inverse", "contract_size": "10", "lot_size": "1",
    "min_notional": "0", "insurance_fund": "coin-btc",
}  # fmt: skip
"""What an inverse contract has otherwise."""


async def test_create_read_change(api: Api) -> None:
    made = await api("POST /v1/contracts", TERMS, status=201)
    assert made == await api("GET /v1/contracts/TESTUSDT")
    assert {name: made[name] for name in TERMS if name != "brackets"} == {
        name: value for name, value in TERMS.items() if name != "brackets"
    }
    assert made["brackets"][1]["cum"] == "250"
    assert made["liquidation_restore_ratio"] == "1.1"
    assert made["delivery_at"] is made["mark_staleness_seconds"] is made["tick_jump_limit"] is None
    assert await api.refused("POST /v1/contracts", TERMS) == (409, "contract_exists")

    change = {
        "taker_fee_rate": "0.001", "price_band": "0.05", "mark_staleness_seconds": 30,
        "liquidation_restore_ratio": "1.25", "brackets": TERMS["brackets"][:1],
        "open_interest_cap": "1000", "open_interest_multiple": "2.5",
    }  # fmt: skip
    changed = await api("PATCH /v1/contracts/TESTUSDT", change)
    assert changed == await api("GET /v1/contracts/TESTUSDT")
    assert {name: changed[name] for name in change} == change
    back = {
        "price_band": None, "mark_staleness_seconds": None, "liquidation_restore_ratio": None,
        "open_interest_cap": None,
    }  # fmt: skip
    changed = await api("PATCH /v1/contracts/TESTUSDT", back)
    assert changed["price_band"] is changed["mark_staleness_seconds"] is None
    assert changed["liquidation_restore_ratio"] == "1.1"
    assert changed["taker_fee_rate"] == "0.001"
    assert (changed["open_interest_cap"], changed["open_interest_multiple"]) == (None, "2.5")


async def test_terms_that_cannot_be(api: Api) -> None:
    for change, expected in (
        ({"insurance_fund": "nope"}, (422, "unknown_fund")),
        ({"tick_size": "0"}, (422, "invalid_contract")),
        ({"tick_size": "-1"}, (422, "invalid_contract")),
        ({"lot_size": "0"}, (422, "invalid_contract")),
        ({"clearance_fee_rate": "1"}, (422, "invalid_contract")),
        ({"liquidation_restore_ratio": "0"}, (422, "invalid_contract")),
        ({"settlement_asset": "BTC"}, (422, "invalid_contract")),
        ({"quote_asset": "BTC"}, (422, "invalid_contract")),
        ({"base_asset": "USDT"}, (422, "invalid_contract")),
        ({"delivery_at": "2026-12-25T08:00:00Z"}, (422, "invalid_contract")),
        ({"min_notional": "250000.01"}, (422, "invalid_contract")),
        ({"kind": "delivery"}, (422, "invalid_contract")),
        (
            {"kind": "delivery", "delivery_at": "2020-12-25T08:00:00Z"},
            (422, "invalid_contract"),
        ),
        ({"settlement_fee_rate": "0.1"}, (422, "invalid_contract")),
        ({"margining": "inverse"}, (422, "invalid_contract")),
        ({**COIN, "settlement_asset": "USD"}, (422, "invalid_contract")),
        ({**COIN, "lot_size": "0.1"}, (422, "invalid_contract")),
        ({**COIN, "kind": "delivery"}, (422, "invalid_contract")),
        ({"brackets": []}, (400, "malformed_body")),
        ({"brackets": None}, (400, "malformed_body")),
        ({"tick_size": None}, (400, "malformed_body")),
        ({"mark_staleness_seconds": 2**31}, (400, "malformed_body")),
        ({"delivery_at": "2026-01-01"}, (400, "malformed_body")),
        ({"status": "open"}, (400, "malformed_body")),
    ):
        assert await api.refused("POST /v1/contracts", {**TERMS, **change}) == expected, change
    rows = TERMS["brackets"]
    for number, change in (
        (2, {"notional_floor": "50001"}), (2, {"cum": "251"}), (2, {"max_leverage": 101}),
        (1, {"maintenance_margin_rate": "0.02"}), (1, {"notional_floor": "1"}),
    ):  # fmt: skip
        table = [{**row, **change} if i == number else row for i, row in enumerate(rows, 1)]
        answer = await api.send("POST /v1/contracts", {**TERMS, "brackets": table})
        assert answer.status_code == 422, change
        assert answer.json()["code"] == "invalid_brackets"
        assert answer.json()["context"]["row"] == str(number), answer.json()
    assert await api.refused("GET /v1/contracts/TESTUSDT") == (404, "unknown_contract")


async def test_changes_that_cannot_be(api: Api) -> None:
    await api("POST /v1/contracts", TERMS, status=201)
    for change, expected in (
        ({"symbol": "X"}, (400, "malformed_body")),
        ({"tick_size": None}, (400, "malformed_body")),
        ({"status": None}, (400, "malformed_body")),
        ({"brackets": None}, (400, "malformed_body")),
        ({"insurance_fund": "nope"}, (422, "unknown_fund")),
        ({"maker_fee_rate": "-0.1"}, (422, "invalid_contract")),
        ({"delivery_at": "2026-12-25T08:00:00Z"}, (422, "invalid_contract")),
        ({"settlement_asset": "BTC"}, (400, "malformed_body")),
    ):
        refused = await api.refused("PATCH /v1/contracts/TESTUSDT", change)
        assert refused == expected, change
    assert (await api("PATCH /v1/contracts/TESTUSDT", {}))["tick_size"] == "0.01"


def _exchange(symbol: str = "NEWUSDT", **numbers: str) -> bytes:
    """The exchange's two documents as JSON text; `numbers` replaces JSON numbers literally."""
    info = {
        "symbol": symbol, "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "NEW",
        "quoteAsset": "USDT", "marginAsset": "USDT", "liquidationFee": "0.015", "extra": [1.5],
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.00010"},
            {"filterType": "LOT_SIZE", "stepSize": "1"},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
    }  # fmt: skip
    rate = numbers.get("rate", "0.0065")
    table = (
        f'{{"symbol": "{symbol}", "brackets": [{{"bracket": 1, "initialLeverage": 75, '
        f'"notionalCap": 5000, "notionalFloor": 0, "maintMarginRatio": {rate}, "cum": 0.0}}, '
        '{"bracket": 2, "initialLeverage": 50, "notionalCap": 1e4, "notionalFloor": 5000, '
        '"maintMarginRatio": 0.01, "cum": 17.5}]}'
    )
    other = '{"symbol": "ODDUSDT", "brackets": []}'
    return (
        f'{{"exchange_info": {json.dumps({"symbols": [info]})}, '
        f'"leverage_brackets": [{table}, {other}]}}'
    ).encode()


async def test_import(api: Api) -> None:
    """The exchange's JSON numbers are read as exact decimals."""
    done = await api("POST /v1/contracts/import", content=_exchange())
    assert done == {
        "created": 1, "updated": 0,
        "skipped": [{"symbol": "ODDUSDT", "reason": "not in exchange_info"}],
    }  # fmt: skip
    made = await api("GET /v1/contracts/NEWUSDT")
    assert made["tick_size"] == "0.0001"
    assert made["insurance_fund"] == "usdt-other"
    assert [row["maintenance_margin_rate"] for row in made["brackets"]] == ["0.0065", "0.01"]
    assert made["brackets"][1]["cum"] == "17.5"
    again = await api("POST /v1/contracts/import", content=_exchange())
    assert (again["created"], again["updated"]) == (0, 1)
    ours = {"status": "halted", "mark_staleness_seconds": 60, "min_notional": "9"}
    await api("PATCH /v1/contracts/NEWUSDT", ours)
    await api("POST /v1/contracts/import", content=_exchange())
    listed = await api("GET /v1/contracts/NEWUSDT")
    assert {name: listed[name] for name in ours} == {**ours, "min_notional": "5"}


async def test_imports_that_cannot_be(api: Api) -> None:
    for content, expected in (
        (_exchange(rate="0.02"), (422, "invalid_brackets")),
        (_exchange(rate="NaN"), (400, "malformed_body")),
        (_exchange(rate="1e999999999"), (400, "malformed_body")),
        (_exchange(rate="9" * 5000), (400, "malformed_body")),
        (_exchange(rate="null"), (400, "malformed_body")),
        (b"{}", (400, "malformed_body")),
        (b'{"exchange_info": {}, "leverage_brackets": []}', (400, "malformed_body")),
        (b'{"exchange_info": 1, "leverage_brackets": {}}', (400, "malformed_body")),
        (
            b'{"exchange_info": {"symbols": []}, "leverage_brackets": [], "x": 1}',
            (400, "malformed_body"),
        ),
    ):
        refused = await api.refused("POST /v1/contracts/import", content=content)
        assert refused == expected, content[:200]
    assert await api.refused("GET /v1/contracts/NEWUSDT") == (404, "unknown_contract")


async def test_prices(api: Api) -> None:
    tick = {
        "symbol": "BTCUSDT", "mark_price": "60000.0", "index_price": "60001.5",
        "source_time": "2026-01-01T01:00:00+01:00", "sequence": 5,
    }  # fmt: skip
    answer = await api("POST /v1/prices", tick, key="feed")
    assert answer["mark_price"] == "60000"
    assert answer["accounts_at_risk"] == 0
    price = await api("GET /v1/prices/BTCUSDT", key=None)
    assert price == {
        "symbol": "BTCUSDT", "mark_price": "60000", "time": answer["time"],
        "index_price": "60001.5", "source_time": "2026-01-01T00:00:00.000000Z", "sequence": 5,
        "mode": "given", "last_price": None, "funding_rate": None, "next_funding_time": None,
    }  # fmt: skip
    assert (await api("GET /v1/prices", key=None))["items"] == [price]
    for change, expected in (
        ({}, (422, "stale_tick")),
        ({"sequence": 4}, (422, "stale_tick")),
        ({"sequence": 6, "mark_price": "0"}, (422, "price_not_positive")),
        ({"sequence": 6, "mark_price": "-1"}, (422, "price_not_positive")),
        ({"sequence": 6, "index_price": "0"}, (422, "price_not_positive")),
        ({"sequence": 6, "symbol": "NOPE"}, (422, "unknown_contract")),
        ({"sequence": -1}, (400, "malformed_body")),
        ({"sequence": 10**18}, (400, "malformed_body")),
        ({"sequence": "6"}, (400, "malformed_body")),
        ({"sequence": 6.0}, (400, "malformed_body")),
        ({"source_time": "2026-01-01T00:00:00"}, (400, "malformed_body")),
        ({"source_time": 1700000000}, (400, "malformed_body")),
        ({"mark_price": 60000}, (400, "malformed_body")),
    ):
        refused = await api.refused("POST /v1/prices", {**tick, **change}, key="feed")
        assert refused == expected, change
    assert (await api("GET /v1/prices/BTCUSDT"))["time"] == answer["time"]


async def test_a_feed_that_starts_anew_and_times_that_are_not_now(api: Api) -> None:
    """MRK-6: the way back after one far too high sequence, on both routes."""
    highest = 10**18 - 1
    tick = {"symbol": "BTCUSDT", "mark_price": "60000"}
    await api("POST /v1/prices", {**tick, "sequence": highest}, key="feed")
    again = {**tick, "sequence": 1}
    assert await api.refused("POST /v1/prices", again, key="feed") == (422, "stale_tick")
    await api("POST /v1/prices", {**again, "sequence_reset": True}, key="feed")
    ahead, behind = (
        (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat() for seconds in (300, -300)
    )
    ticks = [
        {**tick, "sequence": highest}, {**tick, "sequence": 2},
        {**tick, "sequence": 2, "sequence_reset": True},
        {**tick, "sequence": 3, "source_time": ahead},
        {**tick, "sequence": 3, "source_time": "9999-12-31T23:59:59Z"},
        {**tick, "sequence": 3, "source_time": behind},
    ]  # fmt: skip
    answer = await api("POST /v1/prices/batch", {"ticks": ticks}, key="feed")
    assert answer["refused"] == [
        {"index": 1, "code": "stale_tick"}, {"index": 3, "code": "future_tick"},
        {"index": 4, "code": "future_tick"},
    ]  # fmt: skip
    await api("PATCH /v1/contracts/BTCUSDT", {"mark_staleness_seconds": 60})
    late = {**tick, "sequence": 4, "source_time": behind}
    assert await api.refused("POST /v1/prices", late, key="feed") == (422, "stale_tick")
    for value in (None, 1, "true"):
        body = {**tick, "sequence_reset": value}
        refused = await api.refused("POST /v1/prices", body, key="feed")
        assert refused == (400, "malformed_body")


async def test_a_batch_of_prices(api: Api) -> None:
    ticks = [
        {"symbol": "BTCUSDT", "mark_price": "60000"},
        {"symbol": "NOPE", "mark_price": "1"},
        {"symbol": "ETHUSDT", "mark_price": "3000"},
        {"symbol": "BTCUSDT", "mark_price": "0"},
    ]
    answer = await api("POST /v1/prices/batch", {"ticks": ticks}, key="feed")
    assert answer == {
        "accepted": 2,
        "refused": [
            {"index": 1, "code": "unknown_contract"}, {"index": 3, "code": "price_not_positive"}
        ],
        "accounts_at_risk": 0,
    }  # fmt: skip
    many = {"ticks": ticks[:1] * 10_001}
    assert await api.refused("POST /v1/prices/batch", many, key="feed") == (400, "malformed_body")
    empty = await api.refused("POST /v1/prices/batch", {"ticks": []}, key="feed")
    assert empty == (400, "malformed_body")


async def test_the_book(api: Api) -> None:
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "100000")
    await api.open("bob", "100000")
    for price, quantity in (("59000", "0.1"), ("59500", "0.2"), ("59500.0", "0.05")):
        await api.order("alice", "buy", quantity, price)
    for price in ("60500", "60400", "60600"):
        await api.order("bob", "sell", "0.1", price)
    await api.order("alice", "buy", "0.04", "60400")
    assert await api("GET /v1/contracts/BTCUSDT/book", key=None) == {
        "symbol": "BTCUSDT",
        "bids": [["59500", "0.25"], ["59000", "0.1"]],
        "asks": [["60400", "0.06"], ["60500", "0.1"], ["60600", "0.1"]],
    }
    book = await api("GET /v1/contracts/BTCUSDT/book?depth=1")
    assert (book["bids"], book["asks"]) == ([["59500", "0.25"]], [["60400", "0.06"]])

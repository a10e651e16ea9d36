"""Index prices and derived marks over HTTP (MRK-3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.api.conftest import Api

SOURCES = [{"name": name, "weight": "1"} for name in ("a", "b", "c")]
DERIVED: dict[str, Any] = {"mark_mode": "derived", "index_sources": SOURCES}


def said(source: str, price: str, **more: str) -> dict[str, str]:
    """A price of a source of BTCUSDT's index."""
    return {"symbol": "BTCUSDT", "source": source, "price": price, **more}


async def say(api: Api, *prices: dict[str, str]) -> Any:
    """Prices, as a feed sends them."""
    return await api("POST /v1/index-prices", {"prices": list(prices)}, key="feed")


@pytest.fixture
async def derived(api: Api) -> Api:
    """The marks of BTCUSDT are derived from three sources."""
    await api("PATCH /v1/contracts/BTCUSDT", DERIVED)
    return api


async def test_the_terms(api: Api) -> None:
    before = await api("GET /v1/contracts/BTCUSDT", key=None)
    assert (before["mark_mode"], before["index_sources"]) == ("given", [])
    assert before["mid_window_seconds"] == 150
    changed = await api("PATCH /v1/contracts/BTCUSDT", {**DERIVED, "mid_window_seconds": 60})
    assert changed["index_sources"] == SOURCES
    assert (changed["mark_mode"], changed["mid_window_seconds"]) == ("derived", 60)
    changed = await api("PATCH /v1/contracts/BTCUSDT", {"mid_window_seconds": None})
    assert changed == {**before, **DERIVED}
    new = {**before, "symbol": "NEWUSDT", **DERIVED, "mid_window_seconds": None}
    assert await api("POST /v1/contracts", new, status=201) == {**changed, "symbol": "NEWUSDT"}
    for change, expected in (
        ({"index_sources": [*SOURCES, SOURCES[0]]}, (422, "invalid_contract")),
        ({"index_sources": [{"name": "a", "weight": "-1"}]}, (422, "invalid_contract")),
        ({"index_sources": []}, (422, "invalid_contract")),
        ({"mid_window_seconds": 86_401}, (422, "invalid_contract")),
        ({"mid_window_seconds": 0}, (400, "malformed_body")),
        ({"index_sources": [{"name": "", "weight": "1"}]}, (400, "malformed_body")),
        ({"index_sources": [{"name": "a"}]}, (400, "malformed_body")),
        ({"index_sources": None}, (400, "malformed_body")),
        ({"mark_mode": None}, (400, "malformed_body")),
        ({"mark_mode": "guessed"}, (400, "malformed_body")),
    ):
        assert await api.refused("PATCH /v1/contracts/BTCUSDT", change) == expected, change
    assert await api("GET /v1/contracts/BTCUSDT") == changed


async def test_a_mark_is_derived_and_its_sources_are_shown(derived: Api) -> None:
    late = (datetime.now(UTC) - timedelta(seconds=11)).isoformat()
    fresh = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()
    answer = await say(
        derived, said("a", "60000"), said("b", "60100", source_time=fresh), said("d", "1"),
        said("c", "66000"), said("c", "0"), said("a", "1", source_time=late),
        {**said("a", "1"), "symbol": "NOPE"},
    )  # fmt: skip
    assert answer["accepted"] == 3
    assert answer["accounts_at_risk"] == 0
    assert [(one["index"], one["code"]) for one in answer["refused"]] == [
        (2, "unknown_index_source"), (4, "price_not_positive"), (5, "stale_tick"),
        (6, "unknown_contract"),
    ]  # fmt: skip
    price = await derived("GET /v1/prices/BTCUSDT", key=None)
    assert (price["mark_price"], price["index_price"]) == ("60050", "60050")
    assert (price["mode"], price["last_price"]) == ("derived", None)
    index = await derived("GET /v1/index-prices?symbol=BTCUSDT", key=None)
    assert (index["symbol"], index["index_price"]) == ("BTCUSDT", "60050")
    a, b, c = index["sources"]
    assert [one["weight"] for one in (a, b, c)] == ["1", "1", "0"]
    assert [one["price"] for one in (a, b, c)] == ["60000", "60100", "66000"]
    assert c["deviation"] == "0.09816972"  # 66,000 / 60,100
    assert Decimal(b["age_seconds"]) >= 2
    assert 0 < Decimal(a["age_seconds"]) < Decimal(b["age_seconds"])
    assert a["source_time"] is None


async def test_a_tick_is_not_taken_where_marks_are_derived(derived: Api) -> None:
    tick = {"symbol": "BTCUSDT", "mark_price": "60000"}
    assert await derived.refused("POST /v1/prices", tick, key="feed") == (422, "mark_is_derived")
    await derived("PATCH /v1/contracts/BTCUSDT", {"mark_mode": "given"})
    both = {**tick, "index_price": "60000"}
    assert await derived.refused("POST /v1/prices", both, key="feed") == (422, "index_has_sources")
    await derived("POST /v1/prices", tick, key="feed")
    await say(derived, said("a", "61000"))
    price = await derived("GET /v1/prices/BTCUSDT", key=None)
    assert (price["mark_price"], price["index_price"]) == ("60000", "61000")


async def test_sources_that_have_said_nothing_or_contradict_each_other(derived: Api) -> None:
    index = await derived("GET /v1/index-prices?symbol=BTCUSDT", key=None)
    assert index["index_price"] is None
    assert index["sources"] == [
        {"source": name, "weight": "0", "price": None, "age_seconds": None, "deviation": None,
         "source_time": None}
        for name in "abc"
    ]  # fmt: skip
    await say(derived, said("a", "60000"), said("b", "70000"))
    assert (await derived("GET /v1/prices/BTCUSDT"))["mark_price"] == "60000"
    assert (await derived("GET /v1/index-prices?symbol=BTCUSDT"))["index_price"] is None
    (alert,) = (await derived("GET /v1/alerts"))["items"]
    assert alert["kind"] == "index_lost"
    assert alert["detail"] == {"symbol": "BTCUSDT", "cause": "contradiction"}
    await derived("GET /v1/index-prices?symbol=NOPE", status=404)
    await derived("GET /v1/index-prices", status=400)


async def test_a_derived_mark_liquidates(derived: Api) -> None:
    """And the last trade is one of the three: without it the mark would be the index."""
    await say(derived, said("a", "60000"))
    for account, deposit in (("alice", "3200"), ("bob", "100000")):
        await derived.open(account, deposit)
    await derived.order("bob", "sell", "1", "60000")
    await derived.order("alice", "buy", "1", "60000")
    assert (await derived("GET /v1/prices/BTCUSDT"))["last_price"] == "60000"
    answer = await say(derived, said("a", "57000"), said("b", "56000"))
    assert (answer["accepted"], answer["accounts_at_risk"]) == (2, 1)
    (found,) = (await derived("GET /v1/liquidations"))["items"]
    assert (found["symbol"], found["mark_price"]) == ("BTCUSDT", "57000")


async def test_who_may_send_them_and_how_many(derived: Api) -> None:
    one = {"prices": [said("a", "60000")]}
    assert await derived.refused("POST /v1/index-prices", one, key=None) == (401, "unauthorized")
    await derived.open("alice")
    refused = await derived.refused("POST /v1/index-prices", one, key="alice")
    assert refused == (403, "forbidden")
    bodies: list[Any] = [
        {"prices": []},
        {"prices": one["prices"] * 10_001},
        {"prices": [{**said("a", "1"), "weight": "1"}]},
        {"prices": [said("a b", "1")]},
    ]
    for wrong in bodies:
        refused = await derived.refused("POST /v1/index-prices", wrong, key="feed")
        assert refused == (400, "malformed_body"), wrong
    headers = {"Idempotency-Key": "once"}
    for _ in range(2):
        await derived("POST /v1/index-prices", one, key="feed", headers=headers)
    assert derived.runner.metrics.commands["IndexTick"] == 1

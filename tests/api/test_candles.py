"""Candles over HTTP (MRK-5)."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.engine.numbers import begin_of, plain, time_text
from app.engine.outcome import IndexPrice
from app.store.candles import CandleRow, candles
from app.store.queries.candles import MADE_OF
from tests.api.conftest import Api, crash

PATH = "GET /v1/candles"
BEGIN = datetime(2026, 1, 1, 22, 57, 30, tzinfo=UTC)


async def items(api: Api, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api(f"{PATH}?{query}", key=None))["items"]
    return found


async def test_what_a_crash_leaves(api: Api) -> None:
    """Fills in the book count, those of the liquidation order too; takeover and ADL do not."""
    await crash(api, fund="3000", cushion="0.3")
    body = {"symbol": "BTCUSDT", "mark_price": "47000", "index_price": "47100.50"}
    await api("POST /v1/prices", body, key="feed")
    (liquidation,) = (await api("GET /v1/liquidations"))["items"]
    assert (liquidation["filled_quantity"], liquidation["outcome"]) == ("0.3", "mixed")
    trades = await items(api, "symbol=BTCUSDT&source=trades&interval=1d")
    assert sum(Decimal(one["volume"]) for one in trades) == Decimal("1.3")
    assert sum(one["count"] for one in trades) == 3
    assert (trades[-1]["open"], trades[0]["close"]) == ("50000", "48000")
    marks = await items(api, "symbol=BTCUSDT")
    assert (marks[-1]["open"], marks[0]["close"]) == ("50000", "47000")
    assert sum(one["count"] for one in marks) == 2
    assert {one["volume"] for one in marks} == {"0"}
    (index,) = await items(api, "symbol=BTCUSDT&source=index&interval=1h")
    prices = dict.fromkeys(("open", "high", "low", "close"), "47100.5")
    assert index == {"time": index["time"], **prices, "volume": "0", "count": 1}
    assert await items(api, "symbol=ETHUSDT") == []


Came = Sequence[IndexPrice]


@pytest.fixture
async def came(api: Api, connection: asyncpg.Connection) -> Came:
    """Index prices over some days, with gaps, put beside the service."""
    chance, time, prices = random.Random(3), BEGIN, []
    for _ in range(3000):
        time += timedelta(seconds=chance.choice([5, 20, 55, 61, 400] + [9000] * (time.hour < 1)))
        prices.append(IndexPrice("BTCUSDT", time, Decimal(chance.randint(1, 10**9)) / 1000))
    await connection.copy_records_to_table(
        "candles", records=candles([], prices, []), columns=CandleRow._fields
    )
    return prices


def naive(came: Came, width: timedelta) -> list[dict[str, Any]]:
    """Candles by a walk through all prices, newest first."""
    inside: defaultdict[datetime, list[Decimal]] = defaultdict(list)
    for one in came:
        inside[begin_of(one.time, width)].append(one.price)
    return [
        {
            "time": time_text(time), "open": plain(prices[0]), "high": plain(max(prices)),
            "low": plain(min(prices)), "close": plain(prices[-1]), "volume": "0",
            "count": len(prices),
        }
        for time, prices in reversed(inside.items())
    ]  # fmt: skip


@pytest.mark.parametrize("interval", MADE_OF)
async def test_longer_candles_are_those_of_all_prices(api: Api, came: Came, interval: str) -> None:
    """Page by page, however often a page ends where minutes are missing."""
    width, *_ = MADE_OF[interval]  # type: ignore[index]
    expected, query = naive(came, width), f"symbol=BTCUSDT&source=index&interval={interval}"
    for limit in (1, 7, 1000):
        found: list[Any] = []
        cursor = ""
        while len(found) < min(len(expected), 40 * limit):
            page = await api(f"{PATH}?{query}&limit={limit}{cursor}")
            found += page["items"]
            assert (page["next_cursor"] is None) == (len(found) == len(expected))
            cursor = f"&cursor={page['next_cursor']}"
        assert found == expected[: len(found)]


async def test_from_and_to_are_widened(api: Api, came: Came) -> None:
    """To whole intervals, so that no candle is a part of one."""
    expected = naive(came, timedelta(hours=4))
    query = "symbol=BTCUSDT&source=index&interval=4h"
    times = [one["time"] for one in expected]
    assert await items(api, f"{query}&from={times[3]}&to={times[1]}") == expected[2:4]
    inside = [time.replace(":00:00.000000", ":20:01.5") for time in times]
    assert await items(api, f"{query}&from={inside[3]}&to={inside[1]}") == expected[1:4]
    assert await items(api, f"{query}&from=2027-01-01T00:00:00Z") == []
    assert await items(api, f"{query}&to={times[-1]}") == []


async def test_refusals(api: Api) -> None:
    for query in (
        "", "interval=1m", "symbol=BTCUSDT&interval=2m", "symbol=BTCUSDT&source=last",
        "symbol=btc", "symbol=BTCUSDT&from=yesterday", "symbol=BTCUSDT&limit=0",
        "symbol=BTCUSDT&limit=1001", "symbol=BTCUSDT&cursor=WzFd", "symbol=BTCUSDT&until=1",
    ):  # fmt: skip
        assert await api.refused(f"{PATH}?{query}", key=None) == (400, "malformed_query"), query

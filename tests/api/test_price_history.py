"""Past prices over HTTP: imports, what there is, and what is missing (CAL-7)."""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from app.api.limits import IMPORT_LIMIT
from app.calibration import paths
from app.store.queries import price_history as queries
from tests.api.conftest import Api

PATH = "POST /v1/price-history/imports"
END = datetime(2025, 7, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BTC = {  # of the worst day there was, and its neighbours
    "2020-03-10": "7909.729492", "2020-03-11": "7911.430176", "2020-03-12": "4970.788086",
    "2020-03-13": "5563.707031",
}  # fmt: skip


async def put(
    api: Api, lines: Iterable[str], interval: str = "1d", *, header: str = "symbol,time,close",
    status: int = 201, source: str = "desk", **how: Any,
) -> Any:  # fmt: skip
    """One import."""
    content = "\n".join([header, *lines, ""]).encode()
    call = f"{PATH}?interval={interval}&source={source}"
    return await api(call, content=content, status=status, **how)


async def closes(api: Api, interval: str = "1d", symbol: str = "BTCUSDT") -> list[dict[str, Any]]:
    return await api.listed(f"/v1/price-history?symbol={symbol}&interval={interval}", key=None)


async def of(api: Api, symbol: str, interval: str = "1h") -> dict[str, Any]:
    """The coverage of a contract."""
    items = await api.listed(f"/v1/price-history/coverage?interval={interval}")
    (found,) = [one for one in items if one["symbol"] == symbol]
    return found


def hours(symbol: str, count: int, seed: int, *, shift: int = 0) -> list[str]:
    """Hourly closes of a market whose moves are those of its seed, its clock ahead by `shift`."""
    chance, price, found = random.Random(seed), 100.0, []
    for number in range(count):
        price *= math.exp(chance.gauss(0, 0.01))
        time = END - (count - number - shift) * HOUR
        found.append(f"{symbol},{time:%Y-%m-%dT%H:%M:%SZ},{price:.6f}")
    return found


async def test_an_import(api: Api) -> None:
    """A date is its end in UTC; decimals come back as they went in, but for zeros at the end."""
    lines = [f"BTCUSDT,{day},{close}" for day, close in BTC.items()]
    made = await put(api, [*lines, "ETHUSDT,2020-03-12T00:00:00Z,194.8600"])
    body = "\n".join(["symbol,time,close", *lines, "ETHUSDT,2020-03-12T00:00:00Z,194.8600", ""])
    assert made == {
        "import_id": "1", "rows": 5, "symbols": ["BTCUSDT", "ETHUSDT"],
        "first": "2020-03-11T00:00:00.000000Z", "last": "2020-03-14T00:00:00.000000Z",
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
        "refused": [], "refused_count": 0, "warnings": [],
    }  # fmt: skip
    shown = await closes(api)
    assert [one["close"] for one in shown] == [*reversed(BTC.values())]
    assert shown[1] == {
        "time": "2020-03-13T00:00:00.000000Z", "close": "4970.788086", "volume": None,
        "source": "desk", "import_id": "1",
    }  # fmt: skip
    assert float(shown[1]["close"]) / float(shown[2]["close"]) - 1 == pytest.approx(-0.3716953856)
    assert [one["close"] for one in await closes(api, symbol="ETHUSDT")] == ["194.86"]


async def test_the_newest_import_wins_page_by_page(api: Api) -> None:
    days = [f"2025-01-{day:02}" for day in range(1, 31)]
    await put(api, [f"BTCUSDT,{day},{100 + number}" for number, day in enumerate(days)])
    header = "symbol,time,close,volume"
    await put(
        api, ["BTCUSDT,2025-01-03,7,12.50", "BTCUSDT,2025-01-05,8,"], header=header, source="b"
    )
    pages = "/v1/price-history?symbol=BTCUSDT&interval=1d&limit=7"
    shown = await api.listed(pages)
    assert len(shown) == 30
    of_newer = [one for one in shown if one["source"] == "b"]
    assert [(one["time"][:10], one["close"], one["volume"]) for one in of_newer] == [
        ("2025-01-06", "8", None), ("2025-01-04", "7", "12.5"),
    ]  # fmt: skip
    between = "&from=2025-01-04T00:00:00Z&to=2025-01-06T00:00:00Z"
    assert [one["close"] for one in await api.listed(pages + between)] == ["103", "7"]


async def test_own_marks_where_nothing_was_imported(
    api: Api, connection: asyncpg.Connection
) -> None:
    """Bars that have ended; an own close beside an imported one is no part of the history."""
    await api.mark("BTCUSDT", "50000")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for before in range(1, 7):
        await connection.execute(
            "INSERT INTO candles VALUES ('BTCUSDT', 'mark', '1h', $1, 9, 9, 9, 9, 0, 1)",
            now - before * HOUR,
        )
    await put(api, [f"BTCUSDT,{now - 5 * HOUR:%Y-%m-%dT%H:00:00Z},8"], "1h")
    shown = [(one["time"][11:13], one["source"]) for one in await closes(api, "1h")]
    wanted = [(0, "marks"), (1, "marks"), (2, "marks"), (3, "marks"), (5, "desk")]
    assert shown == [(f"{now - before * HOUR:%H}", source) for before, source in wanted]
    found = await of(api, "BTCUSDT")
    assert (found["rows"], found["gaps"], found["largest_gap"]) == (5, 1, 1)
    assert found["imported"] == "0.2"


REFUSED = {
    "": "malformed_line", "BTCUSDT,2025-01-01": "malformed_line",
    "BTCUSDT,2025-01-01,1,2,3": "malformed_line", '"BTCUSDT",2025-01-01,1': "unknown_contract",
    "NEVERUSDT,2025-01-01,1": "unknown_contract", "btcusdt,2025-01-01,1": "unknown_contract",
    "BTCUSDT,2025-02-30,1": "malformed_time", "BTCUSDT,2025-01-01 00:00:00,1": "malformed_time",
    "BTCUSDT,,1": "malformed_time", "BTCUSDT,9999-12-31,1": "malformed_time",
    "BTCUSDT,2025-01-01T01:00:00Z,1": "time_not_on_interval",
    "BTCUSDT,2025-01-01T00:00:00+08:00,1": "time_not_on_interval",
    "BTCUSDT,2025-01-01T00:00:00.001Z,1": "time_not_on_interval",
    "BTCUSDT,2999-01-01,1": "time_in_future",
    "BTCUSDT,2025-01-01,": "malformed_price", "BTCUSDT,2025-01-01,NaN": "malformed_price",
    "BTCUSDT,2025-01-01,inf": "malformed_price", "BTCUSDT,2025-01-01,1_0": "malformed_price",
    "BTCUSDT,2025-01-01,1e30": "malformed_price", "BTCUSDT,2025-01-01,1e-30": "malformed_price",
    "BTCUSDT,2025-01-01, 1": "malformed_price", "BTCUSDT,2025-01-01,0": "price_not_positive",
    "BTCUSDT,2025-01-01,0.000": "price_not_positive", "BTCUSDT,2025-01-01,-5": "price_not_positive",
    "BTCUSDT,2025-01-02,9": "duplicate_time", "BTCUSDT,2025-01-03T00:00:00Z,9": "duplicate_time",
}  # fmt: skip


async def test_lines_that_say_nothing(api: Api) -> None:
    """Each is named by its number, all others are imported."""
    made = await put(api, ["BTCUSDT,2025-01-02,5", *REFUSED, "BTCUSDT,2025-01-03,6\r"])
    assert made["rows"] == 2
    assert {one["line"]: one["code"] for one in made["refused"]} == dict(
        enumerate(REFUSED.values(), start=3)
    )
    assert made["refused_count"] == len(REFUSED)
    assert [one["close"] for one in await closes(api)] == ["6", "5"]
    header = "symbol,time,close,volume"
    volumes = ["BTCUSDT,2025-01-02,5,-1", "BTCUSDT,2025-01-02,5,x", "BTCUSDT,2025-01-04,5,0"]
    made = await put(api, volumes, header=header)
    assert [one["code"] for one in made["refused"]] == ["malformed_volume"] * 2


async def test_the_list_of_refused_lines_is_bounded(api: Api) -> None:
    days = [(END + number * timedelta(days=1)).date() for number in range(-150, 0)]
    made = await put(api, [f"BTCUSDT,{day},5" for day in [*days, *days]] + ["x"] * 60)
    assert (made["rows"], made["refused_count"], len(made["refused"])) == (150, 210, 100)
    assert [one["code"] for one in made["refused"]] == ["duplicate_time"] * 40 + [
        "malformed_line"
    ] * 60


@pytest.mark.parametrize(
    "content",
    [
        b"", b"symbol,time,price\nBTCUSDT,2025-01-01,1\n", b"BTCUSDT,2025-01-01,1\n",
        b"symbol,time,close,volume,extra\n", b'{"symbol": "BTCUSDT"}', b"\x1f\x8b\x08\x00",
        b"symbol,time,close\n" + b"x" * 2000,
    ],
)  # fmt: skip
async def test_what_is_no_such_file(api: Api, content: bytes) -> None:
    call = f"{PATH}?interval=1d&source=desk"
    assert await api.refused(call, content=content) == (400, "malformed_body")
    assert await closes(api) == []


async def test_nothing_of_it_can_be_imported(api: Api) -> None:
    answer = await api.send(
        f"{PATH}?interval=1d&source=d", content=b"symbol,time,close\nX,2025-01-01,1\n"
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "nothing_to_import")
    assert answer.json()["context"] == {
        "refused_count": "1", "line": "2", "line_code": "unknown_contract",
    }  # fmt: skip
    answer = await api.send(f"{PATH}?interval=1d&source=d", content=b"symbol,time,close\n")
    assert answer.json()["code"] == "nothing_to_import"


async def test_who_may_and_what_must_be_said(api: Api) -> None:
    content = b"symbol,time,close\nBTCUSDT,2025-01-01,1\n"
    call = f"{PATH}?interval=1d&source=desk"
    assert await api.refused(call, content=content, key=None) == (401, "unauthorized")
    assert await api.refused(call, content=content, key="feed") == (403, "forbidden")
    for query in ("interval=1d", "source=d", "interval=4h&source=d", "interval=1d&source=d%20d"):
        assert await api.refused(f"{PATH}?{query}", content=content) == (400, "malformed_query")


async def broken_off(api: Api, port: int, content: bytes) -> None:
    """An import whose client goes away in the middle."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"{PATH}?interval=1d&source=desk HTTP/1.1\r\nHost: here\r\nContent-Length: 9999\r\n"
    writer.write(f"{head}Authorization: Bearer {api.keys['admin']}\r\n\r\n".encode() + content)
    await writer.drain()
    services = api.app.state.services
    while not services.importing.locked():
        await asyncio.sleep(0.01)
    writer.close()
    while services.importing.locked():
        await asyncio.sleep(0.01)


async def test_too_large_and_broken_off_leave_nothing(
    api: Api, served: int, connection: asyncpg.Connection
) -> None:
    """64 MiB, announced or not; of what came before nothing is there."""
    good = "".join(f"BTCUSDT,2025-01-{day:02},5\n" for day in range(1, 31))

    async def endless() -> AsyncIterator[bytes]:
        yield b"symbol,time,close\n" + good.encode()
        for _ in range(IMPORT_LIMIT // 2**20):
            yield (b"x" * 99 + b"\n") * (2**20 // 100 + 1)

    call = f"{PATH}?interval=1d&source=desk"
    assert await api.refused(call, content=endless()) == (413, "body_too_large")
    await broken_off(api, served, b"symbol,time,close\n" + good.encode())
    announced = {"content-length": str(IMPORT_LIMIT + 1)}
    assert await api.refused(call, content=b"", headers=announced) == (413, "body_too_large")
    for table in ("price_imports", "price_history"):
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
    assert (await put(api, good.splitlines()))["rows"] == 30


async def test_one_import_at_a_time(api: Api) -> None:
    """The other one is told to come again; nothing of either is mixed."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"symbol,time,close\n"
        begun.set()
        await go_on.wait()
        yield b"BTCUSDT,2025-01-01,5\n"

    first = asyncio.create_task(api(f"{PATH}?interval=1d&source=a", content=slow(), status=201))
    await begun.wait()
    call = f"{PATH}?interval=1d&source=b"
    assert await api.refused(call, content=b"symbol,time,close\n") == (503, "busy")
    go_on.set()
    assert (await first)["rows"] == 1


async def test_a_million_rows_are_few_at_a_time(api: Api) -> None:
    """A file of more than a part: what is cut in the middle of a line is put together again."""
    made = await put(api, hours("BTCUSDT", 20_000, 1) + hours("ETHUSDT", 20_000, 2), "1h")
    assert (made["rows"], made["refused_count"]) == (40_000, 0)
    found = await of(api, "BTCUSDT")
    assert (found["rows"], found["gaps"], found["imported"], found["proxied"]) == (
        20_000, 0, "1", "0",
    )  # fmt: skip


async def test_a_shifted_clock_is_warned_of(api: Api) -> None:
    """Its moves are those of the asset's first contract, eight hours later; chance is no reason."""
    first = hours("BTCUSDT", 500, 1)
    await put(api, first, "1h")
    same = [line.replace("BTCUSDT", "ETHUSDT") for line in first]
    assert (await put(api, same, "1h"))["warnings"] == []
    assert (await put(api, hours("SOLUSDT", 500, 7), "1h"))["warnings"] == []
    late = [line.replace("BTCUSDT", "XRPUSDT") for line in hours("BTCUSDT", 500, 1, shift=-8)]
    (warning,) = (await put(api, late, "1h"))["warnings"]
    assert (warning["code"], warning["symbol"], warning["time"]) == (
        "shifted_time",
        "XRPUSDT",
        None,
    )
    assert "with those of BTCUSDT +8 h" in warning["detail"]


async def test_a_bad_print_is_warned_of(api: Api) -> None:
    """A close that both its neighbours contradict; a crash that stays is none."""
    days = ["100", "101", "40", "102", "101", "30", "31", "70", "30"]
    lines = [f"BTCUSDT,2025-01-{day:02},{close}" for day, close in enumerate(days, start=1)]
    made = await put(api, lines)
    assert [(one["code"], one["time"][:10]) for one in made["warnings"]] == [
        ("reverting_price", "2025-01-04"), ("reverting_price", "2025-01-09"),
    ]  # fmt: skip
    assert made["rows"] == 9


async def test_coverage(api: Api) -> None:
    """Gaps, the contract that stands for one, and how much its returns are enlarged."""
    long = hours("BTCUSDT", 400, 1)
    await put(api, [*long, *hours("ETHUSDT", 100, 2), *hours("SOLUSDT", 30, 3)], "1h")
    bitcoin, ether, solana = [await of(api, f"{one}USDT") for one in ("BTC", "ETH", "SOL")]
    assert (bitcoin["rows"], bitcoin["proxy"], bitcoin["proxied"]) == (400, None, "0")
    assert (ether["rows"], ether["gaps"], ether["last"]) == (100, 0, bitcoin["last"])
    assert (ether["proxy"], ether["proxied"]) == ("BTCUSDT", str(round(300 / 399, 4)))
    assert float(ether["multiplier"]) >= 1
    assert (solana["proxy"], solana["multiplier"]) == ("BTCUSDT", "1.5")  # too few in common
    nothing = await of(api, "XRPUSDT")
    assert (nothing["rows"], nothing["first"], nothing["proxied"]) == (0, None, "1")
    with_holes = [line for number, line in enumerate(long) if number not in (5, 100, 101, 102)]
    await put(api, [line.replace("BTCUSDT", "LTCUSDT") for line in with_holes], "1h")
    litecoin = await of(api, "LTCUSDT")
    assert (litecoin["gaps"], litecoin["largest_gap"]) == (2, 3)
    assert (litecoin["proxy"], litecoin["multiplier"]) == ("BTCUSDT", "1")


def test_the_same_multiplier_as_a_run_s() -> None:
    assert queries.LEAST_COMMON == paths.LEAST_COMMON
    assert float(queries.DEFAULT_MULTIPLIER) == paths.DEFAULT_PROXY_MULTIPLIER

"""A fund's signal over HTTP: from a crash, and hour by hour from kept buckets (SIG-1)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from random import Random
from typing import Any

import asyncpg

from app.engine.figures.signal import HOUR, Hour, readings
from app.engine.memory import RESULTS
from app.engine.numbers import EXACT, begin_of, plain, time_text
from tests.api.conftest import Api, crash

FUND = "/v1/insurance-funds/usdt-major"
WINDOWS = {"1h": 1, "8h": 8, "24h": 24, "7d": 168}


async def test_longs_flushed_out_by_a_crash(api: Api) -> None:
    """SIG-1: a fund of 1,000 takes 0.021 BTC over at 47,500, settled at 40,000: 157.5 lost."""
    await crash(api)
    await api.mark("BTCUSDT", "40000")
    found = await api(f"GET {FUND}/signal?window=7d", key=None)
    assert "no advice" in found.pop("disclaimer")
    begin = datetime.fromisoformat(found.pop("since"))
    assert begin == begin_of(datetime.fromisoformat(found.pop("time")), HOUR) - 7 * 24 * HOUR
    assert found == {
        "window": "7d", "asset": "USDT", "signal": "long_flush", "drawdown": "0.1575",
        "lost": "157.5", "peak": "1000", "long_share": "1", "long_value": "40000",
        "short_value": "0",
    }  # fmt: skip
    quiet = await api("GET /v1/insurance-funds/usdc/signal", key=None)
    assert (quiet["signal"], quiet["window"], quiet["asset"]) == ("calm", "24h", "USDC")
    assert (quiet["drawdown"], quiet["peak"], quiet["long_share"]) == ("0", "0", None)


async def test_what_is_asked_wrongly(api: Api) -> None:
    for path in ("signal", "signals"):
        refused = await api.refused(f"GET /v1/insurance-funds/nope/{path}", key=None)
        assert refused == (404, "unknown_fund")
        refused = await api.refused(f"GET {FUND}/{path}?window=2h", key=None)
        assert refused == (400, "malformed_query")
        await api("POST /v1/insurance-funds", {"fund_id": path, "name": "x"}, status=201)
        refused = await api.refused(f"GET /v1/insurance-funds/{path}/{path}", key=None)
        assert refused == (400, "malformed_query")
        assert await api(f"GET /v1/insurance-funds/{path}/{path}?asset=USDT", key=None)
    refused = await api.refused(f"GET {FUND}/signals?cursor=WyJ4Il0", key=None)
    assert refused == (400, "malformed_query")


async def kept(connection: asyncpg.Connection, first: datetime, count: int) -> list[Hour]:
    """The buckets of so many hours, put beside the service: in some of them nothing happened, nor
    in the last day."""
    chance, balance, hours = Random(5), Decimal(0), []
    for number in range(count):
        time, before = first + number * HOUR, balance
        result = longs = shorts = Decimal(0)
        if number == 0 or (number < count - 24 and chance.random() < 0.4):
            income = Decimal(chance.randint(1 if number else 5000, 9000)).scaleb(-1)
            result = -min(Decimal(chance.randint(0, 3000)).scaleb(-1), before)
            balance = before + income + result
            flows = [("seed_capital", income), (chance.choice(sorted(RESULTS)), result)]
            for kind, net in flows:
                await connection.execute(
                    "INSERT INTO fund_flows VALUES ($1, 'USDT', '1h', $2, $3, $4, $5, $5)",
                    "usdt-major", time, kind, max(net, Decimal(0)), max(-net, Decimal(0)),
                )  # fmt: skip
            await connection.execute(
                "INSERT INTO fund_intervals VALUES ($1, 'USDT', '1h', $2, $3, $4, $5, $6)",
                "usdt-major", time, before, before + income, min(before, balance), balance,
            )  # fmt: skip
            longs, shorts = (Decimal(chance.randint(0, 50)) for _ in range(2))
            for side, value in (("long", longs), ("short", shorts)):
                await connection.execute(
                    "INSERT INTO fund_volumes VALUES ($1, 'USDT', '1h', $2, $3, $4, 1, $5)",
                    "usdt-major", time, "liquidation", side, value,
                )  # fmt: skip
            hours.append(Hour(time, before + income, result, longs, shorts))
        else:
            hours.append(Hour(time, balance, result, longs, shorts))
    return hours


def shown(hours: list[Hour], window: int) -> list[dict[str, Any]]:
    """What the list should say at the end of each, newest first; before there was nothing."""
    zero = Decimal(0)
    quiet = [
        Hour(hours[0].time - n * HOUR, zero, zero, zero, zero) for n in range(window - 1, 0, -1)
    ]
    with localcontext(EXACT):
        found = list(readings([*quiet, *hours], window))
    return [
        {
            "time": time_text(one.time), "signal": one.signal, "drawdown": plain(one.drawdown),
            "lost": plain(one.lost), "peak": plain(one.peak),
            "long_value": plain(one.longs), "short_value": plain(one.shorts),
        }
        for one in found[::-1]
    ]  # fmt: skip


async def test_hour_by_hour(api: Api, connection: asyncpg.Connection) -> None:
    """SIG-1: each window's history, in pages; the newest says what the signal is at that moment."""
    first = begin_of(datetime.now(UTC), HOUR) - timedelta(days=12)
    hours = await kept(connection, first, 12 * 24)
    for window, length in WINDOWS.items():
        expected = shown(hours, length)
        items = await api.listed(f"{FUND}/signals?window={window}&limit=90", key=None)
        told = [{name: one[name] for name in expected[0]} for one in items]
        assert told[-len(expected) :] == expected
        assert len(told) <= len(expected) + 1, "an hour may have ended meanwhile"
        now = await api(f"GET {FUND}/signal?window={window}", key=None)
        assert now["peak"] == told[0]["peak"]
    assert {one["signal"] for one in shown(hours, 8)} == {"calm", "long_flush", "short_squeeze"}

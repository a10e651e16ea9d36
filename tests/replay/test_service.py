"""Replays against a service over a real database."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.application import create_app
from app.catalogue.default import default_commands
from app.engine.commands.keys import CreateKey
from app.replay import cli
from app.replay.client import Service
from app.replay.inputs import InputError, Window
from app.replay.report import render
from app.replay.steps import survey
from app.runner.keys import make_key
from app.runner.runner import Runner
from app.store import database

CANDLES = "open_time_ms,open,high,low,close,volume\n"
PRICES = (*range(40000, 37800, -200), 34000, 35500, 31000, 33000)


@pytest.fixture
async def service(address: str) -> AsyncIterator[Service]:
    """A client, with an admin's key, of a service with the default catalogue."""
    pool = database.create_engine(address)
    try:
        async with Runner(address) as runner:
            key, secret = make_key("test", "admin")
            await runner.submit([*default_commands(runner.now()), CreateKey(key)])
            app = create_app(runner, pool, open_metrics=True)
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://backstop",
                headers={"Authorization": f"Bearer {secret}"},
            ) as http:
                yield Service(http)
    finally:
        await pool.dispose()


def crash(folder: Path, symbol: str = "BTCUSDT", divisor: int = 1) -> Path:
    """A calm minute, a slide, a crash and a rebound."""
    rows = []
    for minute, move in enumerate(pairwise(PRICES)):
        start, end = (price / divisor for price in move)
        high, low = max(start, end), min(start, end)
        rows.append(f"{1621425600000 + minute * 60_000},{start},{high},{low},{end},1\n")
    path = folder / f"{symbol}_1m.csv"
    path.write_text(CANDLES + "".join(rows), encoding="utf-8")
    return path


async def replay(service: Service, *arguments: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    args = parser.parse_args(arguments)
    window = Window()
    report = await cli.replay(service, args, window, survey(args.files, window))
    broken = [law for law in report["laws"] if not law["holds"]]
    assert not broken
    return report


async def test_a_crash_liquidates_takes_over_and_deleverages(
    service: Service, tmp_path: Path
) -> None:
    """Real books meet a crash: every outcome, every law, and a second run on top of it."""
    files = [str(crash(tmp_path)), str(crash(tmp_path, "LINKUSDT", 1000))]
    options = ["--traders", "40", "--fund-seed-capital", "2000", "--seed", "6"]
    report = await replay(service, *files, *options)
    assert report["ticks"]["refused"] == {}
    assert report["trades"]["count"] > 50
    outcomes = report["liquidations"]["by_outcome"]
    assert outcomes["closed"] + outcomes["mixed"] > 0
    assert report["clearance_fees"]["count"] > 0
    assert report["takeovers"]["count"] > 0
    assert report["adl"]["events"] > 0
    assert {row["fund"] for row in report["funds"]} == {"usdt-major", "usdt-75x"}
    assert "liquidations" in render(report)
    again = await replay(service, files[0], *options)
    assert again["funds"][-1]["before"] == report["funds"][-1]["after"]
    assert again["ticks"]["refused"] == {}


async def test_funds_sell_what_they_take_over(service: Service, tmp_path: Path) -> None:
    """FND-5: by the service's time, so that a quick replay may see few steps; money is right."""
    files = [str(crash(tmp_path)), str(crash(tmp_path, "LINKUSDT", 1000))]
    options = ["--traders", "40", "--fund-seed-capital", "1000000", "--seed", "6", "--offload", "1"]
    report = await replay(service, *files, *options)
    assert report["run"]["offload"] == 1
    assert report["takeovers"]["count"] > 0
    for fund in ("usdt-major", "usdt-75x"):
        policy = (await service.get(f"/v1/insurance-funds/{fund}"))["policy"]
        assert policy["offload"] is None, "it would go on while the books are read"
    booked = sum(Decimal(row["by_kind"].get("offload_pnl", "0")) for row in report["funds"])
    assert Decimal(report["offloads"]["profit"].get("USDT", "0")) == booked


async def test_a_coin_margined_contract_beside_a_linear_one(
    service: Service, tmp_path: Path
) -> None:
    """CON-2, NUM-4: liquidations and takeovers in the coin; every law holds in it, too."""
    files = [str(crash(tmp_path)), str(crash(tmp_path, "BTCUSD_PERP"))]
    options = ["--traders", "40", "--fund-seed-capital", "2000", "--seed", "6"]
    report = await replay(service, *files, *options)
    assert report["ticks"]["refused"] == {}
    assert {row["fund"] for row in report["funds"]} == {"usdt-major", "coin-btc"}
    (coin,) = [row for row in report["funds"] if row["fund"] == "coin-btc"]
    assert Decimal(coin["by_kind"]["seed_capital"]) == Decimal("0.05")
    assert Decimal(report["trades"]["value"]["BTC"]) > 0
    assert Decimal(report["takeovers"]["value"]["BTC"]) > 0


async def test_candles_are_the_index_that_a_mark_is_derived_from(
    service: Service, tmp_path: Path
) -> None:
    """MRK-3: beside a contract whose marks are given, with the candles as its index."""
    sources = [{"name": name, "weight": "1"} for name in ("a", "b")]
    terms = {"mark_mode": "derived", "index_sources": sources}
    await service._call("PATCH", "/v1/contracts/BTCUSDT", body=terms)
    files = [str(crash(tmp_path)), str(crash(tmp_path, "ETHUSDT", 20))]
    report = await replay(service, *files, "--traders", "30", "--fund-seed-capital", "2000")
    assert report["ticks"]["refused"] == {}
    assert sum(report["liquidations"]["by_outcome"].values()) > 0
    derived = await service.get("/v1/prices/BTCUSDT")
    assert (derived["mode"], derived["index_price"]) == ("derived", "33000")
    given = await service.get("/v1/prices/ETHUSDT")
    assert (given["mode"], given["mark_price"], given["index_price"]) == ("given", "1650", "1650")


async def test_trades_and_quotes(service: Service, tmp_path: Path) -> None:
    """Recorded trades trade with the recorded quotes; small ones wait for more."""
    quotes = ["ts_ms,symbol,bid,bid_qty,ask,ask_qty\n"]
    trades = ["ts_ms,symbol,taker_side,price,qty,trade_id,type\n"]
    for second in range(5):
        time = 1723161256000 + second * 1000
        quotes.append(f"{time},BTCUSDT,{61800 + second}.00,2.5,{61800 + second}.10,1.5\n")
        trades += [
            f"{time + n},BTCUSDT,{'BUY' if n % 2 else 'SELL'},61800,0.001,{n},MARKET\n"
            for n in range(1, 11)
        ]
    paths = [tmp_path / "quotes.csv", tmp_path / "trades.csv"]
    for path, lines in zip(paths, (quotes, trades), strict=True):
        path.write_text("".join(lines), encoding="utf-8")
    report = await replay(service, *map(str, paths), "--traders", "3")
    assert report["run"]["prints"] == 50
    assert report["ticks"]["accepted"] == 6
    assert report["trades"]["count"] >= 20
    assert not report["orders"]["refused"]


async def test_a_contract_that_the_service_does_not_trade(service: Service, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NOSUCH; choose others"):
        await replay(service, str(crash(tmp_path, "NOSUCH")))

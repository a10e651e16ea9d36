"""`backstop prices import`: files as they come from elsewhere, to a running service (CAL-7)."""

from __future__ import annotations

import asyncio
import gzip
from pathlib import Path

import pytest

from app import cli, price_importing
from tests.api.conftest import Api

BTC = """date,price,volume
2020-03-11,7911.430176,38682762605
2020-03-12,4970.788086,53980357243
2020-03-13,5563.707031,74156772075
"""


async def command(api: Api, port: int, *arguments: str) -> int:
    """The exit code of the command, run beside the service."""
    given = ["prices", "import", *arguments, "--url", f"http://127.0.0.1:{port}"]
    return await asyncio.to_thread(cli.main, [*given, "--admin-key", api.keys["admin"]])


async def test_daily_closes_as_they_come(
    api: Api, served: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Dates and prices of one contract, gzipped; the worst day there was."""
    path = tmp_path / "btc daily.csv.gz"
    path.write_bytes(gzip.compress(BTC.encode()))
    assert await command(api, served, str(path), "--interval", "1d", "--symbol", "BTCUSDT") == 0
    assert capsys.readouterr().out == (
        "import 1: 3 closes of 1 contracts, 2020-03-12T00:00Z to 2020-03-14T00:00Z,"
        " refused 0 lines\n"
    )
    shown = await api.listed("/v1/price-history?symbol=BTCUSDT&interval=1d")
    assert [one["close"] for one in shown] == ["5563.707031", "4970.788086", "7911.430176"]
    assert (shown[0]["source"], shown[0]["volume"]) == ("btc-daily", "74156772075")


async def test_other_names_epochs_and_parts(
    api: Api, served: int, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A file of several parts; its refused lines are named as the file has them."""
    monkeypatch.setattr(price_importing, "PART_BYTES", 1000)
    monkeypatch.setattr(price_importing, "BATCH", 10)
    rows = [f'"ETHUSDT","{1735693200000 + hour * 3600000}",{100 + hour}' for hour in range(100)]
    rows[70] = "ETHUSDT,2025-01-01 00:00:00,5"
    path = tmp_path / "x.csv"
    path.write_text("\n".join(["symbol,closed,last", *rows]))
    options = ("--time-column", "closed", "--close-column", "last", "--source", "elsewhere")
    assert await command(api, served, str(path), "--interval", "1h", *options) == 0
    output = capsys.readouterr().out
    assert output.count("import ") > 2
    assert "line 72: malformed_time" in output
    shown = await api.listed("/v1/price-history?symbol=ETHUSDT&interval=1h")
    assert len(shown) == 99
    assert shown[-1]["time"] == "2025-01-01T01:00:00.000000Z"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("no.csv", None, "cannot be read: No such file"),
        ("a.csv", b"", "there is no column symbol"),
        ("a.csv", b"symbol,time,open\n", "there is no column close or price (--close-column)"),
        ("a.csv", b"symbol,time,close\n", "has no rows"),
        ("a.csv", b"symbol,time,close\nX,2025-01-01,\xff\n", "cannot be read"),
        ("a.csv.gz", b"symbol,time,close\n", "cannot be read"),
        ("a.csv", b"symbol,time,close\nX,2025-01-01,1\n", "422 nothing_to_import"),
    ],
)
async def test_what_cannot_be_imported_is_said(
    api: Api, served: int, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str], name: str, content: bytes | None, said: str,
) -> None:  # fmt: skip
    """In one line, with the exit code of a failure."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert await command(api, served, str(path), "--interval", "1h") == 1
    assert said in capsys.readouterr().err

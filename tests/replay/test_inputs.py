"""Readers of recorded market data."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import pytest

from app.replay.inputs import Candle, InputError, Print, Quote, Window, read_events

DATA = Path(__file__).parents[3] / "shared" / "data"

CANDLES = """open_time_ms,open,high,low,close,volume
1620604800000,58240.83,58377.67,58240.83,58327.6,134.341163
1620604860000,58327.59,58349.12,58298.69,58335.11,54.021097
"""
QUOTES = """ts_ms,symbol,bid,bid_qty,ask,ask_qty
1723161256981,BTCUSDT,61800.00,18.973,61800.10,2.231
"""
TRADES = """ts_ms,symbol,taker_side,price,qty,trade_id,type
1723161256322,BTCUSDT,BUY,61800.30,0.006,5266583935,MARKET
1723161256344,BTCUSDT,SELL,61800.30,0.199,5266583936,MARKET
"""


def write(folder: Path, text: str, name: str = "BTCUSDT_1m.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_candles(tmp_path: Path) -> None:
    first, second = read_events(write(tmp_path, CANDLES), Window())
    assert first == Candle(
        1620604800000, "BTCUSDT", Decimal("58240.83"), Decimal("58377.67"), Decimal("58240.83"),
        Decimal("58327.6"),
    )  # fmt: skip
    assert second.time == 1620604860000


def test_quotes(tmp_path: Path) -> None:
    (quote,) = read_events(write(tmp_path, QUOTES, "q.csv"), Window())
    assert isinstance(quote, Quote)
    assert quote.mid == Decimal("61800.05")
    assert quote.ask_quantity == Decimal("2.231")


def test_trades(tmp_path: Path) -> None:
    events = list(read_events(write(tmp_path, TRADES, "t.csv"), Window()))
    assert events[1] == Print(
        1723161256344, "BTCUSDT", "sell", Decimal("61800.30"), Decimal("0.199")
    )


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1m.csv.gz"
    path.write_bytes(gzip.compress(CANDLES.encode()))
    assert len(list(read_events(path, Window()))) == 2


def test_the_window_is_half_open(tmp_path: Path) -> None:
    path = write(tmp_path, CANDLES)
    (event,) = read_events(path, Window(start=1620604800000, end=1620604860000))
    assert event.time == 1620604800000
    assert not list(read_events(path, Window(symbols=frozenset({"ETHUSDT"}))))


BAD_CANDLES = {
    "not a number": "1620604920000,x,3,1,2,1",
    "not a number of zero or more": "1620604920000,NaN,3,1,2,1",
    "not positive": "1620604920000,0,3,0,2,1",
    "too many digits": "1620604920000,1e20,1e20,1,2,1",
    "are not between": "1620604920000,4,3,1,2,1",
    "6 fields|5 fields": "1620604920000,2,3,1,2",
    "does not follow": "1620604860000,2,3,1,2,1",
    "milliseconds": "2021-05-19,2,3,1,2,1",
}


@pytest.mark.parametrize(("why", "row"), BAD_CANDLES.items())
def test_a_bad_row_is_named(tmp_path: Path, why: str, row: str) -> None:
    path = write(tmp_path, CANDLES + row + "\n")
    with pytest.raises(InputError, match=rf"BTCUSDT_1m\.csv:4: .*({why})"):
        list(read_events(path, Window()))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (QUOTES + "1723161257000,BTCUSDT,2,1,2,1\n", "bid 2 is not below ask 2"),
        (QUOTES + "1723161257000,BTC USDT,1,1,2,1\n", "symbol is 'BTC USDT'"),
        (TRADES + "1723161257000,BTCUSDT,HOLD,1,1,1,MARKET\n", "taker_side is 'HOLD'"),
        (TRADES + "1723161256000,BTCUSDT,BUY,1,1,1,MARKET\n", "does not follow"),
        ("a,b\n1,2\n", "columns are a,b"),
        ("", "columns are missing"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        list(read_events(write(tmp_path, text, "file.csv"), Window()))


def test_a_candle_file_without_a_symbol(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="named after its symbol"):
        list(read_events(write(tmp_path, CANDLES, "candles.csv"), Window()))


@pytest.mark.parametrize("content", [b"not gzip", gzip.compress(CANDLES.encode())[:-9]])
def test_broken_gzip(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "BTCUSDT_1m.csv.gz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="BTCUSDT_1m"):
        list(read_events(path, Window()))


def test_broken_utf8_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="BTCUSDT_1m"):
        list(read_events(path, Window()))
    with pytest.raises(InputError, match=r"missing\.csv"):
        list(read_events(tmp_path / "missing.csv", Window()))


def test_the_recorded_files() -> None:
    """Every recorded file that is at hand is read without a complaint."""
    for path in [*DATA.glob("crash_2021-05-19/*.gz"), *DATA.glob("trades_2024-08-08/*.gz")]:
        assert sum(1 for _ in read_events(path, Window())) > 300

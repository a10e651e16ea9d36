"""The command: arguments, progress, report."""

from __future__ import annotations

import argparse
import io
from decimal import Decimal
from pathlib import Path

import pytest

from app.replay import cli
from app.replay.progress import ReplayProgress
from app.replay.report import render
from app.replay.tally import Tally


def parse(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return parser.parse_args(arguments)


def test_arguments() -> None:
    args = parse("a.csv", "--from", "2021-05-19", "--to", "2021-05-19T12:00:00Z",
                 "--symbols", "btcusdt,ETHUSDT", "--fund-seed-capital", "0.5")  # fmt: skip
    assert args.files == [Path("a.csv")]
    assert args.end - args.start == 12 * 3_600_000
    assert args.symbols == {"BTCUSDT", "ETHUSDT"}
    assert args.fund_seed_capital == Decimal("0.5")


@pytest.mark.parametrize(
    "arguments",
    [("a", "--from", "yesterday"), ("a", "--traders", "0"), ("a", "--every", "x"),
     ("a", "--fund-seed-capital", "-1"), ("a", "--fund-seed-capital", "NaN"), ()],
)  # fmt: skip
def test_wrong_arguments(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(*arguments)
    assert "error" in capsys.readouterr().err


def test_an_unreadable_file_ends_the_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    args = parse(str(tmp_path / "missing.csv"), "--admin-key", "k" * 20)
    assert cli.run(args, "http://127.0.0.1:9", None) == 2
    assert "missing.csv" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:x", "Invalid port"),
        ("nowhere", "no service there"),
        ("http://127.0.0.1:9", "no service"),
    ],
)
def test_no_service_at_the_url(
    url: str, why: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text("open_time_ms,open,high,low,close,volume\n0,1,1,1,1,1\n", encoding="utf-8")
    assert cli.run(parse(str(path)), url, "k" * 20) == 2
    assert why in capsys.readouterr().err


def test_a_key_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(parse("a.csv"), "http://127.0.0.1:9", None) == 2
    assert "admin" in capsys.readouterr().err


def test_progress_is_said_now_and_then() -> None:
    stream, times = io.StringIO(), iter([0.0, 5.0, 11.0, 12.0])
    tally = Tally(ticks=100)
    progress = ReplayProgress(0, 60_000, tally, stream, lambda: next(times))
    for simulated in (0, 10_000, 30_000):
        tally.ticks += 50
        progress.show(simulated)
    progress.show(60_000, last=True)
    lines = stream.getvalue().splitlines()
    assert [line.split("%")[0].strip() for line in lines] == ["0.0", "50.0", "100.0"]
    assert "1970-01-01 00:00:30" in lines[1]


def test_the_report_is_readable() -> None:
    money = {"USDT": "1234.5678"}
    text = render({
        "run": {"symbols": ["BTCUSDT"], "start": "a", "end": "b", "traders": 5, "seed": 1,
                "seconds": 2.5},
        "ticks": {"accepted": 4, "refused": {}},
        "orders": {"sent": 1000, "refused": {"insufficient_margin": 3}},
        "trades": {"count": 7, "value": money},
        "deposits": {"count": 5, "amounts": money},
        "liquidations": {"count": 2, "by_outcome": {"closed": 2, "mixed": 0},
                         "by_side": {"long": 2}},
        "clearance_fees": {"count": 1, "fee": money, "to_fund": money, "to_revenue": {}},
        "takeovers": {"count": 0, "value": {}, "fund_amount": {}},
        "offloads": {
            "steps": 2, "value": {"USDT": "1000"}, "profit": {"USDT": "-3.5"},
            "not_done": {"no_liquidity": 1},
        },
        "adl": {"events": 0, "notional_closed": {}, "deficit": {}, "overshoot": {}},
        "funds": [{"fund": "usdt-major", "asset": "USDT", "before": "0", "contributed": "10",
                   "after": "1234.5678", "by_kind": {"seed_capital": "10"}}],
        "laws": [{"law": "one", "holds": True, "detail": ""},
                 {"law": "two", "holds": False, "detail": "BTCUSDT: 1"}],
    })  # fmt: skip
    assert "1,000" in text
    assert "3 insufficient_margin" in text
    assert "1,234.57 USDT" in text
    assert "2 closed" in text
    assert "mixed" not in text
    assert "holds   one" in text
    assert "BROKEN  two (BTCUSDT: 1)" in text

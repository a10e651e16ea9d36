"""`backstop demo` and `backstop import` as they are called."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app import cli
from app.demo import cli as demo_cli
from tests.conftest import reachable_directory
from tests.service import ROOT, Service, until

TINY = ("--traders", "25", "--minutes", "12")
INFO = """{"symbols": [{
    "symbol": "ABCUSDT", "contractType": "PERPETUAL", "status": "TRADING", "baseAsset": "ABC",
    "quoteAsset": "USDT", "marginAsset": "USDT", "liquidationFee": "0.012500",
    "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "1.0500", "multiplierDown": "0.9500"}]
}, {"symbol": "OLDUSDT"}]}"""
BRACKETS = """[{"symbol": "ABCUSDT", "marginAsset": "USDT", "brackets": [
    {"bracket": 1, "initialLeverage": 5, "notionalCap": 10000.000000000001, "notionalFloor": 0.0,
     "maintMarginRatio": 0.005, "cum": 0.0}]}]"""


def demo(*arguments: str, temporary: Path, **environment: str) -> subprocess.Popen[str]:
    """The command as a process whose temporary files are all in one place."""
    return subprocess.Popen(
        [sys.executable, "-m", "app.cli", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_crash_from_nothing(reachable: Path) -> None:
    """The whole story on a service of its own, of which nothing is left."""
    process = demo(*TINY, temporary=reachable, PYTHONIOENCODING="ascii")
    told, progress = process.communicate(timeout=120)
    assert process.returncode == 0, progress
    assert "100.0%" in progress
    for part in (
        "25 traders", "clearance fees", "takeovers", "ADL events", "is below the maintenance",
        "the last rows of the history of insurance fund usdt-major", "mark price of BTCUSDT",
    ):  # fmt: skip
        assert part in told
    assert told.count("holds   ") == 5
    assert list(reachable.iterdir()) == []


def test_a_broken_law_shows_in_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(*_: object) -> tuple[str, bool]:
        return "told", False

    monkeypatch.setattr(demo_cli, "_play", play)
    assert cli.main(["demo", "--url", "http://127.0.0.1:9", "--admin-key", "k" * 20]) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_leaves_nothing(reachable: Path, number: int) -> None:
    process = demo(temporary=reachable)
    started: list[psutil.Process] = []

    def has_postgres() -> bool:
        started[:] = psutil.Process(process.pid).children(recursive=True)
        return any("postgres" in child.name() for child in started)

    until(has_postgres)
    process.send_signal(number)
    _, progress = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "interrupted" in progress
    assert "Traceback" not in progress
    until(lambda: not any(child.is_running() for child in started))
    assert list(reachable.iterdir()) == []


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with reachable_directory() as directory:
        running = Service(directory / "data")
        yield running
        running.close()


def import_files(service: Service, *arguments: object) -> int:
    where = ("--url", service.address, "--admin-key", service.admin_key)
    return cli.main(["import", *where, *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    info, brackets = tmp_path / "info.json", tmp_path / "brackets.json.gz"
    info.write_text(INFO, encoding="utf-8")
    brackets.write_bytes(gzip.compress(BRACKETS.encode()))
    return info, brackets


def test_contracts_are_imported_exactly(
    service: Service, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every digit of the files arrives, also those that a float would lose (CON-5, NUM-1)."""
    assert import_files(service, *files) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["created 1, updated 0, skipped 1", "      1  not in leverage_brackets"]
    contract = service.request("GET", "/v1/contracts/ABCUSDT").json()
    assert contract["brackets"][0]["notional_cap"] == "10000.000000000001"
    assert import_files(service, "--verbose", *files) == 0
    assert capsys.readouterr().out.splitlines()[-1].strip() == "OLDUSDT"


def test_the_service_refuses(
    service: Service, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_files(service, *reversed(files)) == 1
    assert "400 malformed_body: exchange_info" in capsys.readouterr().err
    assert import_files(service, "--admin-key", "k" * 20, *files) == 1
    assert "401 unauthorized" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "name", "content", "why"),
    [
        ("http://127.0.0.1:9", "a.json", b"[]", "no service answers"),
        ("nowhere", "a.json", b"[]", "no service answers"),
        ("nowhere", "a.json", b"{", "a.json is not JSON"),
        ("nowhere", "a.json", b"[NaN]", "a.json is not JSON: NaN"),
        ("nowhere", "a.json", b"\xff", "a.json is not JSON"),
        ("nowhere", "a.json.gz", b"[]", "a.json.gz cannot be read"),
        ("nowhere", "a.json", None, "a.json cannot be read: No such file"),
    ],
)
def test_one_line_says_what_is_wrong(
    url: str,
    name: str,
    content: bytes | None,
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    code = cli.main(["import", str(path), str(path), "--url", url, "--admin-key", "k" * 20])
    assert code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert why in line


def test_a_key_is_needed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BACKSTOP_ADMIN_KEY", raising=False)
    assert cli.main(["import", "a", "b"]) == 2
    assert cli.main(["demo", "--url", "http://127.0.0.1:9"]) == 2
    assert capsys.readouterr().err.count("an admin's key is needed") == 2

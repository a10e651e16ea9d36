"""`backstop verify` as an operator runs it."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.store import database
from app.store.embedded import address_at
from app.verify.progress import VerifyProgress
from tests.conftest import new_database
from tests.service import PATIENCE_SECONDS, ROOT, Service


@pytest.fixture
def service(reachable: Path) -> Iterator[Service]:
    """A running service with an embedded PostgreSQL and a little history."""
    service = Service(reachable / "data")
    for _ in range(3):
        assert service.contribute("5").is_success
    yield service
    service.close()


def verify(environment: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", "verify"],
        cwd=ROOT,
        env={**environment, **more},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_beside_a_running_service_that_is_written_to(service: Service) -> None:
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            assert service.contribute("1").is_success

    writing = threading.Thread(target=write)
    writing.start()
    results = [verify(service.environment) for _ in range(2)]
    done.set()
    writing.join()
    for result in results:
        assert result.returncode == 0, result
        assert "Everything agrees" in result.stdout
        assert "state hash" in result.stdout
    assert service.contribute("1").is_success
    assert service.end(signal.SIGTERM) == 0


def test_a_changed_balance_is_exit_code_1_with_and_without_the_service(service: Service) -> None:
    data = Path(service.environment["BACKSTOP_DATA_DIR"])
    statement = "UPDATE wallets SET balance = balance + 1 WHERE kind = 'treasury'"
    asyncio.run(execute(address_at((data / "socket").readlink()), statement))
    running = verify(service.environment)
    assert service.end(signal.SIGTERM) == 0
    at_rest = verify(service.environment)
    for result in (running, at_rest):
        assert result.returncode == 1, result
        assert "DIFFERENT: command" in result.stdout
        assert "wallets (treasury/USDT) differs" in result.stdout
        assert "recomputed    15\n" in result.stdout
        assert "in the table  16\n" in result.stdout
    assert not (data / "socket").is_symlink(), "PostgreSQL runs no longer than needed"


def test_what_cannot_be_read_is_exit_code_2(address: str, server: str, tmp_path: Path) -> None:
    here = {"BACKSTOP_DATA_DIR": str(tmp_path / "none")}
    with new_database(server) as empty:
        for url, reason in (
            ("", "holds no data"),
            ("postgresql://postgres@127.0.0.1:1/none", "cannot be read"),
            ("nonsense", "DATABASE_URL must be postgresql://"),
            (empty, "not a database of this version"),
        ):
            result = verify(here, DATABASE_URL=url)
            assert (result.returncode, result.stdout) == (2, ""), result
            assert reason in result.stderr
            assert "Traceback" not in result.stderr
    assert not (tmp_path / "none").exists()
    assert verify(here, DATABASE_URL=address).returncode == 0


def test_what_other_rules_have_applied_is_exit_code_2(service: Service) -> None:
    """It is named; nothing is said of it (REC-1)."""
    data = Path(service.environment["BACKSTOP_DATA_DIR"])
    newer = "UPDATE commands SET rules_version = rules_version + 1"
    asyncio.run(execute(address_at((data / "socket").readlink()), newer))
    result = verify(service.environment)
    assert (result.returncode, result.stdout) == (2, "")
    assert "command 1 was applied under rules version" in result.stderr


async def execute(address: str, statement: str) -> None:
    connection = await database.connect(address)
    await connection.execute(statement)
    await connection.close()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_progress_on_a_terminal_is_one_line() -> None:
    times = iter((0.0, 0.1, 2.0, 2.1, 4.0, 5.0))
    progress = VerifyProgress(stream := Terminal(), lambda: next(times))
    for done in (10, 2_000, 2_001, 4_000):
        progress.show(done, 4_000)
    progress.close()
    lines = [line.strip() for line in stream.getvalue().split("\r")]
    assert lines == [
        "",
        "50.0%  2,000 of 4,000 commands  1,000/s  0:00:02 left",
        "100.0%  4,000 of 4,000 commands  1,000/s  0:00:00 left",
    ]
    assert stream.getvalue().endswith("\n")


def test_progress_elsewhere_is_a_line_now_and_then() -> None:
    times = iter((0.0, 1.0, 11.0, 12.0))
    progress = VerifyProgress(stream := io.StringIO(), lambda: next(times))
    for done in (5, 11, 12):
        progress.show(done, 1_000)
    progress.close()
    assert stream.getvalue() == "  1.1%  11 of 1,000 commands  1/s  0:16:29 left\n"

"""The service as a process: start, stop, kill -9, restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from tests.service import PATIENCE_SECONDS, ROOT, Service, until

Start = Callable[..., Service]


@pytest.fixture
def start(reachable: Path) -> Iterator[Start]:
    """Starts services in the test's directory; none is left at the end."""
    services: list[Service] = []

    def start(**environment: str) -> Service:
        services.append(Service(reachable / "data", **environment))
        return services[-1]

    yield start
    for service in services:
        service.close()


def gone(processes: list[psutil.Process]) -> bool:
    """Whether none of them is left."""
    return not psutil.wait_procs(processes, timeout=10)[1]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_stops_cleanly_with_open_connections(start: Start, signal_number: int) -> None:
    service = start()
    assert service.admin_key.startswith("bk_")
    assert service.request("GET", "/leaderz").status_code == 200
    assert service.contribute("5").is_success
    family = service.family()
    assert family
    where = urlsplit(service.address)
    with (
        httpx.Client(base_url=service.address) as kept_alive,
        socket.create_connection((where.hostname, where.port)) as half_sent,
    ):
        assert kept_alive.get("/healthz").is_success
        half_sent.sendall(b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        sleep(0.1)
        service.process.send_signal(signal_number)
        sleep(0.3)
        assert service.end(signal_number) == 0  # a second one changes nothing
    assert gone(family)
    assert service.admin_key not in service.process.stdout.read()  # type: ignore[union-attr]


def test_under_nohup_it_outlives_its_terminal(start: Start) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits
    try:
        service = start()
    finally:
        signal.signal(signal.SIGHUP, before)
    service.process.send_signal(signal.SIGHUP)
    assert service.contribute("5").is_success
    assert service.end(signal.SIGTERM) == 0


@contextmanager
def paying(service: Service) -> Iterator[Counter[str]]:
    """While the body runs, contributions of 1 are sent all the time; counts `sent` and `done`."""
    counts: Counter[str] = Counter()
    stop = threading.Event()

    def pay() -> None:
        while not stop.is_set():
            counts["sent"] += 1
            try:
                counts["done"] += service.contribute("1").is_success
            except httpx.HTTPError:
                sleep(0.05)

    payer = threading.Thread(target=pay)
    payer.start()
    try:
        until(lambda: counts["done"] >= 5)
        yield counts
    finally:
        stop.set()
        payer.join()


def test_what_was_acknowledged_survives_kill_9(start: Start) -> None:
    service = start(BACKSTOP_ADMIN_KEY="an-admin-key-of-one's-own")
    assert "Admin key" not in service.output
    family = service.family()
    with paying(service) as counts:
        assert service.end(signal.SIGKILL) == -signal.SIGKILL
    assert gone(family)
    again = start(BACKSTOP_ADMIN_KEY="an-admin-key-of-one's-own")
    # What was under way when it was killed may be there or not.
    assert counts["done"] <= int(again.treasury()) <= counts["done"] + 1
    assert again.end(signal.SIGTERM) == 0
    other = start(BACKSTOP_ADMIN_KEY="another-admin-key-0")  # registered, also later
    before = int(other.treasury())
    assert other.contribute("0.5").is_success
    assert other.treasury() == f"{before}.5"


def test_it_serves_again_when_postgres_was_killed(start: Start) -> None:
    service = start()
    with paying(service) as counts:
        children = psutil.Process(service.process.pid).children()
        (postmaster,) = [child for child in children if child.name() == "postgres"]
        postmaster.kill()
        assert gone([postmaster])
        done = counts["done"]
        until(lambda: counts["done"] > done + 5)
    assert counts["done"] <= int(service.treasury()) <= counts["sent"]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A `backstop` command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def fails(result: subprocess.CompletedProcess[str], reason: str, code: int = 1) -> bool:
    """Whether it ended with one clear sentence."""
    (line,) = result.stderr.splitlines()[-1:]
    assert line.startswith("backstop: "), result.stderr
    assert "Traceback" not in result.stderr
    return result.returncode == code and reason in line


def test_keys_are_created_with_and_without_a_running_service(start: Start, reachable: Path) -> None:
    at_rest = {"BACKSTOP_DATA_DIR": str(reachable / "data"), "DATABASE_URL": ""}
    create = ("keys", "create", "--scope", "admin", "--name", "operator")
    first = run(*create, **at_rest)
    assert first.returncode == 0, first.stderr
    service = start()
    assert "Admin key" not in service.output, "there is one already"
    service.admin_key = first.stdout.strip()
    assert service.contribute("1").is_success
    assert fails(run(*create, **at_rest), "Another Backstop runs")
    port = {"BACKSTOP_PORT": str(urlsplit(service.address).port)}
    second = run(*create, **at_rest, **port, BACKSTOP_ADMIN_KEY=service.admin_key)
    assert second.returncode == 0, second.stderr
    service.admin_key = second.stdout.strip()
    assert service.contribute("1").is_success
    unknown = run(
        *("keys", "create", "--scope", "trader", "--account-id", "nobody"),
        **(at_rest | port | {"BACKSTOP_ADMIN_KEY": service.admin_key}),
    )
    assert fails(unknown, "unknown_account")


def test_a_port_in_use_is_said_plainly(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert fails(run("serve", "--port", port, "--data-dir", str(tmp_path)), "cannot listen on")


def test_a_data_directory_that_cannot_be_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run("serve", "--port", "0", "--data-dir", str(tmp_path / "file"), DATABASE_URL="")
    assert fails(result, "DATABASE_URL")


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["serve", "--port", "70000"], {}),
        (["serve"], {"BACKSTOP_PORT": "http"}),
        (["serve"], {"BACKSTOP_ADMIN_KEY": "short"}),
        (["keys", "create", "--scope", "trader"], {}),
        *(
            (command, {"DATABASE_URL": address})
            for command in (["serve"], ["verify"], ["keys", "create", "--scope", "admin"])
            for address in (
                "host=127.0.0.1 user=u password=hunter2 dbname=d",
                "postgresql://u:hunter2/@h/d",
                "postgresql://u:1#hunter2@h/d",
                "postgresql://u:1?hunter2@h/d",
            )
        ),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], environment: dict[str, str]) -> None:
    result = run(*arguments, **environment)
    assert fails(result, "", code=2)
    assert "hunter" not in result.stdout + result.stderr


@pytest.mark.parametrize("command", [["serve", "--port", "0"], ["verify"]])
@pytest.mark.parametrize("options", ["", "&sslmode=disable", "&sslmode=nonsense", "&hunter=1"])
def test_a_server_that_refuses_is_named_without_the_password(
    address: str, command: list[str], options: str
) -> None:
    parts = urlsplit(address)
    place = parts.netloc.rpartition("@")[2]
    given = parts._replace(
        netloc=f"nobody_there:hunter2@{place}", query=f"{parts.query}&password=hunter2{options}"
    ).geturl()
    result = run(*command, DATABASE_URL=given)
    assert fails(result, "", code=2 if command == ["verify"] else 1)
    assert "hunter2" not in result.stdout + result.stderr

"""A service as a process of its own, before clients without a key that mean it harm (REC-5)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from app.api.limits import connection_limit
from tests.conftest import reachable_directory
from tests.service import PATIENCE_SECONDS, Service

MEGABYTE = 1024 * 1024
FILES = 1024
PIECE = b"a" * MEGABYTE


class Cramped(Service):
    """A service that may open 1,024 files."""

    command = ("sh", "-c", f'ulimit -n {FILES} && exec "$0" "$@"', *Service.command)


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    """The service under attack."""
    with reachable_directory() as directory:
        service = Cramped(directory)
        yield service
        service.close()


def connection(service: Service) -> socket.socket:
    """A connection by hand."""
    host, port = service.address.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), PATIENCE_SECONDS)


def highest(process: psutil.Process) -> int:
    """The most memory that a process ever had, in bytes, where Linux tells; else what it has."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
        if found:
            return int(found[1]) * 1024
    return int(process.memory_info().rss)


def order_is_possible(service: Service) -> None:
    """Health, a read, and a change that is durable, each on a new connection."""
    for path in ("/healthz", "/leaderz", "/readyz", "/v1/contracts?limit=1"):
        assert service.request("GET", path).status_code == 200, path
    assert service.contribute("1").status_code == 201


def _endless(service: Service, start: bytes, piece: bytes, times: int) -> bytes:
    """What is answered to one who sends without an end."""
    with closing(connection(service)) as stranger:
        with suppress(ConnectionError):
            stranger.sendall(start)
            for _ in range(times):
                stranger.sendall(piece)
        with suppress(ConnectionError):
            return stranger.recv(100)
    return b""


def test_150_megabytes_in_a_head(service: Service) -> None:
    """Memory stays flat and the leader leads."""
    process = psutil.Process(service.process.pid)
    order_is_possible(service)
    before = highest(process)
    lines = b"name: value\r\n" * (MEGABYTE // 13)
    chunked = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;"
    for start, piece, status in (
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", PIECE, b"HTTP/1.1 431"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", lines, b"HTTP/1.1 431"),
        (b"GET /", PIECE, b"HTTP/1.1 414"),
        (chunked, PIECE, b"HTTP/1.1 4"),
    ):
        assert _endless(service, start, piece, 150).startswith(status), start
    assert highest(process) - before < 30 * MEGABYTE
    order_is_possible(service)
    text = service.request("GET", "/metrics").text
    assert "backstop_terms_failed_total 0" in text


def test_1200_connections_that_send_nothing(service: Service) -> None:
    """With 1,024 files, beside slow heads and bodies: everybody else is served."""
    connection_limit()  # of this process too
    slow_body = b"POST /v1/orders HTTP/1.1\r\nContent-Length: 99\r\n\r\n{"
    starts = (b"", b"", b"GET /v1/contr", slow_body)
    with ExitStack() as stack, httpx.Client(base_url=service.address) as honest:
        assert honest.get("/healthz").status_code == 200
        for number in range(1200):
            stranger = stack.enter_context(closing(connection(service)))
            with suppress(ConnectionError):
                stranger.sendall(starts[number % len(starts)])
            if number % 100 == 0:
                assert honest.get("/healthz").status_code == 200
        order_is_possible(service)
        assert honest.get("/v1/contracts").status_code == 200
    order_is_possible(service)
    text = service.request("GET", "/metrics").text
    assert "backstop_terms_failed_total 0" in text

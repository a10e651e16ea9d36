"""A throw-away service: a process with its own PostgreSQL, gone without a trace afterwards."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.replay.client import ServiceError

PATIENCE_SECONDS = 30.0
"""How long the service may take to end before it is killed."""


@contextmanager
def throw_away() -> Iterator[tuple[str, str]]:
    """A service of its own for as long as the body runs: its address and an admin key.

    The process is in a session of its own, so that Ctrl-C reaches this one alone, which then ends
    the service in order. Raises `ServiceError` if it does not start.
    """
    with _terminable(), tempfile.TemporaryDirectory(prefix="backstop-demo-") as directory:
        # Open to all, because PostgreSQL under root runs as another user.
        Path(directory).chmod(0o755)
        key = secrets.token_urlsafe(24)
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "serve"],
            env=_environment(Path(directory) / "data", key),
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield _address(process), key
        finally:
            _end(process)


def _environment(data_dir: Path, key: str) -> dict[str, str]:
    """The environment without a word on other services."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and not name.startswith("BACKSTOP_")
    }
    return {
        **inherited,
        "BACKSTOP_DATA_DIR": str(data_dir),
        "BACKSTOP_PORT": "0",
        "BACKSTOP_ADMIN_KEY": key,
    }


def _address(process: subprocess.Popen[str]) -> str:
    """What the service announces; it says itself on stderr why it cannot start."""
    assert process.stdout is not None
    for line in process.stdout:
        _, announced, address = line.partition(" serves on ")
        if announced:
            return address.strip()
    raise ServiceError("serve", 0, "", "the service of the demo did not start")


def _end(process: subprocess.Popen[str]) -> None:
    """End the service and its PostgreSQL; impatience does not leave them behind."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM and SIGHUP (unless ignored, as under nohup) end the body as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

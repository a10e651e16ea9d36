"""The service as a process of its own, for tests that start, ask and kill it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import httpx
import psutil

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 60.0


class Service:
    """`backstop serve` on a port that the system chose.

    Its PostgreSQL is an embedded one in `data_dir`, or that of DATABASE_URL in `environment`.
    """

    command: Sequence[str] = (sys.executable, "-m", "app.cli", "serve")

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if name != "DATABASE_URL" and not name.startswith("BACKSTOP_")
            },
            "BACKSTOP_DATA_DIR": str(data_dir),
            "BACKSTOP_PORT": "0",
            **environment,
        }
        self.process = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.output = ""
        self.address = self._announced(r"serves on (http://\S+)")
        self.admin_key = environment.get("BACKSTOP_ADMIN_KEY", "")
        if shown := re.search(r"Admin key .*: (\S+)", self.output):
            self.admin_key = shown[1]

    def _announced(self, pattern: str) -> str:
        assert self.process.stdout is not None
        impatience = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        impatience.start()
        try:
            for line in self.process.stdout:
                self.output += line
                if found := re.search(pattern, line):
                    return found[1]
        finally:
            impatience.cancel()
        self.process.stdout.close()
        raise AssertionError(f"ended with {self.process.wait()}: {self.output}")

    def family(self) -> list[psutil.Process]:
        """All processes that the service started."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def request(self, method: str, path: str, **options: object) -> httpx.Response:
        """A request with the admin key."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        return httpx.request(method, self.address + path, headers=headers, **options)  # type: ignore[arg-type]

    def contribute(self, amount: str) -> httpx.Response:
        """Pay the exchange's own money into its treasury."""
        body = {"asset": "USDT", "amount": amount}
        return self.request("POST", "/v1/treasury/contributions", json=body)

    def treasury(self) -> str:
        """What the treasury holds in USDT."""
        answer = self.request("GET", "/v1/treasury")
        assert answer.is_success, answer.text
        return str({row["asset"]: row["treasury"] for row in answer.json()["items"]}["USDT"])

    def end(self, signal_number: int) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(signal_number)
        return self.process.wait(PATIENCE_SECONDS)

    def close(self) -> None:
        """End it in order if it still runs; nothing is left."""
        if self.process.poll() is None:
            self.end(signal.SIGTERM)
        if self.process.stdout:
            self.process.stdout.close()


def until(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; what cannot be reached does not."""
    deadline = monotonic() + PATIENCE_SECONDS
    while monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if condition():
                return
        sleep(0.1)
    raise AssertionError("waited in vain")

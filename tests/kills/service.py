"""`backstop serve` as a process that can be killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from time import monotonic

import httpx
import psutil

ROOT = Path(__file__).parents[2]
ADMIN_KEY = "the-admin-key-of-the-tests"
PATIENCE_SECONDS = 90.0
OTHER_RULES = """
import sys
from app.cli import main
from app.engine.engine import Engine
Engine.rules_version = {}
sys.exit(main())
"""


class Service:
    """A service on a port of its own, with an embedded PostgreSQL or the one of `database_url`."""

    def __init__(self, directory: Path, database_url: str = "") -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self.data = directory / "data"
        self._log = directory / "service.log"
        self._environment = {
            **{name: value for name, value in os.environ.items() if "BACKSTOP" not in name},
            "BACKSTOP_DATA_DIR": str(self.data),
            "BACKSTOP_PORT": str(port),
            "BACKSTOP_ADMIN_KEY": ADMIN_KEY,
            "DATABASE_URL": database_url,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process, running or not."""
        assert self._process is not None
        return self._process

    @property
    def database(self) -> str:
        """The address of the embedded database."""
        directory = (self.data / "socket").readlink()
        return f"postgresql://postgres@/backstop?host={directory}&port=5432"

    def start(self, rules_version: int | None = None, *, source: str | None = None) -> None:
        """Start the process, of another release's rules or with other `source` if need be.

        It does not serve yet.
        """
        if rules_version is not None:
            source = OTHER_RULES.format(rules_version)
        program = ["-c", source] if source else ["-m", "app.cli"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program, "serve"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """As if the power of the process had been cut."""
        self.process.kill()
        self.process.wait()

    def kill_postgres(self) -> None:
        """The same for the first process of the embedded PostgreSQL."""
        children = psutil.Process(self.process.pid).children()
        (postmaster,) = [child for child in children if child.name() == "postgres"]
        postmaster.kill()

    def signal(self, number: signal.Signals) -> None:
        """Any other signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Stop in order, however it is."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(PATIENCE_SECONDS)

    async def until(self, path: str, status: int) -> None:
        """Wait until a GET is answered so; fails with the log when the process has ended."""
        deadline = monotonic() + PATIENCE_SECONDS
        async with httpx.AsyncClient(base_url=self.address, timeout=5) as client:
            while True:
                assert self.process.poll() is None, self._log.read_text()
                assert monotonic() < deadline, self._log.read_text()
                try:
                    if (await client.get(path)).status_code == status:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def until_leading(self) -> None:
        """Wait until it takes writes."""
        await self.until("/leaderz", 200)

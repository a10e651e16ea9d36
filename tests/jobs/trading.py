"""A service with a small book and two years of days, for real runs."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import asyncpg
import psutil

from app.store.embedded import address_at
from tests.service import PATIENCE_SECONDS, Service

DAYS = 730
LEVERAGES = {"alice": 3, "bob": 20, "carol": 50, "dave": 100}
LONG = {"horizon_hours": 240, "scenarios": 1_000_000}
"""Parameters of a run that takes as long as a test needs to interrupt it."""


def closes(days: int = DAYS) -> Iterator[tuple[datetime, Decimal]]:
    """Wild ones, the same each time but for their dates: the last is of today."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day in range(days):
        price = 60_000 * math.exp(0.2 * math.sin(day) + 0.1 * math.sin(day * day))
        yield today - timedelta(days=days - 1 - day), Decimal(f"{price:.2f}")


class Trading:
    """The service, and how it is asked."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        # A daily run would be in the way of the tests' own.
        self.service = Service(data, BACKSTOP_DAILY_REVIEW="off", **environment)

    @property
    def database(self) -> str:
        return address_at((self.data / "socket").readlink())

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.service.request(method, path, json=body, timeout=30)
        assert answer.is_success, (method, path, answer.text)
        return answer.json()

    def fill(self) -> None:
        """Three longs of different leverage against a short, and the past."""
        self.ask("POST", "/v1/prices", {"symbol": "BTCUSDT", "mark_price": "60000"})
        seed = {"asset": "USDT", "amount": "100000", "kind": "seed_capital"}
        self.ask("POST", "/v1/insurance-funds/usdt-major/contributions", seed)
        minimum = {"required_minimum": {"USDT": "50000"}}
        self.ask("PATCH", "/v1/insurance-funds/usdt-major", minimum)
        for account, leverage in LEVERAGES.items():
            self.ask("POST", "/v1/accounts", {"account_id": account})
            money = {"asset": "USDT", "amount": "1000000"}
            self.ask("POST", f"/v1/accounts/{account}/deposits", money)
            terms = {"leverage": leverage, "margin_mode": "isolated"}
            self.ask("PUT", f"/v1/accounts/{account}/contracts/BTCUSDT", terms)
        self.order("alice", "sell", "3")
        for account in ("bob", "carol", "dave"):
            self.order(account, "buy", "1")
        asyncio.run(self._remember())

    def order(self, account: str, side: str, quantity: str) -> None:
        """At the mark."""
        body = {"account_id": account, "symbol": "BTCUSDT", "side": side, "type": "limit",
                "quantity": quantity, "price": "60000"}  # fmt: skip
        self.ask("POST", "/v1/orders", body)

    async def _remember(self) -> None:
        connection = await asyncpg.connect(self.database)
        number = await connection.fetchval("""
            INSERT INTO price_imports
                (interval, source, sha256, rows, first, last, created_by, created_at)
            VALUES ('1d', 'test', 'x', 1, now(), now(), 'k', now()) RETURNING import_id
        """)
        await connection.executemany(
            "INSERT INTO price_history (symbol, interval, time, import_id, close)"
            " VALUES ('BTCUSDT', '1d', $1, $2, $3)",
            [(time, number, close) for time, close in closes()],
        )
        await connection.close()

    def calibrate(self, **parameters: Any) -> str:
        """A run is queued; its job."""
        body = {"parameters": parameters}
        return str(self.ask("POST", "/v1/insurance-funds/usdt-major/calibrations", body)["job_id"])

    def until(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job, once it has one of these statuses."""
        deadline = monotonic() + PATIENCE_SECONDS
        while (job := self.ask("GET", f"/v1/jobs/{job_id}"))["status"] not in statuses:
            assert monotonic() < deadline, job
            sleep(0.05)
        return dict(job)

    def worker(self, job_id: str) -> psutil.Process:
        """The process that does a job, once it is at its figures."""
        deadline = monotonic() + PATIENCE_SECONDS
        while self.ask("GET", f"/v1/jobs/{job_id}")["progress"] < 0.1:
            assert monotonic() < deadline
            sleep(0.02)
        family = self.service.family()
        (found,) = (one for one in family if "app.calibration.worker" in one.cmdline())
        return found

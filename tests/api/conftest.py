"""A service over a real database: the default catalogue, an admin's and a feed's key."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import compile_path

from app.api.application import create_app
from app.api.limits import ConnectionLimits
from app.api.server import Server
from app.catalogue.default import default_commands
from app.engine.commands.keys import CreateKey
from app.engine.rejections import Rejection
from app.jobs.desk import Desk
from app.runner.keys import make_key
from app.runner.runner import Runner
from app.store import database

PROBLEM = "application/problem+json"


@dataclass
class Api:
    """Calls the service as `await api("POST /v1/accounts", body, status=201)`.

    `key` names whose key is sent: admin, feed, an account, or None. Every answer that is not a
    success must be a problem document with a code that is documented there.
    """

    app: FastAPI
    runner: Runner
    client: httpx.AsyncClient
    keys: dict[str, str] = field(default_factory=dict)

    async def send(
        self,
        call: str,
        body: Any = None,
        *,
        key: str | None = "admin",
        headers: Mapping[str, str] | None = None,
        content: bytes | AsyncIterator[bytes] | None = None,
    ) -> httpx.Response:
        """One request; checks the form of errors."""
        method, path = call.split(" ", 1)
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {self.keys.get(key, key)}"
        if body is not None:
            answer = await self.client.request(method, path, json=body, headers=sent)
        else:
            answer = await self.client.request(method, path, content=content, headers=sent)
        if answer.status_code >= 400:
            _check_problem(answer)
            code = answer.json()["code"]
            assert code in self.documented(method, path, answer.status_code), (call, code)
        return answer

    def documented(self, method: str, path: str, status: int) -> Container[str]:
        """The codes that the documentation says this may be answered with."""
        paths = self.app.openapi()["paths"]
        bare = path.partition("?")[0]
        names = [bare] if bare in paths else [p for p in paths if compile_path(p)[0].match(bare)]
        operations = [
            paths[name][method.lower()] for name in names if method.lower() in paths[name]
        ]
        if not operations:
            return ("not_found", "method_not_allowed")
        answer = operations[0]["responses"][str(status)]
        codes: list[str] = answer["content"][PROBLEM]["schema"]["properties"]["code"]["enum"]
        return codes

    async def __call__(self, call: str, body: Any = None, *, status: int = 200, **how: Any) -> Any:
        """One request whose status is known; returns the JSON."""
        answer = await self.send(call, body, **how)
        assert answer.status_code == status, (call, body, answer.status_code, answer.text)
        return answer.json() if answer.content else None

    async def refused(self, call: str, body: Any = None, **how: Any) -> tuple[int, str]:
        """One request that must fail: status and code."""
        answer = await self.send(call, body, **how)
        assert answer.status_code >= 400, (call, body, answer.text)
        return answer.status_code, answer.json()["code"]

    async def listed(self, path: str, **how: Any) -> list[dict[str, Any]]:
        """All of a list, page by page; the path has a query."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await self(f"GET {path}{cursor}", **how)
            found += page["items"]
            if page["next_cursor"] is None:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    # What many tests need first

    async def open(self, account_id: str, deposit: str = "10000", asset: str = "USDT") -> None:
        """Open an account with money and remember its key."""
        opened = await self("POST /v1/accounts", {"account_id": account_id}, status=201)
        self.keys[account_id] = opened["api_key"]
        if deposit != "0":
            body = {"asset": asset, "amount": deposit}
            await self(f"POST /v1/accounts/{account_id}/deposits", body, status=201)

    async def mark(self, symbol: str, price: str) -> Any:
        """A tick."""
        body = {"symbol": symbol, "mark_price": price}
        return await self("POST /v1/prices", body, key="feed")

    async def order(self, account: str, side: str, quantity: str, price: str, **more: Any) -> Any:
        """A limit order of an account in BTCUSDT, placed with its own key."""
        body = {
            "account_id": account, "symbol": "BTCUSDT", "side": side, "type": "limit",
            "quantity": quantity, "price": price, **more,
        }  # fmt: skip
        return await self("POST /v1/orders", body, key=account, status=201)

    async def configure(self, account: str, leverage: int, mode: str = "cross") -> None:
        """Leverage and margin mode in BTCUSDT."""
        body = {"leverage": leverage, "margin_mode": mode}
        await self(f"PUT /v1/accounts/{account}/contracts/BTCUSDT", body, key=account)

    async def seed_fund(self, fund_id: str, amount: str, asset: str = "USDT") -> None:
        """Seed capital."""
        body = {"asset": asset, "amount": amount, "kind": "seed_capital"}
        await self(f"POST /v1/insurance-funds/{fund_id}/contributions", body, status=201)


def _check_problem(answer: httpx.Response) -> None:
    assert answer.headers["content-type"] == PROBLEM, answer.text
    problem = answer.json()
    assert problem["status"] == answer.status_code, problem
    if answer.status_code >= 500:  # never a fault that was not foreseen
        assert problem["code"] == "incident" or answer.status_code == 503, problem
    assert {"type", "title", "status", "detail", "code"} <= problem.keys(), problem
    assert all(isinstance(value, str) for value in problem.get("context", {}).values()), problem


@pytest.fixture
async def api(address: str) -> AsyncIterator[Api]:
    """A leading service, and who answers its what-ifs."""
    pool, desk = database.create_engine(address), Desk(address)
    try:
        async with Runner(address) as runner:
            app = create_app(runner, pool, desk=desk, open_metrics=True)
            admin, admin_secret = make_key("test", "admin")
            feed, feed_secret = make_key("test", "feed")
            commands = [*default_commands(runner.now()), CreateKey(admin), CreateKey(feed)]
            answer = await runner.submit(commands)
            assert not any(isinstance(result, Rejection) for result in answer.results)
            async with client_of(app) as client:
                yield Api(app, runner, client, {"admin": admin_secret, "feed": feed_secret})
    finally:
        await desk.stop()
        await pool.dispose()


@pytest.fixture
def limits() -> ConnectionLimits:
    """Those of `served`."""
    return ConnectionLimits()


@pytest.fixture
async def served(api: Api, limits: ConnectionLimits) -> AsyncIterator[int]:
    """The port of a server with the service."""
    # With its protocol named asyncio sends without delay (Nagle); `create_server` leaves it 0.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    server = Server(api.app, api.app.state.services.metrics, limits, grace_seconds=3)
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving
    listener.close()


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client that talks to the application without a network."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://backstop")


async def crash(api: Api, fund: str = "1000", cushion: str = "0") -> None:
    """One long of 1 BTC at 50,000 (isolated, 20x) goes bankrupt in a falling market.

    `fund` is the fund's money, `cushion` what bids wait in the book below. Sellers hold 0.6, 0.4.
    """
    if Decimal(fund):
        await api.seed_fund("usdt-major", fund)
    await api.mark("BTCUSDT", "50000")
    await api.open("alice", "5000")
    await api.open("bob", "100000")
    await api.open("carol", "100000")
    await api.configure("alice", 20, "isolated")
    await api.order("bob", "sell", "0.6", "50000")
    await api.order("carol", "sell", "0.4", "50000")
    await api.order("alice", "buy", "1", "50000")
    if Decimal(cushion):
        await api.order("bob", "buy", cushion, "48000")

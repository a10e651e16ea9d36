"""A second instance reads and takes no writes; faults of the database are 503, bugs 500."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.api.application import create_app
from app.engine.engine import Engine
from app.runner.runner import Runner
from app.store import database
from app.store.queries import contracts
from tests.api.conftest import Api, client_of


@pytest.fixture
async def standby(api: Api, address: str) -> AsyncIterator[tuple[Runner, httpx.AsyncClient]]:
    """A second service on the same database."""
    pool = database.create_engine(address)
    async with Runner(address) as runner:
        assert not runner.leading
        async with client_of(create_app(runner, pool, open_metrics=True)) as client:
            yield runner, client
    await pool.dispose()


async def test_what_must_not_lead_says_why(
    api: Api, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release with older rules serves reads, and no writes, whoever else does (REC-1)."""
    newer = Engine.rules_version
    monkeypatch.setattr(Engine, "rules_version", newer - 1)
    pool = database.create_engine(address)
    async with (
        Runner(address) as runner,
        client_of(create_app(runner, pool, open_metrics=True)) as client,
    ):
        admin = {"Authorization": f"Bearer {api.keys['admin']}"}
        for refused in (
            await client.get("/leaderz"),
            await client.post("/v1/accounts", json={"account_id": "bob"}, headers=admin),
        ):
            assert refused.status_code == 503
            assert refused.json()["code"] == "not_leader"
            assert f"the log is of rules version {newer}" in refused.json()["detail"]
        assert (await client.get("/readyz")).status_code == 200
    await pool.dispose()


async def test_how_warm_it_stands_by_is_told(
    api: Api, standby: tuple[Runner, httpx.AsyncClient]
) -> None:
    """REC-3: on /readyz and /metrics; a difference too."""
    runner, client = standby
    found = runner.metrics.standby
    async with asyncio.timeout(30):
        while found.state != "warm":
            await asyncio.sleep(0.02)
    ready = (await client.get("/readyz")).json()
    assert ready["standby"]["state"] == "warm"
    assert ready["standby"].keys() == {"state", "lag_commands", "lag_seconds"}
    metrics = (await client.get("/metrics")).text.splitlines()
    assert "backstop_standby_warm 1.0" in metrics
    assert "backstop_standby_differs 0.0" in metrics
    assert "backstop_standby_loads_total 1.0" in metrics
    (memory,) = (line for line in metrics if line.startswith("backstop_resident_memory_bytes "))
    assert float(memory.split()[1]) > 10_000_000
    await runner._follower.stop()
    found.state, found.why = "differs", "as if"
    ready = (await client.get("/readyz")).json()
    assert (ready["standby"]["state"], ready["standby"]["why"]) == ("differs", "as if")
    assert "backstop_standby_differs 1.0" in (await client.get("/metrics")).text


async def test_standby(api: Api, standby: tuple[Runner, httpx.AsyncClient]) -> None:
    _, client = standby
    await api.mark("BTCUSDT", "60000")
    await api.open("alice", "1000")
    admin = {"Authorization": f"Bearer {api.keys['admin']}"}
    alice = {"Authorization": f"Bearer {api.keys['alice']}"}
    for path in ("/v1/accounts/alice", "/v1/accounts/alice/ledger", "/v1/orders"):
        answer = await client.get(path, headers=alice)
        assert answer.status_code == 200
        assert answer.json() == await api(f"GET {path}", key="alice")
    assert (await client.get("/v1/accounts/bob", headers=alice)).status_code == 404
    assert (await client.get("/v1/accounts", headers=alice)).status_code == 403
    wrong = {"Authorization": "Bearer x"}
    assert (await client.get("/v1/accounts", headers=wrong)).status_code == 401
    assert (await client.get("/readyz")).status_code == 200
    order = {
        "account_id": "alice", "symbol": "BTCUSDT", "side": "buy", "type": "limit",
        "quantity": "0.01", "price": "60000",
    }  # fmt: skip
    writes = [
        await client.get("/leaderz"),
        await client.post("/v1/accounts", json={"account_id": "bob"}, headers=admin),
        await client.post("/v1/orders", json=order, headers=alice),
        await client.post("/v1/orders/batch", json={"orders": [order]}, headers=alice),
        await client.post(
            "/v1/prices", json={"symbol": "BTCUSDT", "mark_price": "1"}, headers=admin
        ),
        await client.patch(
            "/v1/insurance-funds/usdt-major", json={"name": "x"}, headers=admin
        ),
    ]  # fmt: skip
    for answer in writes:
        assert (answer.status_code, answer.json()["code"]) == (503, "not_leader")
        assert int(answer.headers["retry-after"]) > 0
    preview = await client.post("/v1/orders/preview", json=order, headers=alice)
    assert preview.status_code == 200
    key_id = next(
        key["key_id"]
        for key in (await api("GET /v1/api-keys"))["items"]
        if key["account_id"] == "alice"
    )
    await api(f"DELETE /v1/api-keys/{key_id}", status=204)
    assert (await client.get("/v1/accounts/alice", headers=alice)).status_code == 401


async def test_takeover(api: Api, standby: tuple[Runner, httpx.AsyncClient]) -> None:
    """When the leader goes, the standby takes writes, with the same keys and answers."""
    runner, client = standby
    await api.open("alice", "0")
    body = {"asset": "USDT", "amount": "5"}
    headers = {
        "Authorization": f"Bearer {api.keys['admin']}", "Idempotency-Key": "d-1"
    }  # fmt: skip
    path = "/v1/accounts/alice/deposits"
    first = await api(f"POST {path}", body, headers={"Idempotency-Key": "d-1"}, status=201)
    await api.runner.stop()
    assert await api.refused(f"POST {path}", body) == (503, "not_leader")
    async with asyncio.timeout(20):
        while not runner.leading:
            await asyncio.sleep(0.05)
    answer = await client.post(path, json=body, headers=headers)
    assert (answer.status_code, answer.json()) == (201, first)
    assert (await client.get("/leaderz")).status_code == 200


async def test_unreachable_database(api: Api) -> None:
    pool = database.create_engine("postgresql:///nothing?host=/nonexistent")
    async with client_of(create_app(api.runner, pool, open_metrics=True)) as client:
        for path in ("/readyz", "/v1/contracts", "/v1/insurance-fund-history?interval=raw"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert answer.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200
    await pool.dispose()


async def test_a_connection_that_breaks(
    api: Api, address: str, connection: asyncpg.Connection
) -> None:
    """Reads that wait when their connections are ended: 503, and the next ones are served."""
    paths = ("/v1/contracts", "/v1/accounts/alice", "/v1/insurance-fund-history?format=json")
    await api.open("alice")
    locker = await database.connect(address)
    async with asyncio.timeout(20), locker.transaction():
        await locker.execute("LOCK contracts, fund_history")
        waiting = [asyncio.create_task(api.send(f"GET {path}")) for path in paths]
        blocked = (
            "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        while await connection.fetchval(f"SELECT count(*) {blocked}") < len(paths):
            await asyncio.sleep(0.05)
        await connection.execute(f"SELECT pg_terminate_backend(pid) {blocked}")
        for answer in await asyncio.gather(*waiting):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    await locker.close()
    for path in paths:
        await api(f"GET {path}")


async def test_what_nobody_expected(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug is a 500 problem without a word about it; the exception goes on to the server."""

    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(contracts, "get_contract", broken)
    transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://backstop") as client:
        answer = await client.get("/v1/contracts/BTCUSDT")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    with pytest.raises(ZeroDivisionError):
        await api.send("GET /v1/contracts/BTCUSDT")

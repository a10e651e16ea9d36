"""How much a stranger or a trader may ask (REC-5): counted before any work, 429 beyond."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from limits import parse

from app.api import rates
from app.api.application import create_app
from app.api.problems import Problem
from app.api.rates import Rate, Rates, cost_of, network_of
from app.main import behind
from app.store import database
from tests.api.conftest import PROBLEM, Api

KEYS, ADDRESSES = 6, 4


@pytest.fixture
async def limited(api: Api, address: str) -> AsyncIterator[Api]:
    """The same service with small limits; a window is longer than the test."""
    pool = database.create_engine(address)
    small = Rates(parse(f"{KEYS}/hour"), parse(f"{ADDRESSES}/hour"))
    app = create_app(api.runner, pool, small, open_metrics=True)
    async with client_from(app, "192.0.2.1") as client:
        yield Api(app, api.runner, client, api.keys)
    await pool.dispose()


def client_from(app: Any, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(host, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://backstop")


async def statuses(client: httpx.AsyncClient, count: int, **how: Any) -> list[int]:
    return [(await client.get("/v1/contracts/BTCUSDT", **how)).status_code for _ in range(count)]


async def test_an_address(limited: Api) -> None:
    """Its requests without a key, wrong keys among them; never those of others, nor probes."""
    assert await statuses(limited.client, ADDRESSES) == [200] * ADDRESSES
    answer = await limited.client.get("/v1/contracts")
    assert (answer.status_code, answer.headers["content-type"]) == (429, PROBLEM)
    assert answer.json()["code"] == "rate_limited"
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    wrong = {"Authorization": "Bearer nobody's"}
    assert await statuses(limited.client, 1, headers=wrong) == [429]
    assert (await limited.client.get("/nothing")).status_code == 429
    assert (await limited.client.get("/healthz")).status_code == 200
    async with client_from(limited.app, "192.0.2.2") as client:
        for _ in range(ADDRESSES):
            answer = await client.post("/v1/orders", content=b"{", headers=wrong)
            assert answer.status_code == 401
        answer = await client.post("/v1/orders", content=b"{", headers=wrong)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    metrics = (await limited.send("GET /metrics")).text
    assert 'route="/v1/orders",method="POST",status="429"' in metrics
    assert 'route="other",method="GET",status="429"' in metrics


async def test_keys(api: Api, limited: Api) -> None:
    """A trader's key has a count of its own, wherever it comes from; others have none."""
    await api.open("alice")
    await api.open("bob")
    order = {"account_id": "alice"}
    for _ in range(KEYS // 2):
        await limited("GET /v1/accounts/alice", key="alice")
        assert await limited.refused("POST /v1/orders", order, key="alice") == (
            400, "malformed_body",
        )  # fmt: skip
    for call in ("GET /v1/accounts/alice", "POST /v1/orders", "POST /v1/orders/preview"):
        assert await limited.refused(call, order, key="alice") == (429, "rate_limited"), call
    await limited("GET /v1/accounts/bob", key="bob")
    for key in ("admin", "feed"):
        for _ in range(KEYS + ADDRESSES):
            await limited("GET /v1/contracts/BTCUSDT", key=key)
    assert await statuses(limited.client, 1) == [200]


async def test_a_revoked_key_is_a_stranger_s(api: Api, limited: Api) -> None:
    await api.open("alice")
    (key,) = [k for k in (await api("GET /v1/api-keys"))["items"] if k["account_id"] == "alice"]
    await api(f"DELETE /v1/api-keys/{key['key_id']}", status=204)
    call = "GET /v1/accounts/alice"
    for _ in range(ADDRESSES):
        assert (await limited.refused(call, key="alice"))[0] == 401
    assert (await limited.refused(call, key="alice"))[0] == 429


async def test_on_a_standby(api: Api, limited: Api) -> None:
    """It learns keys by looking them up, which strangers can have done only so often."""
    await api.open("alice")
    await api.runner.stop()
    await limited("GET /v1/accounts")
    for _ in range(KEYS + 1):  # the first counts for the address
        assert (await limited.send("GET /v1/accounts/alice", key="alice")).status_code == 200
    assert (await limited.send("GET /v1/accounts/alice", key="alice")).status_code == 429
    for number in range(ADDRESSES - 2):
        assert (await limited.refused("GET /v1/accounts", key=f"no-{number}"))[0] == 401
    assert (await limited.refused("GET /v1/accounts", key="no"))[0] == 429
    await limited("GET /v1/accounts")


async def test_behind_a_proxy(limited: Api) -> None:
    """Each client of a trusted proxy has its own count; what others claim is nothing."""

    async def code(host: str, forwarded: str) -> int:
        async with client_from(behind(["192.0.2.0/28"], limited.app), host) as client:
            answer = await client.get("/v1/prices", headers={"X-Forwarded-For": forwarded})
            return answer.status_code

    for number in range(ADDRESSES):
        assert await code("192.0.2.9", f"198.51.100.{number}, 203.0.113.5") == 200
        assert await code("203.0.113.7", f"198.51.100.{number}") == 200
    assert await code("192.0.2.9", "203.0.113.5") == 429
    assert await code("203.0.113.7", "203.0.113.8") == 429
    assert await code("192.0.2.9", "203.0.113.6") == 200
    assert behind([], limited.app) is limited.app


def test_large_pages_count_as_several() -> None:
    expected = {
        b"": 1, b"limit=100": 1, b"limit=101": 2, b"a=b&limit=1000": 10, b"depth=1000&x=1": 10,
        b"limit=x": 1, b"limit=0": 1, b"unlimit=1000": 1, b"limit=99999": 1,
    }  # fmt: skip
    assert {query: cost_of(query) for query in expected} == expected


def test_an_ipv6_customer_is_one() -> None:
    same = {
        network_of("2001:db8::1"),
        network_of("2001:0db8:0:0:ffff::2"),
        network_of("2001:db8::%1"),
    }
    assert len(same) == 1
    assert network_of("2001:db8:0:1::1") not in same
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert len(network_of("x" * 10_000)) < 100


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many addresses there are; those beyond are counted as one, the known ones go on."""
    monkeypatch.setattr(rates, "MOST_COUNTED", 3)
    rate = Rate(parse("2/hour"))
    for name in ("a", "b", "c", "d", "e"):
        rate.count(name)
    with pytest.raises(Problem):
        rate.count("f")
    rate.count("a")
    with pytest.raises(Problem):
        rate.count("a")
    assert len(rate._limiter.storage._counts) == 4  # type: ignore[attr-defined]


def test_a_window_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(rates, "monotonic", lambda: now)
    rate = Rate(parse("1/10 seconds"))
    rate.count("a")
    with pytest.raises(Problem) as refused:
        rate.count("a")
    assert refused.value.headers == {"Retry-After": "10"}
    now += 10
    rate.count("a")


def test_no_limit() -> None:
    rate = Rate(None)
    for _ in range(10):
        rate.count("a")

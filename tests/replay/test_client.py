"""The HTTP client's patience."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import httpx
import pytest

from app.replay import client
from app.replay.client import Service, ServiceError


def service(answer: Callable[[httpx.Request], httpx.Response]) -> Service:
    """A client of a service that answers as given."""
    transport = httpx.MockTransport(answer)
    return Service(httpx.AsyncClient(transport=transport, base_url="http://service"))


async def test_a_busy_service_is_asked_again_with_the_same_key() -> None:
    keys = []

    def answer(request: httpx.Request) -> httpx.Response:
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            return httpx.Response(503, headers={"Retry-After": "0"})
        return httpx.Response(201, json={})

    busy = service(answer)
    await busy.post("/v1/prices", {})
    await busy.post("/v1/prices", {})
    assert keys[0] == keys[1] != keys[2]


async def test_a_lost_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(seconds: float) -> None:
        assert seconds > 0

    monkeypatch.setattr(asyncio, "sleep", at_once)
    attempts = []

    def answer(request: httpx.Request) -> httpx.Response:
        attempts.append(request)
        if len(attempts) == 1:
            raise httpx.ReadError("gone")
        return httpx.Response(200, json={})

    await service(answer).post("/v1/prices", {})
    assert len(attempts) == 2


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0)
    with pytest.raises(ServiceError, match="no answer for long: 503"):
        await service(lambda request: httpx.Response(503)).get("/v1/prices")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"code": "unknown_contract", "detail": "no"}'])
async def test_a_refusal_is_an_error(body: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        await service(lambda request: httpx.Response(404, content=body)).get("/v1/prices/X")
    assert caught.value.status == 404
    assert caught.value.code in {"", "unknown_contract"}


async def test_no_service() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with pytest.raises(ServiceError, match="no service there"):
        await service(answer).greet()


async def test_all_pages_are_read() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("cursor", "0"))
        following = str(start + 2) if start < 4 else None
        return httpx.Response(
            200, json={"items": [{"n": start}, {"n": start + 1}], "next_cursor": following}
        )

    assert [item["n"] async for item in service(answer).pages("/v1/x")] == list(range(6))


async def test_orders_go_in_batches_of_a_thousand() -> None:
    sizes = []

    def answer(request: httpx.Request) -> httpx.Response:
        orders = json.loads(request.content)["orders"]
        sizes.append(len(orders))
        return httpx.Response(200, json={"results": [{"n": o["n"]} for o in orders]})

    results = await service(answer).orders([{"n": n} for n in range(2500)])
    assert sizes == [1000, 1000, 500]
    assert [result["n"] for result in results] == list(range(2500))

"""On a real server: what only sockets show."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx

from tests.api.conftest import PROBLEM, Api

MEGABYTE = 1024 * 1024


async def test_ten_megabytes(api: Api, served: int) -> None:
    """Announced or chunked: 413 with a problem document, and the service goes on."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b" " * MEGABYTE

    headers = {"Authorization": f"Bearer {api.keys['admin']}"}
    for path in ("/v1/orders", "/v1/contracts/import", "/v1/accounts"):
        for content in (b" " * 10 * MEGABYTE, chunks()):
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served}") as client:
                answer = await client.post(path, content=content, headers=headers)
            assert answer.status_code == 413, path
            assert answer.headers["content-type"] == PROBLEM
            assert answer.json()["code"] == "body_too_large"
    assert await api("GET /healthz") == {"status": "alive"}


async def raw(port: int, *parts: bytes) -> bytes:
    """What the server answers to raw bytes before it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for part in parts:
        writer.write(part)
        await writer.drain()
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_client_that_leaves(api: Api, served: int) -> None:
    """A body that never comes: no answer, nothing done, nothing broken."""
    head = (
        f"POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.keys['admin']}\r\n"
        "Content-Length: 100\r\n\r\n"
    ).encode()
    await raw(served, head, b'{"account_id"')
    assert (await api("GET /v1/orders"))["items"] == []
    assert await api("GET /leaderz") == {"status": "leader"}


async def test_a_client_that_asks_first(api: Api, served: int) -> None:
    """It is told to go on before it sends the body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served)
    body = b'{"symbol": "BTCUSDT", "mark_price": "60000"}'
    head = (
        f"POST /v1/prices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.keys['feed']}\r\n"
        f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    writer.write(head.encode())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10) == (
        b"HTTP/1.1 100 Continue\r\n\r\n"
    )
    writer.write(body)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'"accounts_at_risk":0}')
    writer.close()
    await writer.wait_closed()


async def test_several_requests_at_once(api: Api, served: int) -> None:
    """Pipelined: answered in order."""
    heads = [
        f"{call} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n{last}\r\n".encode()
        for call, last in (
            ("GET /healthz", ""), ("HEAD /docs", ""), ("POST /v1/orders", ""),
            ("GET /nothing", "Connection: close\r\n"),
        )
    ]  # fmt: skip
    reader, writer = await asyncio.open_connection("127.0.0.1", served)
    writer.write(b"".join(heads))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    await writer.wait_closed()
    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"200", b"200", b"401", b"404"]


async def test_one_connection_many_requests(api: Api, served: int) -> None:
    """Keep-alive over good and refused requests of both kinds of routes."""
    await api.open("alice")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served}") as client:
        headers = {"Authorization": f"Bearer {api.keys['alice']}"}
        for _ in range(3):
            assert (await client.get("/v1/accounts/alice", headers=headers)).status_code == 200
            assert (await client.post("/v1/orders", content=b"x", headers=headers)).status_code == (
                400
            )  # fmt: skip
            assert (await client.get("/nothing")).status_code == 404


async def test_a_streamed_export(api: Api, served: int) -> None:
    for number in range(1, 30):
        await api.seed_fund("usdt-major", str(number))
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{served}") as client,
        client.stream("GET", "/v1/insurance-fund-history?format=csv") as answer,
    ):
        assert answer.headers["transfer-encoding"] == "chunked"
        text = "".join([part async for part in answer.aiter_text()])
    assert len(text.splitlines()) == 30

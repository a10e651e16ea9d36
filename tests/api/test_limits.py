"""REC-5 on real sockets: sizes, times and numbers of connections."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from app.api.limits import BODY_LIMIT, HEAD_LIMIT, PIPELINE_LIMIT, URL_LIMIT, ConnectionLimits
from tests.api.conftest import Api

PATIENCE_SECONDS = 20.0
ROUTES = (b"GET /v1/contracts", b"POST /v1/orders", b"GET /docs", b"GET /nothing")
CHUNKED = b" HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"a" * 65536

Open = Callable[[], Awaitable["Client"]]


class Client:
    """One connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def get(self, path: str) -> bytes:
        """A request's answer without its head, on a connection that stays open."""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
        length = re.search(rb"content-length: (\d+)", head)
        assert length is not None
        return head[9:12] + b" " + await self.reader.readexactly(int(length[1]))

    async def send(self, *parts: bytes) -> bytes:
        """All that is answered before the server closes."""
        try:
            for part in parts:
                self.writer.write(part)
                await self.writer.drain()
        except ConnectionError:
            pass  # it closed early, after its answer
        return await asyncio.wait_for(self.reader.read(), PATIENCE_SECONDS)

    async def ended(self) -> bytes:
        """What the server said before it closed, or b"reset"."""
        try:
            return await asyncio.wait_for(self.reader.read(), PATIENCE_SECONDS)
        except ConnectionError:
            return b"reset"


@pytest.fixture
async def connect(served: int) -> AsyncIterator[Open]:
    """Opens connections to the service; closes them."""
    writers: list[asyncio.StreamWriter] = []

    async def open_one() -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", served))
        writers.append(client.writer)
        return client

    yield open_one
    for writer in writers:
        writer.transport.abort()


def answers(received: bytes) -> list[tuple[str, str]]:
    """Statuses with problem codes, in order."""
    heads = re.split(rb"(?=HTTP/1\.1 \d)", received)[1:]
    codes = [re.search(rb'"code":"(\w+)"', head) for head in heads]
    return [
        (head[9:12].decode(), code[1].decode() if code else "")
        for head, code in zip(heads, codes, strict=True)
    ]


async def until(condition: Callable[[], object]) -> None:
    """Wait for what must come."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


# Sizes


async def test_a_head_of_32_kib_and_one_byte_more(connect: Open) -> None:
    for route in ROUTES:
        start, end = route + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", b"\r\n"
        counted = len(route.split()[1]) + len("Host: x\r\nConnection: close\r\n")
        filled = b"".join(b"h%d: %s\r\n" % (n, b"x" * 1000) for n in range(31))
        last = HEAD_LIMIT - counted - len(filled) - len("last: \r\n")
        for more, refused in ((0, False), (1, True)):
            head = start + filled + b"last: " + b"x" * (last + more) + b"\r\n" + end
            for parts in ([head], [head[n : n + 1000] for n in range(0, len(head), 1000)]):
                received = await (await connect()).send(*parts)
                assert (answers(received) == [("431", "headers_too_large")]) is refused, route
                assert b"\r\nconnection: close\r\n" in received.lower(), received


async def test_a_url_of_8_kib_and_one_byte_more(connect: Open) -> None:
    for method in (b"GET", b"POST"):
        for path in (b"/v1/orders?", b"/docs/static/"):
            for more, refused in ((0, False), (1, True)):
                url = path + b"x" * (URL_LIMIT - len(path) + more)
                head = method + b" " + url + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                ((status, code),) = answers(await (await connect()).send(head))
                assert ((status, code) == ("414", "url_too_long")) is refused, (url[:20], status)


@pytest.mark.parametrize(
    ("start", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", "431"),
        (b"GET /", "414"),
        (b"POST /v1/accounts" + CHUNKED + b"1;", "431"),
        (b"POST /v1/accounts" + CHUNKED + b"1\r\nx\r\n0\r\nX: ", "431"),
        (b"GET /v1/contracts" + CHUNKED + b"1\r\nx\r\n0\r\nX: ", "431"),
        (b"\r\n", "431"),
    ],
)
async def test_what_never_ends(connect: Open, start: bytes, status: str) -> None:
    """A line, a URL, a chunk's line, a trailer: the answer comes, then the end."""
    received = await (await connect()).send(
        start, *[PIECE if start.strip() else start * 32768] * 100
    )
    assert [one for one, _ in answers(received)] == [status]


async def test_a_body_that_goes_on_after_its_answer(connect: Open) -> None:
    """Where no key is needed to read it, or none was given: 8 MiB, then the end."""
    for call, status in ((b"GET /healthz", "200"), (b"POST /v1/orders", "401")):
        client = await connect()
        chunk = b"10000\r\n" + PIECE + b"\r\n"
        received = await client.send(call + CHUNKED, *[chunk] * (BODY_LIMIT // len(PIECE) + 9))
        assert [one for one, _ in answers(received)] == [status]


async def test_a_refusal_waits_for_its_turn(connect: Open) -> None:
    """Pipelined behind good requests, it neither overtakes nor cuts their answers."""
    good = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    for bad, refusal in (
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", ("414", "url_too_long")),
        (b"NONSENSE\r\n\r\n", ("400", "malformed_request")),
        (b"POST /v1/accounts" + CHUNKED + b"x\r\n", ("400", "malformed_request")),
    ):
        received = await (await connect()).send(good + good + bad)
        assert answers(received) == [("200", ""), ("200", ""), refusal]


async def test_only_so_many_requests_wait(connect: Open) -> None:
    """The last one that is answered says that it is the last."""
    received = await (await connect()).send(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
    assert answers(received) == [("200", "")] * (1 + PIPELINE_LIMIT)
    assert received.count(b"connection: close") == 1
    assert b"connection: close" in received[received.rindex(b"HTTP/1.1 ") :]


async def test_another_protocol(connect: Open) -> None:
    """Upgrades are answered as HTTP/1.1 allows, and what follows is not read."""
    for upgrade in (b"websocket", b"h2c"):
        head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: " + upgrade
        assert answers(await (await connect()).send(head + b"\r\n\r\n", PIECE)) == [("200", "")]
    for other in (b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        assert answers(await (await connect()).send(other)) == [("400", "malformed_request")]


# What has two readings


async def test_a_header_that_is_there_twice(api: Api, connect: Open) -> None:
    """F5: refused where the two differ, on lean routes and others; the same twice is the same."""
    key = api.keys["admin"]
    body = b'{"account_id": "alice"}'
    good = {
        "Host": "x", "Authorization": f"Bearer {key}", "Idempotency-Key": "k-1",
        "Content-Type": "application/json", "Content-Length": str(len(body)),
    }  # fmt: skip
    other = {
        "Host": "y", "Authorization": "Bearer x", "Idempotency-Key": "k-2",
        "Content-Type": "text/plain", "Content-Length": "5",
    }  # fmt: skip
    for path in ("/v1/accounts", "/v1/orders", "/v1/prices/batch"):
        for name, value in other.items():
            pairs = [*good.items(), (name, value), ("Connection", "close")]
            lines = "".join(f"{one}: {two}\r\n" for one, two in pairs)
            request = f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body
            refused = answers(await (await connect()).send(request))
            assert refused == [("400", "ambiguous_header")], (path, name)
    twice = {name: value for name, value in good.items() if name != "Content-Length"}
    lines = "".join(f"{one}: {two}\r\n" for one, two in [*good.items(), *twice.items()])
    request = f"POST /v1/accounts HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode() + body
    assert answers(await (await connect()).send(request)) == [("201", "")]


async def test_a_length_and_chunks(connect: Open) -> None:
    """Two lengths: what a proxy took for the body would be another request here."""
    head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
    received = await (await connect()).send(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert answers(received) == [("400", "ambiguous_header")]


async def test_trailers_are_no_headers(api: Api, connect: Open) -> None:
    """A key that comes behind the body opens nothing."""
    trailer = f"0\r\nAuthorization: Bearer {api.keys['admin']}\r\n\r\n".encode()
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    body = b'17\r\n{"account_id": "alice"}\r\n'
    received = await (await connect()).send(
        head + b"Transfer-Encoding: chunked\r\n\r\n", body, trailer
    )
    assert answers(received) == [("401", "unauthorized")]


# Times

quick = pytest.mark.parametrize(
    "limits", [ConnectionLimits(idle=1, request=0.3, answer=0.5, linger=0.3)]
)


@quick
async def test_requests_that_do_not_end(api: Api, connect: Open) -> None:
    """Nothing at all, half a head, half a body, half a request behind a whole one."""
    timeout = ("408", "request_timeout")
    whole = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for parts, expected in (
        (b"", []),
        (b"\r\n", []),
        (b"GET /v1/contr", [timeout]),
        (b"GET /v1/contracts HTTP/1.1\r\nHost:", [timeout]),
        (b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{", [timeout]),
        (
            b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
            [("401", "unauthorized")],
        ),
        (whole + b"GET", [("200", ""), timeout]),
        (whole, [("200", "")]),
    ):
        assert answers(await (await connect()).send(parts)) == expected, parts
    authorization = f"Authorization: Bearer {api.keys['admin']}\r\n".encode()
    head = b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n" + authorization
    assert answers(await (await connect()).send(head + b"\r\n{")) == [timeout]
    assert (await api("GET /v1/orders"))["items"] == []


@quick
async def test_a_slow_answer_is_no_fault_of_the_client(
    api: Api, connect: Open, connection: asyncpg.Connection
) -> None:
    async with connection.transaction():
        await connection.execute("LOCK TABLE contracts")
        client = await connect()
        client.writer.write(b"GET /v1/contracts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await asyncio.sleep(2.5)
    assert answers(await client.ended())[0][0] == "200"


@quick
async def test_an_answer_that_nobody_takes(api: Api, connect: Open) -> None:
    """The connection ends, and with it what was held for it."""
    client = await connect()
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(40):
        client.writer.write(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        await asyncio.sleep(0.01)
    metrics = api.app.state.services.metrics
    await until(lambda: metrics.ended["answer"])


# Numbers


@pytest.mark.parametrize("limits", [ConnectionLimits(connections=20)])
async def test_connections_that_send_nothing_make_way(api: Api, connect: Open) -> None:
    """The oldest first; who was ever answered stays."""
    honest = await connect()
    assert (await honest.get("/v1/contracts?limit=1")).startswith(b"200 ")
    silent = []
    for _ in range(60):
        silent.append(await connect())
        newcomer = await connect()
        assert await newcomer.get("/healthz") == b'200 {"status":"alive"}'
        newcomer.writer.close()
    assert (await honest.get("/v1/contracts?limit=1")).startswith(b"200 ")
    assert await silent[0].ended() in (b"", b"reset")
    assert api.app.state.services.metrics.ended["crowded"] >= 40
    assert 'reason="crowded"' in (await api.send("GET /metrics")).text


@asynccontextmanager
async def busy_connections(
    connect: Open, connection: asyncpg.Connection, number: int
) -> AsyncIterator[list[Client]]:
    """Connections that all wait for an answer from the database."""
    async with connection.transaction():
        await connection.execute("LOCK TABLE contracts")
        clients = [await connect() for _ in range(number)]
        for client in clients:
            client.writer.write(b"GET /v1/contracts?limit=1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.2)
        yield clients


@pytest.mark.parametrize("limits", [ConnectionLimits(connections=10)])
async def test_when_all_connections_are_at_work(
    connect: Open, connection: asyncpg.Connection
) -> None:
    """One more is told so, health checks get through, and no work is cut off."""
    async with busy_connections(connect, connection, 10) as clients:
        request = b" HTTP/1.1\r\nHost: x\r\n\r\n"
        for path in (b"GET /v1/contracts", b"POST /v1/orders"):
            received = await (await connect()).send(path + request)
            assert answers(received) == [("503", "busy")]
            assert b"retry-after: 1\r\n" in received
        for path in (b"GET /healthz", b"GET /leaderz?"):
            assert answers(await (await connect()).send(path + request)) == [("200", "")]
    for client in clients:
        received = await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)
        assert received.startswith(b"HTTP/1.1 200 ")


async def test_bodies_together(api: Api, connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bodies that are read before a key is looked at have a limit together, and give it back."""
    monkeypatch.setattr("app.api.edge.BODIES_LIMIT", 100_000)
    head = b"POST /v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n"
    first = await connect()
    first.writer.write(head + b" " * 59_999)
    await until(lambda: api.app._edge._bodies == 59_999)  # type: ignore[attr-defined]
    assert answers(await (await connect()).send(head + b" " * 59_999)) == [("503", "busy")]
    first.writer.transport.abort()
    await until(lambda: api.app._edge._bodies == 0)  # type: ignore[attr-defined]
    last = head.replace(b"Host", b"Connection: close\r\nHost") + b" " * 60_000
    assert answers(await (await connect()).send(last)) == [("400", "malformed_body")]


# Labels


async def test_no_label_comes_from_a_request(api: Api, connect: Open) -> None:
    """Paths and methods that nobody knows of are one series each, however many they are."""

    async def ask(name: str) -> int:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PURGE", f"X{name}"):
            for path in (
                f"/docs/static/{name}", f"/{name}", f"/v1/{name}", f"/v1/contracts/{name}",
                f"/docs/{name}", f"/v1/prices/{name}", "/docs", "/v1/orders/batch",
            ):  # fmt: skip
                await api.client.request(method, path, headers={"Host": name})
                line = f"{method} {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
                await (await connect()).send(line.encode())
        return len((await api.send("GET /metrics")).text.splitlines())

    await ask("FIRST")
    before = await ask("SECOND")
    assert [await ask(f"{'Z' * 200}{number}") for number in range(3)] == [before] * 3
    text = (await api.send("GET /metrics")).text
    assert 'route="/docs/static",method="GET",status="404"' in text
    assert 'route="other",method="other",status="404"' in text
    assert "ZZZ" not in text


def test_limits_are_those_of_the_rule() -> None:
    """REC-5's own numbers."""
    limits: Any = ConnectionLimits()
    assert (HEAD_LIMIT, URL_LIMIT, BODY_LIMIT) == (32 * 1024, 8 * 1024, 8 * 1024 * 1024)
    assert (limits.idle, limits.request) == (75, 30)

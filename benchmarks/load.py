"""The load generator: raw HTTP/1.1 over asyncio protocols, so that it is not what is measured.

One `Stream` is one keep-alive connection that sends a request, waits for its answer, and sends the
next. The same client drives the floors and the service, on the same cores.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, cast
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"


def request(method: str, path: str, body: object = None, key: str = "") -> bytes:
    """A whole request as it goes over the wire."""
    content = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {key}\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


@dataclass(slots=True)
class Load:
    """What came back: `latencies` in seconds in order of arrival, and refusals by status."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    last: bytes = b""

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """The latency, in seconds, that this share of the requests did not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def json(self) -> Any:
        """The last answer."""
        return json.loads(self.last)


class Stream(asyncio.Protocol):
    """One connection; it ends when its requests do, or when `stop` says so."""

    def __init__(
        self, requests: Iterator[bytes], load: Load, stop: Callable[[], bool], pause: float
    ) -> None:
        self._requests = requests
        self._load = load
        self._stop = stop
        self._pause = pause
        self._buffer = b""
        self._sent = 0.0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(_HEAD_END)
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end)
        assert length is not None, self._buffer
        body = end + len(_HEAD_END)
        if len(self._buffer) < body + int(length[1]):
            return
        load = self._load
        load.latencies.append(perf_counter() - self._sent)
        load.last = self._buffer[body:]
        if self._buffer[9:10] != b"2":
            load.refused.append(self._buffer)
        self._buffer = b""
        if self._pause:
            asyncio.get_running_loop().call_later(self._pause, self._send)
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("the server hung up"))

    def _send(self) -> None:
        following = None if self._stop() else next(self._requests, None)
        if following is None:
            if not self.ended.done():
                self.ended.set_result(None)
            self._transport.close()
            return
        self._sent = perf_counter()
        self._transport.write(following)


async def drive(
    address: str,
    streams: Sequence[Iterable[bytes]],
    *,
    seconds: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    pause: float = 0.0,
) -> Load:
    """Run streams side by side until they end, `seconds` are over or `stop` says so.

    `pause` is the time in seconds that each stream waits between answer and next request.
    """
    load, started = Load(), perf_counter()
    deadline = None if seconds is None else started + seconds

    def over() -> bool:
        return stop() or (deadline is not None and perf_counter() >= deadline)

    loop, where = asyncio.get_running_loop(), urlsplit(address)
    host, port = where.hostname or "", where.port or 80

    async def run(requests: Iterable[bytes]) -> None:
        _, stream = await loop.create_connection(
            lambda: Stream(iter(requests), load, over, pause), host, port
        )
        await stream.ended

    await asyncio.gather(*map(run, streams))
    load.seconds = perf_counter() - started
    return load


async def ask(address: str, message: bytes) -> Load:
    """One request on a connection of its own; raises when it is refused."""
    load = await drive(address, [[message]])
    if load.refused:
        raise RuntimeError(load.refused[0].decode())
    return load

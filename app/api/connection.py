"""One connection of uvicorn's, with an end to everything a client can make it wait for or keep.

What is refused here was not read to its end, so no route knows of it. Sizes are counted from what
the parser was fed since it last got on, which costs a request that fits one addition.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from heapq import nsmallest
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.api.edge import NOSNIFF
from app.api.faults import Fault
from app.api.limits import (
    BODY_LIMIT,
    HEAD_LIMIT,
    PIPELINE_LIMIT,
    SPARE,
    URL_LIMIT,
    ConnectionLimits,
)
from app.api.metrics import OTHER, HttpMetrics
from app.api.problems import Problem, busy, malformed
from app.api.wire import Pairing

HEALTH = frozenset({b"/healthz", b"/readyz", b"/leaderz"})
NOWHERE: Any = deque(maxlen=0)
"""Where trailers go: appended to the headers, they would change a request that is being served."""


class StopError(Exception):
    """Makes the parser stop."""


class Connection(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over a `Pairing` transport, within `Limits`."""

    # Beside uvicorn's attributes: more than thirty in one dictionary, and all of them are slow.
    __slots__ = (
        "_body",
        "_chunk",
        "_deaf",
        "_last_words",
        "_limits",
        "_metrics",
        "_part",
        "_paused",
        "_read",
        "_since",
        "_spare",
    )
    cycle: Any  # the newest request, None before the first

    def __init__(self, *, limits: ConnectionLimits, metrics: HttpMetrics, **given: Any) -> None:
        super().__init__(**given)
        self._limits = limits
        self._metrics = metrics
        self._since = self._paused = self.loop.time()
        self._part: Literal["head", "body"] | None = None  # of a request that is being read
        self._chunk = 0  # bytes being parsed
        self._read = 0  # bytes parsed since the parser got on: a body's, or a request's end
        self._body = 0
        self._deaf = False  # what still comes is thrown away
        self._spare = False
        self._last_words = b""

    # What comes

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn does; what it writes goes through ours."""
        super().connection_made(transport)
        self.transport = Pairing(transport, self._lingers)
        if len(self.connections) > self._limits.connections:
            others = (one for one in self.connections if one is not self)
            make_room(others, 1 + self._limits.connections // 20)
            excess = len(self.connections) - self._limits.connections
            self._spare = excess > 0
            if excess > SPARE:
                self._refuse(busy("too many connections are open"))

    def data_received(self, data: bytes) -> None:
        """Parse it, and end what is too long."""
        if self._deaf:
            return
        self._chunk = len(data)
        self._read += self._chunk
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # It is answered, as HTTP/1.1 allows; what follows is in no language that we speak.
            self._stop_after(self.cycle)
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(_not_http(error))
        else:
            if self._read > URL_LIMIT:
                self._check_length()

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._part = "head"
        self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Serve the request, unless its head was too long."""
        if self._chunk > URL_LIMIT or self._read > URL_LIMIT:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if problem := _too_long(len(self.url), size):
                self._refuse(problem)
                raise StopError
        if len(self.pipeline) == PIPELINE_LIMIT:
            self._stop_after(self.pipeline[0][0])
            raise StopError
        if self._spare and self.url.partition(b"?")[0] not in HEALTH:
            self._refuse(busy("too many connections are open"))
            raise StopError
        super().on_headers_complete()
        self._part = "body"
        self._body = 0
        self.headers = NOWHERE

    def on_body(self, body: bytes) -> None:
        """Where the route reads the body it counts too, and answers; here it may have ended."""
        self._read = 0
        self._body += len(body)
        if self._body > BODY_LIMIT and self.cycle.response_complete:
            self.transport.close()
            raise StopError
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request's last byte."""
        self._part = None
        self._read = 0
        super().on_message_complete()

    def _check_length(self) -> None:
        if problem := _too_long(len(self.url) if self._part == "head" else 0, self._read):
            self._refuse(problem)

    # What leaves

    def on_response_complete(self) -> None:
        """Go on with what was sent meanwhile; uvicorn's timer is not set, `end_if_late` looks."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._part is None:
            self._since = self.loop.time()
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._last_words:
            self._say_last_words()
        elif self._spare:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        super().pause_writing()
        self._paused = self.loop.time()

    def _refuse(self, problem: Problem) -> None:
        """Answer what cannot be read, after what came before it, and close."""
        self._deaf = True
        self._metrics.count(OTHER, OTHER, problem.status_code, self.loop.time() - self._since)
        before = self.cycle is not None and not self.cycle.response_complete
        if self._part == "body":
            if self.cycle.response_started:
                self.transport.close()
                return
            if self.pipeline:
                self.pipeline.popleft()
            else:
                before = False
                self.cycle.disconnected = True
                self.cycle.message_event.set()
        self._last_words = self._rendered(problem)
        if not before:
            self._say_last_words()

    def _rendered(self, problem: Problem) -> bytes:
        answer = problem.response()
        headers = [*self.server_state.default_headers, *answer.raw_headers, NOSNIFF]
        lines = [b"%s: %s\r\n" % header for header in headers]
        status = STATUS_LINE[answer.status_code]
        return b"".join([status, *lines, b"connection: close\r\n\r\n", bytes(answer.body)])

    def _say_last_words(self) -> None:
        self.transport.write(self._last_words)
        self.transport.close()

    def _stop_after(self, cycle: Any) -> None:
        """Read no more; close when `cycle` is answered."""
        self._deaf = True
        cycle.keep_alive = False

    def _lingers(self) -> bool:
        """Whether the client may still be sending when we close."""
        self._since = self.loop.time()
        self._deaf = self._deaf or self._part is not None
        if self._deaf:
            self.flow.resume_reading()
        return self._deaf

    # What takes too long

    def end_if_late(self, now: float) -> None:
        """End the connection if its time is up; called every second."""
        limits, waited = self._limits, now - self._since
        if self.flow.write_paused:
            if now - self._paused > limits.answer:
                self._end("answer")
        elif self.transport.is_closing():
            if waited > (limits.linger if self._deaf else limits.answer):
                self._end("answer")
        elif self._part:
            if waited > limits.request and not self._deaf:
                seconds = f"{limits.request:g} seconds"
                self._refuse(Problem(Fault.request_timeout, f"a request is sent in {seconds}"))
        elif self.cycle is None:
            if waited > limits.request:
                self._end("request")
        elif self.cycle.response_complete and waited > limits.idle:
            self._end("idle")

    @property
    def waiting(self) -> tuple[bool, float] | None:
        """Whether a request was ever answered, and since when we wait for the client; if we do."""
        answered = self.cycle is not None and self.cycle.response_complete
        if answered or self.cycle is None or (self._part == "body" and not self.pipeline):
            return answered, self._since
        return None

    def make_way(self) -> None:
        """End at once, for others."""
        self.connections.discard(self)
        self._end("crowded")

    def _end(self, reason: str) -> None:
        self._metrics.ended[reason] += 1
        self.transport.abort()


def make_room(connections: Iterable[Any], number: int) -> None:
    """End the connections that have kept us waiting longest: first those that never got an answer.

    Several at once, so that a flood does not have all of them looked at each time.
    """
    waiting = [(one.waiting, id(one), one) for one in connections if one.waiting]
    for _, _, connection in nsmallest(number, waiting):
        connection.make_way()


def _too_long(url: int, size: int) -> Problem | None:
    if url > URL_LIMIT:
        limit = {"limit": str(URL_LIMIT)}
        return Problem(Fault.url_too_long, "a URL has at most 8 KiB", limit)
    if size > HEAD_LIMIT:
        limit = {"limit": str(HEAD_LIMIT)}
        return Problem(Fault.headers_too_large, "headers have at most 32 KiB together", limit)
    return None


def _not_http(error: httptools.HttpParserError) -> Problem:
    if "Content-Length" in str(error) and "character" not in str(error):
        return malformed("Content-Length is given twice, or beside another", Fault.ambiguous_header)
    return malformed("this is not an HTTP/1.1 request", Fault.malformed_request)

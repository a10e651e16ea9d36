"""How answers leave: head and body in one packet.

uvicorn writes them apart, and each write is a system call that wakes the client.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 over a `Pairing` transport."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn does; what it writes goes through ours."""
        super().connection_made(transport)
        self.transport = Pairing(transport)


class Pairing(asyncio.Transport):
    """What uvicorn uses of a transport; it sends the first write together with the second.

    Nothing is held for longer than until the event loop's next turn, and never more than one write.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._held = b""
        self._loop = asyncio.get_running_loop()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send it with what is held, or hold it."""
        if self._held:
            both, self._held = self._held + data, b""
            self._transport.write(both)
        else:
            self._held = bytes(data)
            self._loop.call_soon(self._flush)

    def close(self) -> None:
        """Close when all is sent."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

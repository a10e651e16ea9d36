"""How answers leave: head and body in one packet.

uvicorn writes them apart, and each write is a system call that wakes the client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pairing(asyncio.Transport):
    """What uvicorn uses of a transport; it sends the first write together with the second.

    Nothing is held for longer than until the event loop's next turn, and never more than one write.
    `lingers`, asked when it is closed, tells whether the client is still sending: then only our
    half is closed, for a socket that is closed over unread bytes takes back what was answered.
    """

    def __init__(self, transport: asyncio.Transport, lingers: Callable[[], bool]) -> None:
        super().__init__()
        self._transport = transport
        self._lingers = lingers
        self._ended = False
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
        if self.is_closing():
            return
        self._flush()
        self._ended = True
        if self._lingers():
            self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._ended = True
        self._held = b""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._ended or self._transport.is_closing()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self._transport.is_closing():
            self._transport.write(held)

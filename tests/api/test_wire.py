"""Head and body of an answer leave in one write, and nothing waits for a second one."""

from __future__ import annotations

import asyncio

from app.api.wire import Pairing


class Recorder(asyncio.Transport):
    """A connection that remembers what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.closed
        self.written.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_head_and_body_leave_together() -> None:
    under = Recorder()
    transport = Pairing(under, lambda: False)
    transport.write(b"head")
    assert under.written == []
    transport.write(b"body")
    assert under.written == [b"headbody"]
    await asyncio.sleep(0)
    assert under.written == [b"headbody"]


async def test_nothing_waits_longer_than_a_turn() -> None:
    under = Recorder()
    transport = Pairing(under, lambda: False)
    for part in (b"head", b"one", b"two"):
        transport.write(part)
    assert under.written == [b"headone"]
    await asyncio.sleep(0)
    assert under.written == [b"headone", b"two"]


async def test_what_is_held_is_sent_before_closing() -> None:
    under = Recorder()
    transport = Pairing(under, lambda: False)
    transport.write(b"head")
    transport.close()
    assert under.written == [b"head"]
    assert transport.is_closing()
    await asyncio.sleep(0)
    assert under.written == [b"head"]


async def test_a_lost_connection_is_not_written_to() -> None:
    under = Recorder()
    transport = Pairing(under, lambda: False)
    transport.write(b"head")
    under.close()
    await asyncio.sleep(0)
    assert under.written == []

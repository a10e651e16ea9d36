"""What a client without a key may ask of a connection: sizes, times, numbers (REC-5)."""

from __future__ import annotations

import resource
from contextlib import suppress
from dataclasses import dataclass

KIB = 1024
URL_LIMIT = 8 * KIB
HEAD_LIMIT = 32 * KIB
"""Bytes of a request line with its headers; of a chunk's line; of trailers."""
BODY_LIMIT = 8 * KIB * KIB
IMPORT_LIMIT = 8 * BODY_LIMIT
STREAMED = {"/v1/price-history/imports": IMPORT_LIMIT}
"""Bodies that nobody keeps: they are used as they come, and no key is needed to refuse them."""
IMPORT_LINES = 250
"""Of such a body read at a time, a few tenths of a millisecond."""
BODIES_LIMIT = 256 * KIB * KIB
"""Bytes of all bodies together that are read before a key was looked at."""
PIPELINE_LIMIT = 16
"""Requests of one connection that wait for the answer to the one before them."""

CONNECTIONS = 10_000
SPARE = 32
"""Connections beyond the limit that are still answered: health checks, and 503 for the rest."""
FILES = 65_536
RESERVE = 256
"""Open files that are no connections: the database's, the spare ones, a burst between two turns."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections at once, and how many seconds each may take over what."""

    connections: int = CONNECTIONS
    idle: float = 75.0
    """Between two requests."""
    request: float = 30.0
    """From a request's first byte to its last; from a connection's beginning to its first byte."""
    answer: float = 60.0
    """Without taking anything of an answer."""
    linger: float = 5.0
    """To read the answer to a request that was refused while it was still being sent."""


def connection_limit() -> int:
    """Raise the limit of open files as far as it may be; returns how many can be connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = FILES if hard == resource.RLIM_INFINITY else min(hard, FILES)
    if soft == resource.RLIM_INFINITY:
        return CONNECTIONS
    if soft < most:
        with suppress(ValueError, OSError):  # some systems know a lower limit than the hard one
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return min(CONNECTIONS, max(soft - RESERVE, soft // 2))

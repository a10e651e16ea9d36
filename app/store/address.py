"""The address of a PostgreSQL server: which are taken, and what of one may be shown.

An address holds a password. So no error, log line or announcement prints one: what is shown is
`shown`'s, and an address in which the password could be taken for something else is refused.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:@\[\],]+)?(?::[0-9]{1,5})?"
_AUTHORITY = re.compile(rf"(?:[^\s:@]*(?::[^\s@]*)?@)?({_HOST}(?:,{_HOST})*)")
_SCHEME = re.compile(r"(postgres(?:ql)?)(?:\+asyncpg)?(?=://)")


class AddressError(ValueError):
    """An address that is none; the message holds no part of it."""

    def __init__(self) -> None:
        super().__init__(
            "must be postgresql://user:password@host:port/database, and what has a meaning in an"
            " address is percent-encoded in its parts: @ as %40, / as %2F, ? as %3F, # as %23,"
            " : as %3A, % as %25"
        )


def check_address(address: str) -> str:
    """The address as asyncpg takes it; raises `AddressError`."""
    _parts(address)
    return _SCHEME.sub(r"\1", address, count=1)


def shown(address: str) -> str:
    """Where an address leads, without user, password and options: `host:5432/database`."""
    parts, hosts = _parts(address)
    options = dict(parse_qsl(parts.query))
    host = hosts or options.get("host") or "localhost"
    port = options.get("port", "5432")
    last = host.rpartition(",")[2]
    named = ":" in last.rpartition("]")[2]
    name = parts.path or f"/{options.get('dbname') or options.get('database') or ''}"
    return f"{host}{'' if named else f':{port}'}{name}"


def _parts(address: str) -> tuple[SplitResult, str]:
    """The parts and the hosts of an address in which nothing can be mistaken."""
    try:
        parts = urlsplit(address)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise AddressError from None
    found = _AUTHORITY.fullmatch(parts.netloc)
    mistakable = "@" in parts.path + parts.query or re.search(r"[#\s]", address)
    if not (_SCHEME.match(address) and found) or mistakable:
        raise AddressError
    return parts, found[1]
